from __future__ import annotations

from collections.abc import Callable

import pytest

from babysit.measure.record import Replica, RunRecord
from babysit.rules.dst002_duplicated_shards import DuplicatedShards

RULE = DuplicatedShards()
LOOKS = (0, 1, 4, 16, 64)


def run(
    first: Callable[[int, int], int] = lambda step, _: 100 * step, *, looks: tuple[int, ...] = LOOKS, world: int = 2
) -> RunRecord:
    """Each rank's batch is ``first(step, rank)`` and the 31 examples after it."""
    return RunRecord(
        replicas=tuple(
            Replica(step, rank, world, True, examples=tuple(range(first(step, rank), first(step, rank) + 32)))
            for step in looks
            for rank in (0, 1)
        )
    )


def test_the_same_batch_on_both_ranks() -> None:
    (finding,) = RULE.check(run())
    assert finding.severity == "error"
    assert "two of 2 ranks train on the same examples: 100 % of a batch is on both, at 5 of 5 looks" in finding.message
    assert "DistributedSampler" in finding.remedies[0]
    assert "dataset[rank::2]" in finding.remedies[1]


@pytest.mark.parametrize(
    "silent",
    [
        run(lambda step, rank: 100 * step + 50 * rank),
        run(lambda step, rank: 100 * step + 16 * rank),  # half of it, by chance
        run(lambda step, rank: 100 * step + 50 * rank * (step > 1)),  # a few steps only
        run(looks=(0, 1)),
        run(world=1),
        RunRecord(replicas=tuple(Replica(step, rank, 2, True, examples=(7,)) for step in LOOKS for rank in (0, 1))),
        RunRecord(replicas=tuple(Replica(step, rank, 2, True) for step in LOOKS for rank in (0, 1))),
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []
    assert not RULE.applies(RunRecord())

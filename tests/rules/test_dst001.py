from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from babysit.measure.record import Replica, RunRecord
from babysit.rules.dst001_diverged_replicas import DivergedReplicas

RULE = DivergedReplicas()
LOOKS = (0, 1, 4, 16)


def run(
    apart: Callable[[int], float] = lambda step: 0.01 * step,
    *,
    world: int = 2,
    wrapped: bool = False,
    looks: tuple[int, ...] = LOOKS,
    second: tuple[float, ...] | None = None,
) -> RunRecord:
    """Rank 1 is off by ``apart(step)``."""
    return RunRecord(
        replicas=tuple(
            Replica(step, rank, world, wrapped, (3.0 + rank * apart(step), -1.0) if not (rank and second) else second)
            for rank in range(2)
            for step in looks
        )
    )


def test_ranks_that_go_their_own_ways() -> None:
    (finding,) = RULE.check(run())
    assert finding.severity == "error"
    assert "2 of 2 ranks hold different weights at step 16" in finding.message
    assert "from step 1 on" in finding.message
    assert "nothing exchanges their gradients" in finding.message
    assert finding.evidence[0].value == pytest.approx(0.16 / 3.16)
    assert "DistributedDataParallel" in finding.remedies[0]


def test_other_weights_from_the_start() -> None:
    (finding,) = RULE.check(run(lambda _: 1.0))
    assert "from the first look on" in finding.message


def test_a_wrapper_that_is_gone_round() -> None:
    (finding,) = RULE.check(run(wrapped=True))
    assert "not model.module(x)" in finding.remedies[0]


@pytest.mark.parametrize(
    "silent",
    [
        run(lambda _: 0.0),
        run(lambda _: 1e-5),  # sums in another order
        run(lambda step: 0.1 if step in (1, 4) else 0.0),  # averaged now and then
        run(world=1),
        run(looks=(0, 1)),  # one look at which they differ
        run(lambda _: math.nan),
        run(lambda _: math.inf),
        run(second=(1.0, 2.0, 3.0)),  # another part of the model
        RunRecord(replicas=(Replica(0, 0, 2, wrapped=True),)),
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []
    assert not RULE.applies(RunRecord())


def test_weights_that_are_all_zero() -> None:
    assert (
        list(RULE.check(RunRecord(replicas=tuple(Replica(s, r, 2, False, (0.0,)) for r in (0, 1) for s in LOOKS))))
        == []
    )

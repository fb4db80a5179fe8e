"""DST002: the ranks of one training are given the same examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import ClassVar

from babysit.measure.record import Replica, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._ranks import side_by_side
from babysit.rules._words import percent


@dataclass(frozen=True)
class DuplicatedShards(Rule):
    """The processes of a distributed training see the same examples at the same steps.

    ## What it measures
    Fingerprints of the examples of a batch, on every rank, at steps 0, 1, 4, 16, 64 …: the share of the smaller of two
    ranks' batches that the other one holds as well.

    ## Why it hurts
    N ranks with one batch average N equal gradients: the result is that of a single process at N times the price, and
    an epoch takes N times as long as it should.

    ## What to try
    `DistributedSampler(dataset, shuffle=True)` as the loader's `sampler`, with `sampler.set_epoch(epoch)` before each
    epoch; with an iterable data set, skip what belongs to other ranks, `islice(stream, rank, None, world_size)`.

    ## When it is a false alarm
    Where ranks share a batch on purpose: tensor or pipeline parallelism, an ensemble on the same data. Random batches
    from a small set overlap in part and are no alarm; ranks that each shuffle all of the data differently repeat
    examples within an epoch, which this rule does not see.

    ## Options
    `overlap` is the share of a batch, `share` the share of the looks.

    ## References
    PyTorch, `torch.utils.data.distributed.DistributedSampler`.
    """

    code: ClassVar[str] = "DST002"
    name: ClassVar[str] = "duplicated-shards"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("replicas",)
    source: ClassVar[str] = "PyTorch documentation, torch.utils.data.distributed.DistributedSampler"

    overlap: float = threshold(0.9, unit="share of the batch")
    share: float = threshold(0.8, unit="share of the looks")
    min_looks: int = threshold(3, unit="looks", source="steps 0, 1 and 4")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        looks = [(step, ranks, shares) for step, ranks in side_by_side(run) if (shares := _overlaps(ranks))]
        same = [look for look in looks if max(look[2]) > self.overlap]
        if len(looks) < self.min_looks or len(same) < self.share * len(looks):
            return
        step, ranks, _ = same[-1]
        typical = median(max(shares) for *_, shares in same)
        yield self.finding(
            f"two of {ranks[0].world} ranks train on the same examples: {percent(typical)} of a batch is on both, at "
            f"{len(same)} of {len(looks)} looks",
            evidence=(
                Evidence("examples on both ranks", typical, self.overlap, "share of the batch"),
                Evidence("looks that show it", float(len(same)), self.share * len(looks)),
                Evidence("ranks", float(ranks[0].world)),
            ),
            remedies=(
                "give the loader a DistributedSampler(dataset), and call its set_epoch(epoch) before each epoch",
                f"or give each rank its own part: dataset[rank::{ranks[0].world}], or islice for a stream",
            ),
            steps=(same[0][0], step),
        )


def _overlaps(ranks: Sequence[Replica]) -> list[float]:
    """For every two ranks with examples, the share of the smaller batch that both hold."""
    batches = [set(record.examples) for record in ranks if len(set(record.examples)) > 1]
    return [len(one & other) / min(len(one), len(other)) for one, other in combinations(batches, 2)]

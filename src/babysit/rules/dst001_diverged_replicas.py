"""DST001: the ranks of one training hold different weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Replica, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._ranks import side_by_side
from babysit.rules._words import number

_FLOOR = 1e-3  # of the largest number: sums that cancel out are compared with what they are sums of


@dataclass(frozen=True)
class DivergedReplicas(Rule):
    """The processes of a distributed training hold different weights: each trains a model of its own.

    ## What it measures
    One number for each of a few parameters, on every rank, at steps 0, 1, 4, 16, 64 …: equal where the parameters are.
    It speaks where two ranks differ by more than rounding, and have differed at every look since.

    ## Why it hurts
    No gradient is exchanged, so that each rank sees its own share of the data alone and N processes do the work of one.
    What is saved is one of N different models, at an N-th of the data; evaluation over all ranks mixes them.

    ## What to try
    Wrap the model in `DistributedDataParallel`, and call the wrapper: `model(x)`, not `model.module(x)`, which
    exchanges nothing. If the gradients are averaged by hand: `all_reduce` every one of them before `optimizer.step()`,
    and start all ranks from the same weights (`broadcast`, or one seed). No other learning rate or clipping on a rank.

    ## When it is a false alarm
    Where each rank is meant to train its own model or its own part of one (an ensemble, a search, tensor or pipeline
    parallelism), and where weights are averaged only now and then (local SGD) and no look has met such a step. Models
    of different size are not compared.

    ## Options
    `relative` leaves room for sums in another order; replicas that are wrapped are equal to the last bit.

    ## References
    PyTorch, Distributed Data Parallel: replicas start equal and stay so. TrainCheck (OSDI 2025) counts diverged ranks
    among the silent errors.
    """

    code: ClassVar[str] = "DST001"
    name: ClassVar[str] = "diverged-replicas"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("replicas",)
    source: ClassVar[str] = "PyTorch documentation, Distributed Data Parallel: internal design"

    relative: float = threshold(1e-5, unit="difference / weight")
    min_looks: int = threshold(2, unit="looks")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        looks = [(step, _difference(ranks), ranks) for step, ranks in side_by_side(run)]
        looks = [look for look in looks if not math.isnan(look[1])]
        apart: list[tuple[int, float, Sequence[Replica]]] = []
        for look in reversed(looks):
            if not look[1] > self.relative:
                break
            apart.insert(0, look)
        if len(apart) < self.min_looks:
            return
        from_the_start = len(apart) == len(looks)
        step, difference, ranks = apart[-1]
        wrapped = all(record.wrapped for record in ranks)
        yield self.finding(
            f"{len(ranks)} of {ranks[0].world} ranks hold different weights at step {step}: the largest difference is "
            f"{number(difference)} of the weight, "
            + (f"from step {apart[0][0]} on" if not from_the_start else "from the first look on")
            + ("" if wrapped else "; nothing exchanges their gradients"),
            evidence=(
                Evidence("largest difference / weight", difference, self.relative),
                Evidence("looks at which they differ", float(len(apart)), float(self.min_looks)),
                Evidence("ranks", float(ranks[0].world)),
            ),
            remedies=(
                "call the DistributedDataParallel wrapper, model(x), not model.module(x), and leave no_sync() in time"
                if wrapped
                else "wrap the model: DistributedDataParallel(model), or all_reduce every gradient before the step",
                "start all ranks from the same weights: one seed, or broadcast them from rank 0",
            ),
            steps=(apart[0][0], step),
        )


def _difference(ranks: Sequence[Replica]) -> float:
    """Largest relative difference between two ranks; NaN where they cannot be compared."""
    first = ranks[0].weights
    if not first or any(len(record.weights) != len(first) for record in ranks):
        return math.nan
    columns = list(zip(*(record.weights for record in ranks), strict=True))
    if not all(math.isfinite(value) for column in columns for value in column):
        return math.nan
    floor = _FLOOR * max(abs(value) for value in first)
    sizes = [max(floor, *map(abs, column)) for column in columns]
    return max(
        (max(column) - min(column)) / size if size > 0 else 0.0 for column, size in zip(columns, sizes, strict=True)
    )

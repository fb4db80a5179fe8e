"""DAT005: batches are cut from data that are ordered by their targets."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import TRAIN, LossCall, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._calls import by_name
from babysit.rules._words import number, percent

_VALUES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class UnshuffledBatches(Rule):
    """The targets of a batch are much more alike than those of different batches.

    ## What it measures
    For classes: how likely two targets of one batch are of the same class (p), and two of all recorded batches (q); the
    excess (p − q)/(1 − q) is 0 for batches drawn at random, whatever the balance of the classes, and 1 where every
    batch holds a single class. Batches of fewer than eight examples are taken together with those after them. For
    values: the variance of the batches' means over that of all targets, which is 1/(batch size) for batches drawn at
    random, where the means go one way through the epoch: values in order, not values that come as time goes by.

    ## Why it hurts
    Every step moves the weights towards the one class or level that its batch holds, and the next batches undo it. What
    came last in the epoch is remembered best, and batch normalisation sees statistics of one class at a time.

    ## What to try
    `DataLoader(…, shuffle=True)`, or a new `torch.randperm` of the rows each epoch.

    ## When it is a false alarm
    When the order is meant: a recurrent network that carries its state from batch to batch through a long series, a
    curriculum, continual learning. A few classes a batch, as samplers for metric learning draw them, stay below the
    limit from four classes on.

    ## Options
    `excess` is the limit for classes, `between` the one for values; `errors` keeps rare classes from being taken for
    an order by chance, and `one_way` series that go up and down for sorted values.

    ## References
    Bengio, Practical recommendations for gradient-based training of deep architectures, 2012: examples should come in
    random order; Goodfellow, Bengio and Courville, Deep Learning, section 8.1.3.
    """

    code: ClassVar[str] = "DAT005"
    name: ClassVar[str] = "unshuffled-batches"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("calls",)
    source: ClassVar[str] = "Bengio 2012, Practical recommendations for gradient-based training"

    excess: float = threshold(0.4, unit="(p − q)/(1 − q)")
    between: float = threshold(0.5, unit="variance of the batches' means / of the targets")
    min_batch: int = threshold(8, unit="examples")
    min_batches: int = threshold(8, unit="batches")
    min_other: int = threshold(16, unit="targets that are not of the commonest class")
    errors: float = threshold(6.0, unit="standard errors of p − q in batches drawn at random")
    one_way: float = threshold(0.75, unit="of the steps from a batch's mean to the next one's")
    min_moves: int = threshold(8, unit="steps from a mean to the next one")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if not run.header.progress:  # targets of models that play against each other say nothing about data
            return
        sizes = _batch_sizes(run)
        for calls in by_name(run.called(TRAIN)).values():
            judged = [call for call in calls if self._is_judged(call, sizes)]
            if len(judged) * 2 > len(calls):
                yield from self._classes(judged) if judged[0].counts else self._values(run, judged)

    def _is_judged(self, call: LossCall, sizes: dict[int, set[int]]) -> bool:
        """One target an example: positions of a sequence and pixels of an image depend on each other anyway."""
        targets = math.prod(call.target_shape)
        return targets in sizes[call.step] if sizes else call.output_shape[:1] == (targets,)

    def _classes(self, calls: Sequence[LossCall]) -> Iterator[Finding]:
        steps = _counts_by_step(calls)
        pooled = sum(steps.values(), np.zeros(()))
        total = float(pooled.sum())
        counts = np.array(_batches(steps, self.min_batch))
        if len(counts) < self.min_batches or total - pooled.max() < self.min_other:
            return
        sizes = counts.sum(1)
        within = float(((counts * (counts - 1)).sum(1) / (sizes * (sizes - 1))).mean())
        anywhere = float((pooled * (pooled - 1)).sum() / (total * (total - 1)))
        excess = (within - anywhere) / (1 - anywhere)
        if not (excess > self.excess and within - anywhere > self.errors * _error(pooled / total, sizes)):
            return
        single = int((counts.max(1) == sizes).sum())
        yield self.finding(
            f"two targets of a batch are of the same class in {percent(within)} of cases, two of all recorded batches "
            f"in {percent(anywhere)}; {single} of {len(counts)} batches hold a single class: the data come in order",
            evidence=(
                Evidence("excess of equal classes in a batch", excess, self.excess),
                Evidence("batches of a single class", float(single)),
                Evidence("batches", float(len(counts)), float(self.min_batches)),
            ),
            remedies=_REMEDIES,
            steps=(calls[0].step, calls[-1].step),
        )

    def _values(self, run: RunRecord, calls: Sequence[LossCall]) -> Iterator[Finding]:
        # targets that a model makes for itself drift as it learns: only batches cut from a larger set are judged
        if calls[0].name not in _VALUES or len(calls) < self.min_batches or not _is_cut(run):
            return
        if math.prod(calls[0].target_shape) < self.min_batch or not self._goes_one_way(calls):
            return
        means, stds = np.array([(call.targets.mean, call.targets.std) for call in calls]).T
        with np.errstate(all="ignore"):
            total = float(means.var() + (stds**2).mean())
            share = float(means.var()) / total if 0 < total < math.inf else math.nan
        if not share > self.between:
            return
        size = math.prod(calls[0].target_shape)
        yield self.finding(
            f"the mean target of a batch varies with {percent(share)} of the variance of all targets, where batches of "
            f"{size} drawn at random give {percent(1 / size)}: the data come in order; means from "
            f"{number(float(means.min()))} to {number(float(means.max()))}",
            evidence=(
                Evidence("variance of the batches' means / of the targets", share, self.between),
                Evidence("batches", float(len(calls)), float(self.min_batches)),
            ),
            remedies=_REMEDIES,
            steps=(calls[0].step, calls[-1].step),
        )

    def _goes_one_way(self, calls: Sequence[LossCall]) -> bool:
        """Whether the batches' means rise or fall through the epoch, but for the leap back to its beginning."""
        pairs = [(one, two) for one, two in pairwise(calls) if two.step == one.step + 1]
        moves = np.array([two.targets.mean - one.targets.mean for one, two in pairs])
        means = [call.targets.mean for call in calls]
        moves = moves[np.abs(moves) < 0.5 * (max(means) - min(means))]
        if len(moves) < self.min_moves:
            return False
        return max(float(np.mean(moves > 0)), float(np.mean(moves < 0))) >= self.one_way


_REMEDIES = ("shuffle: DataLoader(…, shuffle=True), or a new torch.randperm of the rows each epoch",)


def _batch_sizes(run: RunRecord) -> dict[int, set[int]]:
    """Examples of the model's calls at each training step; empty where no model's calls were recorded.

    Of inputs with two dimensions or more either of the first two may count them, as recurrent models take time first.
    """
    found: dict[int, set[int]] = defaultdict(set)
    for forward in run.forwarded(TRAIN):
        found[forward.step].update(forward.shape[: 1 if forward.shape[:1] == (1,) else 2])
    return found


def _counts_by_step(calls: Sequence[LossCall]) -> dict[int, Counts]:
    """Targets of each class in each step: the batches of one step make one gradient."""
    width = max(len(call.counts) for call in calls)
    steps: dict[int, Counts] = defaultdict(lambda: np.zeros(width))
    for call in calls:
        steps[call.step][: len(call.counts)] += call.counts
    return steps


def _batches(steps: Mapping[int, Counts], least: int) -> list[Counts]:
    """The batches, small ones together with those of the steps right after them; what stays too small is left out."""
    found: list[Counts] = []
    open_: Counts | None = None
    before = -1
    for step in sorted(steps):
        counts = steps[step]
        small = counts.sum() < least
        open_ = open_ + counts if small and open_ is not None and step == before + 1 else counts if small else None
        if not small:
            found.append(counts)
        elif open_ is not None and open_.sum() >= least:
            found.append(open_)
            open_ = None
        before = step
    return found


def _error(shares: Counts, sizes: Counts) -> float:
    """Standard error of the mean share of equal pairs, for batches drawn at random (the variance of a U-statistic)."""
    equal = float((shares**2).sum())
    one, two = float((shares**3).sum()) - equal**2, equal - equal**2
    variances = (4 * (sizes - 2) * one + 2 * two) / (sizes * (sizes - 1))
    # the shares themselves were counted in as many targets
    return math.sqrt(max(float(variances.sum()) / len(sizes) ** 2 + 4 * one / float(sizes.sum()), 0.0))


def _is_cut(run: RunRecord) -> bool:
    forwards = run.forwarded(TRAIN)
    cut = sum(forward.available >= 4 * forward.shape[0] > 0 for forward in forwards if forward.shape)
    return run.header.steps_per_epoch >= 4 or 2 * cut > len(forwards)

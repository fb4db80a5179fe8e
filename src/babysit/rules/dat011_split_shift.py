"""DAT011: evaluation is given inputs of another scale or level than training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from babysit.measure.record import TRAIN, Forward, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._evaluated import evaluation_passes
from babysit.rules._words import number

_LATEST = 3


@dataclass(frozen=True)
class _Pool:
    """Inputs of several calls together."""

    mean: float
    std: float
    examples: int

    @classmethod
    def of(cls, forwards: Sequence[Forward]) -> _Pool | None:
        given = [(item.examples, item.inputs.mean, item.inputs.std) for item in forwards if item.inputs is not None]
        if not given or not np.isfinite(given).all():
            return None
        counts, means, stds = np.clip(np.asarray(given, dtype=np.float64).T, -1e100, 1e100)  # squares stay finite
        examples = int(counts.sum())
        if not examples > 0:
            return None
        mean = float((counts * means).sum() / examples)
        square = float((counts * (stds**2 + (means - mean) ** 2)).sum() / examples)
        return cls(mean, math.sqrt(square), examples)


@dataclass(frozen=True)
class SplitShift(Rule):
    """The inputs of evaluation are not scaled, or not normalised, as those of training are.

    ## What it measures
    Mean and standard deviation of all input values, in evaluation passes and in training batches of the same model and
    shape. The difference of the means in standard deviations of the training inputs, where it is beyond four standard
    errors, and the ratio of the two standard deviations, in most of the latest passes.

    ## Why it hurts
    The network has learnt from inputs around one level and of one size. On others its layers work where they never
    were in training: the score in evaluation says nothing, and looks like overfitting.

    ## What to try
    One function that prepares the inputs for both splits. Means, standard deviations and encodings are computed on the
    training split, kept, and applied to every split, once.

    ## When it is a false alarm
    When evaluation is of another kind on purpose: other sensors, other years, corrupted inputs, clean inputs for a
    network that is trained on noisy ones. Inputs that vary as much between training batches, such as states of an
    agent, models trained against each other, and passes at nearly every step are not judged.

    ## Options
    Differences in standard deviations of the training inputs; ratios of standard deviations, in either direction.

    ## References
    CS231n 2017, lecture 6: the mean is computed on the training data and subtracted from all splits.
    """

    code: ClassVar[str] = "DAT011"
    name: ClassVar[str] = "split-shift"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("forwards",)
    source: ClassVar[str] = "CS231n 2017, lecture 6: preprocessing"

    shift: float = threshold(0.5, unit="standard deviations")
    ratio: float = threshold(2.0, unit="× or 1/× standard deviation of training")
    severe_shift: float = threshold(2.0, unit="standard deviations")
    severe_ratio: float = threshold(5.0, unit="× or 1/× standard deviation of training")
    errors: float = threshold(4.0, unit="standard errors")
    min_examples: int = threshold(32, unit="examples")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if not run.header.progress:
            return
        passes = [[item for item in forwards if _is_held_out(item)] for forwards in evaluation_passes(run)]
        passes = [forwards for forwards in passes if forwards]
        latest = passes[-_LATEST:]
        found = [finding for forwards in latest if (finding := self._compared(run, forwards, passes)) is not None]
        if len(found) > len(latest) / 2:
            yield found[-1]

    def _compared(self, run: RunRecord, forwards: list[Forward], passes: list[list[Forward]]) -> Finding | None:
        kind = forwards[-1].model, forwards[-1].shape[1:]
        same = [item for item in run.forwards if item.phase == TRAIN and _is_like(item, kind)]
        evaluated = _Pool.of(pass_ := [item for item in forwards if _is_like(item, kind)]) if same else None
        trained = _Pool.of(same) if same else None
        if trained is None or evaluated is None or not trained.std > 0 or not evaluated.std >= 0:
            return None
        if min(trained.examples, evaluated.examples) < self.min_examples:
            return None
        steady_mean, steady_std = _steadiness(same, trained)
        distance = abs(evaluated.mean - trained.mean)
        error = math.hypot(trained.std / math.sqrt(trained.examples), evaluated.std / math.sqrt(evaluated.examples))
        shift = distance / trained.std if distance > self.errors * error and steady_mean else 0.0
        ratio = max(evaluated.std / trained.std, 1e-30)
        factor = max(ratio, 1 / ratio) if steady_std else 1.0
        if not (shift > self.shift or factor > self.ratio):
            return None
        severe = shift > self.severe_shift or factor > self.severe_ratio
        return self.finding(
            f"evaluation is given inputs with mean {number(evaluated.mean)} and standard deviation "
            f"{number(evaluated.std)}, training with {number(trained.mean)} and {number(trained.std)}: the splits are "
            f"not prepared alike",
            evidence=(
                Evidence("difference of the means", distance / trained.std, self.shift, "standard deviations"),
                Evidence("ratio of the standard deviations", ratio, self.ratio if ratio > 1 else 1 / self.ratio),
            ),
            remedies=(
                "prepare both splits with the same function: the training split's mean and deviation, applied once",
            ),
            steps=(passes[0][0].step, pass_[-1].step),
            severity=Severity.ERROR if severe else Severity.WARNING,
        )


def _is_like(forward: Forward, kind: tuple[str, tuple[int, ...]]) -> bool:
    return forward.inputs is not None and (forward.model, forward.shape[1:]) == kind and forward.examples > 0


def _is_held_out(forward: Forward) -> bool:
    return forward.inputs is not None and 2 * forward.seen < max(forward.examples, 1)


def _steadiness(forwards: Sequence[Forward], pool: _Pool) -> tuple[bool, bool]:
    """Whether the means, and the standard deviations, are alike in all training batches."""
    means = [item.inputs.mean for item in forwards if item.inputs is not None]
    stds = [item.inputs.std for item in forwards if item.inputs is not None]
    low, high = np.quantile(stds, [0.05, 0.95])
    return bool(np.std(means) < 0.4 * pool.std), bool(high < 2 * low)

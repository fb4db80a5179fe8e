"""Training and validation evaluated at the same step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from babysit.measure.record import Evaluation, RunRecord


@dataclass(frozen=True)
class Pair:
    """Both evaluations of one step."""

    train: Evaluation
    validation: Evaluation

    @property
    def gap(self) -> float:
        """How much better the score is on training examples."""
        return self.train.score - self.validation.score


def pairs(run: RunRecord) -> tuple[Pair, ...]:
    """The steps at which both splits were evaluated with finite results, in order.

    Where the training split was not evaluated, the average of the last training batches stands for it. Evaluations
    before the first step are left out: they say nothing about training.
    """
    found = (*run.evaluated("batches"), *run.evaluated("train"))
    train = {item.step: item for item in found if _finite(item)}
    both = [(train[item.step], item) for item in run.evaluated("validation") if item.step in train and _finite(item)]
    return tuple(Pair(*pair) for pair in both if pair[0].step > 0)


def gap_error(run: RunRecord, pair: Pair) -> float:
    """Standard error of the gap between two accuracies; 0 for R², whose error the record does not tell."""
    if run.header.task != "classification":
        return 0.0
    return math.sqrt(sum(_variance(item.score, item.examples) for item in (pair.train, pair.validation)))


def _variance(accuracy: float, examples: int) -> float:
    # Wilson's centre keeps the variance of 30 right out of 30 above zero.
    centred = (accuracy * examples + 2) / (examples + 4) if examples > 0 else 0.5
    return max(centred * (1 - centred), 0.0) / max(examples, 1)


def _finite(item: Evaluation) -> bool:
    return math.isfinite(item.loss) and math.isfinite(item.score)

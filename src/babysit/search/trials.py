"""What a search asks to be trained, and what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrialSpec:
    """One trial to be trained.

    Attributes:
        number: Unique in the search, from 0.
        round: Number of its round.
        params: Its hyperparameters.
        seed: Of its initial weights and its dropout.
        epochs: Longest it may train; the end of its learning-rate schedule. May be a fraction.
        order: Of its batches. Trials that are compared see the same batches in the same order, which takes the luck of
            the order out of the comparison and lets many of them be trained as one program.
    """

    number: int
    round: int
    params: Mapping[str, Any]
    seed: int
    epochs: float
    order: int = 0


@dataclass(frozen=True)
class Unit:
    """Trials that are trained together, as one piece of work.

    Attributes:
        trials: In the order they are stacked.
        epochs: What they are trained to, since their beginning.
    """

    trials: tuple[TrialSpec, ...]
    epochs: float

    @property
    def key(self) -> tuple[int, float]:
        """What names it in a search: units of one rung share no trial."""
        return (self.trials[0].number, self.epochs)


@dataclass(frozen=True)
class Outcome:
    """Where a trial stands after training to some epoch.

    Attributes:
        number: The trial's.
        epochs: What it was to be trained to.
        trained: Epochs it has trained; fewer than ``epochs`` when it was stopped.
        steps: Steps it has taken.
        initial_loss: Loss of its first step.
        loss: Validation loss, never NaN; infinite when it was stopped.
        score: Validation accuracy, R² or the metric that was given; ``-inf`` when it was stopped.
        stopped: Why it was killed; ``""`` when all is well.
        failed: It raised, rather than diverged.
    """

    number: int
    epochs: float
    trained: float
    steps: int
    initial_loss: float
    loss: float
    score: float
    stopped: str = ""
    failed: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        """Greater is better: the score, and the lower loss where scores are equal."""
        return (self.score, -self.loss)


def failure(trial: TrialSpec, epochs: float, error: Exception) -> Outcome:
    """The outcome of a trial that raised.

    Example:
        >>> failure(TrialSpec(3, 0, {}, seed=1, epochs=2.0), 1.0, ValueError("no")).stopped
        'ValueError: no'
    """
    return failed(trial, epochs, f"{type(error).__name__}: {str(error).strip()}")


def failed(trial: TrialSpec, epochs: float, reason: str) -> Outcome:
    """The outcome of a trial that could not be trained, and why, of which the first line is kept."""
    first = reason.strip().partition("\n")[0].rstrip()
    return Outcome(trial.number, epochs, 0.0, 0, math.nan, math.inf, -math.inf, first, failed=True)

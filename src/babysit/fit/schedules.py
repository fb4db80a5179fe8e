"""Learning-rate decay by name, as a factor on the first rate and a function of progress alone.

A function of progress needs no state: a training that goes on after a kill has the rate it would have had.
``plateau`` is the exception, as it reads the validation score; its state travels in the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from babysit.errors import InputError

FINAL_FACTOR = 0.01
"""What exponential and 1/t decay have come down to at the end (heuristic: two decades, as two steps of ×0.1)."""


def _constant(progress: float) -> float:  # noqa: ARG001
    return 1.0


def _step(progress: float) -> float:
    return math.pow(0.1, (progress >= 0.5) + (progress >= 0.75))


def _exponential(progress: float) -> float:
    return math.pow(FINAL_FACTOR, progress)


def _inverse_time(progress: float) -> float:
    return 1 / (1 + progress * (1 / FINAL_FACTOR - 1))


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "1/t": _inverse_time,
    "cosine": _cosine,
    "plateau": _constant,
}


def schedule_factor(name: str, progress: float) -> float:
    """The factor on the first learning rate.

    Args:
        name: ``constant``; ``step``: ×0.1 at a half and again at three quarters; ``exponential`` and ``1/t``: down to
            1 % at the end; ``cosine``: down to 0; ``plateau``: 1, as :class:`Plateau` brings its own factor.
        progress: Share of the planned steps that are done, 0 to 1.

    Raises:
        InputError: No such schedule.

    Example:
        >>> [round(schedule_factor("cosine", p), 2) for p in (0, 0.5, 1)]
        [1.0, 0.5, 0.0]
    """
    if name not in SCHEDULES:
        raise InputError(
            "schedule", expected=f"one of {', '.join(SCHEDULES)}", found=repr(name), todo="choose one of them"
        )
    return SCHEDULES[name](progress)


class Plateau:
    """Halves the rate when the validation score has not improved for some evaluations.

    Args:
        patience: Evaluations without improvement before the rate is lowered.
        factor: What it is multiplied by then.
    """

    def __init__(self, patience: int = 3, factor: float = 0.5) -> None:
        self._patience = patience
        self._multiplier = factor
        self._best = -math.inf
        self._waited = 0
        self.factor = 1.0

    def observe(self, score: float) -> None:
        """Take note of one evaluation; higher is better."""
        if score > self._best:
            self._best, self._waited = score, 0
            return
        self._waited += 1
        if self._waited > self._patience:
            self.factor *= self._multiplier
            self._waited = 0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep."""
        return {"best": self._best, "waited": self._waited, "factor": self.factor}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._best, self._waited, self.factor = state["best"], state["waited"], state["factor"]

"""The parts of a loss that is a sum: what is measured against data, and what the model is compared with itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import LossCall, RunRecord
from babysit.rules._curve import limited, running_median

_FEWEST = 10
_FIRST = 5


@dataclass(frozen=True)
class Part:
    """What one part of the loss was at the steps whose calls were recorded.

    Attributes:
        steps: Those steps, in order.
        values: The mean over its calls, one a step.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def began(self) -> float:
        """Its first level."""
        return float(np.median(self.values[:_FIRST]))

    @property
    def peak(self) -> float:
        """Its highest level."""
        return float(running_median(self.values).max())

    @property
    def ended(self) -> float:
        """Its last level."""
        return float(np.median(self.values[-max(_FIRST, len(self.values) // 10) :]))


def part_against_data(run: RunRecord) -> Part | None:
    """The calls of loss functions in training that are given targets of the data; ``None`` where too few were recorded.

    Also ``None`` where they are the whole loss: what is backpropagated is then a fixed multiple of their value.
    """
    return None if run.header.loss_name else _part(call for call in run.called("train") if not call.of_itself)


def part_of_itself(run: RunRecord) -> Part | None:
    """The calls in which the model makes its own targets; ``None`` where there are too few."""
    return _part(call for call in run.called("train") if call.of_itself)


def _part(calls: Iterable[LossCall]) -> Part | None:
    by_step: dict[int, list[float]] = {}
    for call in calls:
        value = limited(call.value) if math.isfinite(call.value) else math.nan
        by_step.setdefault(call.step, []).append(value)
    means: Mapping[int, float] = {step: float(np.mean(values)) for step, values in sorted(by_step.items())}
    values = np.array(list(means.values()), dtype=np.float64)
    if len(values) < _FEWEST or not np.isfinite(values).all():
        return None
    return Part(np.array(list(means), dtype=np.int64), values)

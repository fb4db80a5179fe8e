"""Recorded calls of loss functions: by function, how many a step, and how many targets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from babysit.measure.record import LossCall


def by_name(calls: Iterable[LossCall]) -> Mapping[str, list[LossCall]]:
    """The calls of each function, in order."""
    found: dict[str, list[LossCall]] = {}
    for call in calls:
        found.setdefault(call.name, []).append(call)
    return found


def targets_of(call: LossCall) -> int:
    """How many targets a call was given."""
    return math.prod(call.target_shape)


def per_step(calls: Sequence[LossCall]) -> int:
    """Most calls of one step."""
    return max(Counter(call.step for call in calls).values(), default=0)


def one_each(call: LossCall) -> bool:
    """Whether a call was given one target an example: no words of a text, no pixels of a map, no labels of many."""
    return bool(call.output_shape) and targets_of(call) == call.output_shape[0]

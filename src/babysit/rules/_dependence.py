"""What an answer depends on: how large a dependence has to be to be no rounding."""

from __future__ import annotations

import math
from collections.abc import Mapping

from babysit.rules._base import Evidence

ROUNDINGS = 16
"""Of the outputs' precision: what sums in another order make of equal numbers."""
CONTROLS = 10
"""Times the change that is there when nothing was changed."""


def first_seen(module: str) -> str:
    """Where a difference begins, as the end of a sentence; nothing where that is unknown."""
    return f"; this is first seen in what {module} gives" if module else ""


def dependence(numbers: Mapping[str, float], limit: float) -> list[Evidence]:
    """The difference and the gradient of a probe, as far as they are over the limit.

    Args:
        numbers: With ``difference``, ``gradient``, ``control`` and ``precision``, as far as they were measured.
        limit: Relative.
    """
    bound = max(limit, ROUNDINGS * numbers.get("precision", 0.0))
    bounds = {"difference": max(bound, CONTROLS * numbers.get("control", 0.0)), "gradient": bound}
    return [
        Evidence(name, numbers[name], least)
        for name, least in bounds.items()
        if name in numbers and math.isfinite(numbers[name]) and numbers[name] > least
    ]

"""What hyperparameters can be that babysit itself understands, so that no range moves past it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from babysit.errors import InputError
from babysit.search.distributions import Distribution, Interval
from babysit.search.space import Space, When

BOUNDS: Mapping[str, tuple[float, float]] = {
    "lr": (1e-12, math.inf),
    "l2": (0.0, math.inf),
    "momentum": (0.0, 0.999),
    "batch_size": (1, math.inf),
}
"""The smallest and the largest value of those that are numbers."""


def bounded(space: Space) -> Space:
    """The same space, whose ranges end where the hyperparameter does, however far they move.

    Raises:
        InputError: A range begins or ends outside.

    Example:
        >>> from babysit.search.space import Uniform
        >>> bounded(Space({"momentum": Uniform(0.5, 0.95)}))["momentum"].extended("high").to_range().high
        0.999
    """
    return Space({name: _bounded(name, known) for name, known in space.items()})


def _bounded(name: str, known: Distribution) -> Distribution:
    if isinstance(known, When):
        return When(known.parent, known.values, _bounded(name, known.of))
    if name not in BOUNDS or not isinstance(known, Interval):
        return known
    low, high = BOUNDS[name]
    try:
        return dataclasses.replace(known, floor=max(known.floor, low), ceiling=min(known.ceiling, high))
    except InputError as error:
        raise InputError(
            f"search space, {name}",
            expected=f"a range inside {low:g} to {high:g}",
            found=f"{known.low:g} to {known.high:g}",
            todo="narrow it",
        ) from error

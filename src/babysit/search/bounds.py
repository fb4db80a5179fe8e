"""What hyperparameters can be that babysit itself understands: no value lies outside, no range moves past it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import NamedTuple

from babysit.errors import InputError
from babysit.search.distributions import Choice, Distribution, Interval, IntUniform, LogIntUniform
from babysit.search.space import Space, When


class Bound(NamedTuple):
    """The smallest and the largest value, and whether all are whole numbers."""

    low: float
    high: float
    whole: bool = False

    @property
    def kind(self) -> str:
        """What its values are.

        Example:
            >>> Bound(1, math.inf, whole=True).kind, Bound(0, 0.5).kind
            ('whole numbers of at least 1', 'numbers from 0 to 0.5')
        """
        inside = f"from {self.low:g} to {self.high:g}" if math.isfinite(self.high) else f"of at least {self.low:g}"
        return f"{'whole ' if self.whole else ''}numbers {inside}"

    def holds(self, value: object) -> bool:
        """Whether it is one of them."""
        if isinstance(value, bool) or not isinstance(value, Real):
            return False
        return self.includes(float(value)) and (isinstance(value, Integral) or not self.whole)

    def includes(self, number: float) -> bool:
        """Whether it lies where they do."""
        return math.isfinite(number) and self.low <= number <= self.high


BOUNDS: Mapping[str, Bound] = {
    "lr": Bound(1e-12, math.inf),
    "l2": Bound(0.0, math.inf),
    "momentum": Bound(0.0, 0.999),
    "dropout": Bound(0.0, 0.95),
    "batch_size": Bound(1, math.inf, whole=True),
}
"""Of those that are numbers."""


def bounded(space: Space) -> Space:
    """The same space, whose ranges end where the hyperparameter does, however far they move.

    Raises:
        InputError: A range begins or ends outside, or a value lies there.

    Example:
        >>> from babysit.search.space import Uniform
        >>> bounded(Space({"momentum": Uniform(0.5, 0.95)}))["momentum"].extended("high").to_range().high
        0.999
    """
    return Space({name: within(f"search space, {name}", name, known) for name, known in space.items()})


def within(subject: str, name: str, known: Distribution) -> Distribution:
    """The same distribution, ending where the hyperparameter does.

    Args:
        subject: What a refusal is about.
        name: Of the hyperparameter; one that is not in :data:`BOUNDS` may be anything.
        known: Its distribution.

    Raises:
        InputError: It has values outside.
    """
    if isinstance(known, When):
        return When(known.parent, known.values, within(subject, name, known.of))
    if name not in BOUNDS:
        return known
    bound = BOUNDS[name]
    if isinstance(known, Choice):
        if outside := [value for value in known.values if not bound.holds(value)]:
            raise _outside(subject, bound, repr(outside[0]))
    elif isinstance(known, Interval):
        return _limited(subject, bound, known)
    return known


def _limited(subject: str, bound: Bound, known: Interval) -> Interval:
    ends = f"{known.low:g} to {known.high:g}"
    if not (bound.includes(known.low) and bound.includes(known.high)):
        raise _outside(subject, bound, ends)
    if bound.whole and not isinstance(known, IntUniform | LogIntUniform):
        raise InputError(
            subject,
            expected=bound.kind,
            found=f"all numbers from {ends}",
            todo=f"write int:{known.low:g}..{known.high:g}, or IntUniform in Python",
        )
    return dataclasses.replace(known, floor=max(known.floor, bound.low), ceiling=min(known.ceiling, bound.high))


def _outside(subject: str, bound: Bound, found: str) -> InputError:
    return InputError(subject, expected=bound.kind, found=found, todo="choose others")

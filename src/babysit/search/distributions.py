"""Ranges and choices, each knowing how to draw, to narrow and to move past its edge."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from babysit.errors import InputError
from babysit.measure.ranges import End, edge_of
from babysit.measure.record import Range

Past = End | Literal["crowded"] | None

MARGIN = 0.25
"""Narrowing keeps this share of the best trials' spread free on either side."""
NARROWEST = 0.15
"""A narrowed range keeps at least this share of the width it had: few trials are no proof."""


class Distribution(ABC):
    """Where one hyperparameter's values come from."""

    @abstractmethod
    def at(self, quantile: float) -> Any:
        """The value below which this share of the distribution lies, 0 ≤ ``quantile`` < 1."""

    def draw(self, generator: np.random.Generator) -> Any:
        """One value."""
        return self.at(generator.random())

    @abstractmethod
    def narrowed(self, best: Sequence[Any], past: Past = "crowded") -> Distribution:
        """The distribution of the next round, around the values of the best trials.

        Args:
            best: Their values; without any it stays as it is.
            past: The end to move past, where the parameter allows it; ``"crowded"`` for the one they crowd at, if any.
        """

    @abstractmethod
    def extended(self, past: End) -> Distribution:
        """All of it, and half its width past an end, where the parameter allows it."""

    @property
    @abstractmethod
    def size(self) -> float:
        """How many different values it has; infinite where they are real numbers."""

    @abstractmethod
    def to_range(self) -> Range:
        """What is recorded of it."""


@dataclass(frozen=True)
class Interval(Distribution):
    """A range of numbers.

    Attributes:
        low: Smallest value.
        high: Largest value.
        floor: The range never moves below this; the parameter's own limit, or one that was measured.
        ceiling: Likewise above.

    Raises:
        InputError: The ends are not finite, in the wrong order, or outside the limits.
    """

    low: float
    high: float
    floor: float = -math.inf
    ceiling: float = math.inf

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise InputError(
                "search range",
                expected="two finite numbers, the smaller first",
                found=f"{self.low:g} to {self.high:g}",
                todo="write it as low..high",
            )
        if not (self.floor <= self.low and self.high <= self.ceiling):
            raise InputError(
                "search range",
                expected=f"a range inside {self.floor:g} to {self.ceiling:g}",
                found=f"{self.low:g} to {self.high:g}",
                todo="narrow it",
            )

    def at(self, quantile: float) -> float:
        """The value at that share of the way from low to high, on the distribution's own scale."""
        low, high = self._to_scale(self.low), self._to_scale(self.high)
        value = self._from_scale(low + quantile * (high - low))
        # there and back through a logarithm may end a rounding error outside
        return min(max(value, self.low), self.high)

    def narrowed(self, best: Sequence[Any], past: Past = "crowded") -> Distribution:
        """The range around the best values; past the edge they crowd at, where the parameter allows it."""
        if not best:
            return self
        found = [float(value) for value in best]
        values = [self._to_scale(value) for value in found]
        width = self._to_scale(self.high) - self._to_scale(self.low)
        spread = max(max(values) - min(values), NARROWEST * width)
        middle, reach = (max(values) + min(values)) / 2, (0.5 + MARGIN) * spread
        edge = edge_of(found, self.to_range()) if past == "crowded" else past
        below, above = self._beyond()
        new_low = below if edge == "low" else max(self._from_scale(middle - reach), self.low)
        new_high = above if edge == "high" else min(self._from_scale(middle + reach), self.high)
        # rounding must not leave a best one outside, nor an end past the other in a range without width
        return self._between(min(new_low, *found), max(new_high, *found))

    def extended(self, past: End) -> Distribution:
        """The range, and half its width past an end."""
        below, above = self._beyond()
        return self._between(below if past == "low" else self.low, above if past == "high" else self.high)

    @property
    def size(self) -> float:
        """Infinite, or one where the ends are the same."""
        return 1 if self.low == self.high else math.inf

    def to_range(self) -> Range:
        """What is recorded of it."""
        return Range(
            low=self.low,
            high=self.high,
            log=self._is_log,
            hard_low=self.low <= self.floor,
            hard_high=self.high >= self.ceiling,
        )

    _is_log = False

    def _between(self, low: float, high: float) -> Distribution:
        return type(self)(max(low, self.floor), min(high, self.ceiling), self.floor, self.ceiling)

    def _beyond(self) -> tuple[float, float]:
        """Where the ends come to when they move."""
        low, high = self._to_scale(self.low), self._to_scale(self.high)
        return self._from_scale(low - (high - low) / 2), self._from_scale(high + (high - low) / 2)

    def _to_scale(self, value: float) -> float:
        return value

    def _from_scale(self, value: float) -> float:
        return value


class Uniform(Interval):
    """Uniform between two numbers.

    Example:
        >>> Uniform(0.0, 0.5).draw(np.random.default_rng(0)) < 0.5
        True
    """


class _LogInterval(Interval):
    """A range on a logarithmic scale."""

    _is_log = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise InputError(
                "search range",
                expected="a range above zero for a logarithmic scale",
                found=f"{self.low:g} to {self.high:g}",
                todo=f"start it at {self._smallest}",
            )

    _smallest = "a small positive number such as 1e-6"

    def _to_scale(self, value: float) -> float:
        return math.log10(value)

    def _from_scale(self, value: float) -> float:
        # a range that moves past its edge again and again ends where floating point does
        return float(10 ** min(max(value, -300), 300))


class LogUniform(_LogInterval):
    """Uniform in the logarithm, ``10 ** uniform``: right for learning rates and regularisation.

    Raises:
        InputError: The range does not lie above zero.

    Example:
        >>> LogUniform(1e-6, 1e-1).to_range().log
        True
    """


class _WholeNumbers(Interval):
    """A range of whole numbers, both ends included."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low != int(self.low) or self.high != int(self.high):
            raise InputError(
                "search range",
                expected="whole numbers",
                found=f"{self.low:g} to {self.high:g}",
                todo="round them, or use Uniform",
            )

    @property
    def size(self) -> float:
        """How many whole numbers it has."""
        return int(self.high) - int(self.low) + 1

    def _between(self, low: float, high: float) -> Distribution:
        return super()._between(math.floor(low), math.ceil(high))


class IntUniform(_WholeNumbers):
    """Uniform over whole numbers, both ends included.

    Raises:
        InputError: An end is no whole number.

    Example:
        >>> IntUniform(1, 3).draw(np.random.default_rng(0)) in (1, 2, 3)
        True
    """

    def at(self, quantile: float) -> int:
        """The whole number at that share of all of them."""
        low, high = int(self.low), int(self.high)
        return min(low + math.floor(quantile * (high - low + 1)), high)


class LogIntUniform(_WholeNumbers, _LogInterval):
    """Whole numbers, uniform in the logarithm: right for layer widths and batch sizes.

    A whole number is as likely as the logarithm of half a unit on either side of it is wide.

    Raises:
        InputError: An end is no whole number, or below 1.

    Example:
        >>> LogIntUniform(16, 1024).at(0.5)
        126
    """

    _smallest = "1 or above"

    def __post_init__(self) -> None:
        super().__post_init__()
        # there is no logarithm of the next whole number down
        object.__setattr__(self, "floor", max(self.floor, 1))

    def at(self, quantile: float) -> int:
        """The whole number at that share of the logarithms."""
        low, high = math.log10(self.low - 0.5), math.log10(self.high + 0.5)
        value = math.floor(10 ** (low + quantile * (high - low)) + 0.5)
        return int(min(max(value, self.low), self.high))


class Choice(Distribution):
    """One of several values, all equally likely.

    Raises:
        InputError: There is nothing to choose from.

    Example:
        >>> Choice("relu", "elu").draw(np.random.default_rng(0)) in ("relu", "elu")
        True
    """

    def __init__(self, *values: Any) -> None:
        if not values:
            raise InputError("search choice", expected="at least one value", found="none", todo="list them")
        self.values = values

    def at(self, quantile: float) -> Any:
        """The value at that share of the list."""
        return self.values[min(math.floor(quantile * len(self.values)), len(self.values) - 1)]

    def narrowed(self, best: Sequence[Any], past: Past = "crowded") -> Distribution:  # noqa: ARG002
        """The values that are among the best trials."""
        kept = [value for value in self.values if value in best]
        return Choice(*(kept or self.values))

    def extended(self, past: End) -> Distribution:  # noqa: ARG002
        """Itself: choices have no edge."""
        return self

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def to_range(self) -> Range:
        """What is recorded of it."""
        return Range(choices=tuple(str(value) for value in self.values))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and self.values == other.values

    def __hash__(self) -> int:
        return hash(repr(self.values))

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))})"

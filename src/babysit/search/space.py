"""What a search draws from: ranges and choices, each knowing how to draw, to narrow and to move past its edge."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from babysit.errors import InputError
from babysit.measure.ranges import edge_of
from babysit.measure.record import Range

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
    def narrowed(self, best: Sequence[Any]) -> Distribution:
        """The distribution of the next round, around the values of the best trials."""

    @abstractmethod
    def to_range(self) -> Range:
        """What is recorded of it."""


@dataclass(frozen=True)
class _Interval(Distribution):
    """A range of numbers.

    Attributes:
        low: Smallest value.
        high: Largest value.
        floor: The range never moves below this; the parameter's own limit.
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

    def narrowed(self, best: Sequence[Any]) -> Distribution:
        """The range around the best values; past the edge they crowd at, where the parameter allows it."""
        found = [float(value) for value in best]
        values = [self._to_scale(value) for value in found]
        low, high = self._to_scale(self.low), self._to_scale(self.high)
        width = high - low
        spread = max(max(values) - min(values), NARROWEST * width)
        middle, reach = (max(values) + min(values)) / 2, (0.5 + MARGIN) * spread
        edge = edge_of(found, self.to_range())
        below, above = self._from_scale(low - width / 2), self._from_scale(high + width / 2)
        new_low = below if edge == "low" else max(self._from_scale(middle - reach), self.low)
        new_high = above if edge == "high" else min(self._from_scale(middle + reach), self.high)
        # rounding must not leave a best one outside, nor an end past the other in a range without width
        return self._between(min(new_low, *found), max(new_high, *found))

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

    def _to_scale(self, value: float) -> float:
        return value

    def _from_scale(self, value: float) -> float:
        return value


class Uniform(_Interval):
    """Uniform between two numbers.

    Example:
        >>> Uniform(0.0, 0.5).draw(np.random.default_rng(0)) < 0.5
        True
    """


class LogUniform(_Interval):
    """Uniform in the logarithm, ``10 ** uniform``: right for learning rates and regularisation.

    Raises:
        InputError: The range does not lie above zero.

    Example:
        >>> LogUniform(1e-6, 1e-1).to_range().log
        True
    """

    _is_log = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise InputError(
                "search range",
                expected="a range above zero for a logarithmic scale",
                found=f"{self.low:g} to {self.high:g}",
                todo="start it at a small positive number such as 1e-6",
            )

    def _to_scale(self, value: float) -> float:
        return math.log10(value)

    def _from_scale(self, value: float) -> float:
        # a range that moves past its edge again and again ends where floating point does
        return float(10 ** min(max(value, -300), 300))


class IntUniform(_Interval):
    """Uniform over whole numbers, both ends included.

    Raises:
        InputError: An end is no whole number.

    Example:
        >>> IntUniform(1, 3).draw(np.random.default_rng(0)) in (1, 2, 3)
        True
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low != int(self.low) or self.high != int(self.high):
            raise InputError(
                "search range",
                expected="whole numbers",
                found=f"{self.low:g} to {self.high:g}",
                todo="round them, or use Uniform",
            )

    def at(self, quantile: float) -> int:
        """The whole number at that share of all of them."""
        low, high = int(self.low), int(self.high)
        return min(low + math.floor(quantile * (high - low + 1)), high)

    def _between(self, low: float, high: float) -> Distribution:
        return super()._between(math.floor(low), math.ceil(high))


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

    def narrowed(self, best: Sequence[Any]) -> Distribution:
        """The values that are among the best trials."""
        kept = [value for value in self.values if value in best]
        return Choice(*(kept or self.values))

    def to_range(self) -> Range:
        """What is recorded of it."""
        return Range(choices=tuple(str(value) for value in self.values))


class Space(Mapping[str, Distribution]):
    """Named distributions, in the order they were given.

    Args:
        distributions: By hyperparameter.

    Raises:
        InputError: There are none.

    Example:
        >>> space = Space({"lr": LogUniform(1e-4, 1e-1), "hidden": Choice(50, 100)})
        >>> sorted(space.draw(np.random.default_rng(0)))
        ['hidden', 'lr']
    """

    def __init__(self, distributions: Mapping[str, Distribution]) -> None:
        if not distributions:
            raise InputError("search space", expected="at least one hyperparameter", found="none", todo="name one")
        self._distributions = dict(distributions)

    def __getitem__(self, name: str) -> Distribution:
        return self._distributions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._distributions)

    def __len__(self) -> int:
        return len(self._distributions)

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """One value for every hyperparameter."""
        return {name: distribution.draw(generator) for name, distribution in self.items()}

    def draw_spread(self, generator: np.random.Generator, count: int) -> list[dict[str, Any]]:
        """Several settings, random but spread evenly over each hyperparameter's distribution.

        Latin hypercube sampling (McKay et al. 1979): every hyperparameter gets one value from each of ``count`` equal
        slices, in random order. As random as drawing one by one where two hyperparameters interact, never unlucky
        about a single one.
        """
        columns = {
            name: [
                distribution.at(quantile)
                for quantile in (generator.permutation(count) + generator.random(count)) / count
            ]
            for name, distribution in self.items()
        }
        return [{name: column[index] for name, column in columns.items()} for index in range(count)]

    def narrowed(self, best: Sequence[Mapping[str, Any]]) -> Space:
        """The space of the next round, around the settings of the best trials."""
        return Space(
            {name: distribution.narrowed([params[name] for params in best]) for name, distribution in self.items()}
        )

    def to_ranges(self) -> dict[str, Range]:
        """What is recorded of it."""
        return {name: distribution.to_range() for name, distribution in self.items()}

"""From values to pixels: linear and logarithmic scales with ticks at round numbers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babysit.report.formatting import number, power_of_ten

Floats = NDArray[np.float64]
Tick = tuple[float, str]

_NOTHING = 1e-290
"""A distance below this cannot be divided into ticks, as a float has no digits left for them."""


@dataclass(frozen=True, slots=True)
class Scale(ABC):
    """Maps values from ``low`` to ``high`` onto pixels from ``start`` to ``end``; the rest is drawn at the edges."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: ArrayLike) -> Floats:
        """Pixels of values of any shape; NaN stays NaN."""
        shares = np.clip(self._share(np.asarray(values, dtype=np.float64)), 0.0, 1.0)
        return self.start + shares * (self.end - self.start)

    def at(self, value: float) -> float:
        """The pixel of one value."""
        return float(self(value))

    def holds(self, value: float) -> bool:
        """Whether the value lies inside."""
        return self.low <= value <= self.high

    @abstractmethod
    def ticks(self, count: int) -> list[Tick]:
        """About ``count`` round values inside, with their labels."""

    @abstractmethod
    def _share(self, values: Floats) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Linear(Scale):
    """A linear scale."""

    def ticks(self, count: int) -> list[Tick]:
        """About ``count`` multiples of 1, 2, 2.5 or 5 times a power of ten.

        Example:
            >>> [label for _, label in Linear(0, 1, 0, 100).ticks(5)]
            ['0', '0.2', '0.4', '0.6', '0.8', '1']
        """
        step = _round_step((self.high - self.low) / max(1, count))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [index * step for index in range(first, last + 1)]
        digits = max(1, math.ceil(math.log10(max(abs(self.low), abs(self.high)) / step)) + 2)
        return [(value, number(value, min(digits, 12))) for value in values]

    def _share(self, values: Floats) -> Floats:
        return (values - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Percent(Linear):
    """A linear scale of shares, labelled in percent."""

    def ticks(self, count: int) -> list[Tick]:
        """As :class:`Linear`, in percent.

        Example:
            >>> [label for _, label in Percent(0.9, 1, 0, 100).ticks(2)]
            ['90', '95', '100']
        """
        hundredfold = Linear(100 * self.low, 100 * self.high, self.start, self.end)
        return [(value / 100, label) for value, label in hundredfold.ticks(count)]


@dataclass(frozen=True, slots=True)
class Log(Scale):
    """A logarithmic scale; values that are not positive are drawn at its low end."""

    def ticks(self, count: int) -> list[Tick]:
        """Decades; 1, 2 and 5 of each where there are few of them.

        Example:
            >>> [label for _, label in Log(1e-4, 1, 0, 100).ticks(5)]
            ['10⁻⁴', '10⁻³', '10⁻²', '10⁻¹', '10⁰']
        """
        lowest, highest = math.log10(self.low), math.log10(self.high)
        decades = range(math.ceil(lowest - 1e-9), math.floor(highest + 1e-9) + 1)
        if len(decades) >= 3:
            stride = max(1, math.ceil(len(decades) / (count + 1)))
            return [(10.0**exponent, power_of_ten(exponent)) for exponent in decades if exponent % stride == 0]
        values = [m * 10.0**exponent for exponent in range(math.floor(lowest), decades.stop + 1) for m in (1, 2, 5)]
        inside = [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
        return [(value, number(value)) for value in inside] if len(inside) >= 2 else self._linear_ticks(count)

    def _linear_ticks(self, count: int) -> list[Tick]:
        return Linear(self.low, self.high, self.start, self.end).ticks(max(count, 4))

    def _share(self, values: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(np.isnan(values), np.nan, np.log(np.maximum(values, 1e-300)))
        return np.asarray((logs - math.log(self.low)) / (math.log(self.high) - math.log(self.low)))


@dataclass(frozen=True, slots=True)
class Words(Scale):
    """Places 0, 1, … for words; each is a tick."""

    words: tuple[str, ...] = ()

    def ticks(self, count: int) -> list[Tick]:  # noqa: ARG002 - no word may be left out
        """All the words.

        Example:
            >>> Words(-0.5, 1.5, 0, 100, ("sgd", "adam")).ticks(5)
            [(0.0, 'sgd'), (1.0, 'adam')]
        """
        return [(float(place), word) for place, word in enumerate(self.words)]

    def _share(self, values: Floats) -> Floats:
        return (values - self.low) / (self.high - self.low)


def linear(values: ArrayLike, start: float, end: float, *, include: Iterable[float] = (), pad: float = 0.04) -> Linear:
    """A linear scale that holds all finite values, and ``include``, with a little room around them."""
    low, high = _limits(values, include)
    if _same(low, high):
        room = abs(low) / 2 if abs(low) > _NOTHING else 1.0
        return Linear(low - room, high + room, start, end)
    room = pad * (high - low)
    return Linear(low - room, high + room, start, end)


def percent(values: ArrayLike, start: float, end: float, *, include: Iterable[float] = ()) -> Percent:
    """A percent scale that holds all finite numbers and stays within 0 to 100 % (or the data, if that is outside)."""
    fitted = linear(values, start, end, include=include)
    low, high = _limits(values, include)
    if _same(low, high) and not 0 <= low <= high <= 1:
        return Percent(fitted.low, fitted.high, start, end)
    if _same(low, high):
        return Percent(max(0.0, low - 0.05), min(1.0, high + 0.05), start, end)
    return Percent(max(fitted.low, min(0.0, low)), min(fitted.high, max(1.02, high)), start, end)


def log(values: ArrayLike, start: float, end: float, *, include: Iterable[float] = (), pad: float = 0.04) -> Log:
    """A logarithmic scale that holds all finite positive values, and ``include``, with a little room around them."""
    numbers = np.asarray(values, dtype=np.float64)
    positive = [value for value in include if value > 0]
    low, high = _limits(np.clip(numbers[numbers > 0], 1e-250, 1e250), positive, fallback=(0.1, 10.0))
    room = 3.0 if _same(low, high) else math.exp(pad * (math.log(high) - math.log(low)))
    return Log(low / room, high * room, start, end)


def _limits(
    values: ArrayLike, include: Iterable[float], fallback: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    numbers = np.append(np.asarray(values, dtype=np.float64), np.asarray(list(include), dtype=np.float64))
    finite = np.clip(numbers[np.isfinite(numbers)], -1e300, 1e300)
    return (float(finite.min()), float(finite.max())) if finite.size else fallback


def _same(low: float, high: float) -> bool:
    return high - low <= max(1e-9 * max(abs(low), abs(high)), _NOTHING)


def _round_step(width: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(width))
    return float(next(m * magnitude for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * magnitude >= 0.8 * width))

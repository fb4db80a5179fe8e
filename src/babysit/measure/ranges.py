"""Where values lie in the range they were drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import Range

End = Literal["low", "high"]

EDGE = 0.15
NEAR = 0.25
MOST = 0.8
FEWEST = 3
FEWEST_FOR_A_TREND = 8
"""Trials below which a trend is luck."""
TREND = 2.0
"""Standard errors of a rank correlation between place and merit: 1 in 44 at a given end where there is no trend."""


def position(value: float, drawn: Range) -> float | None:
    """Where a value lies: 0 at the low end, 1 at the high end, on the scale it was drawn on.

    Args:
        value: A value of the parameter.
        drawn: The range; numeric, or the answer is ``None``.

    Returns:
        A number in [0, 1], values outside moved to the nearer end; ``None`` where there is no such position (choices,
        an empty range, a logarithm of zero, NaN).

    Example:
        >>> round(position(1e-3, Range(1e-6, 1e-2, log=True)), 9)
        0.75
    """
    if drawn.low is None or drawn.high is None or not drawn.low < drawn.high or math.isnan(value):
        return None
    low, high = drawn.low, drawn.high
    inside = min(max(value, low), high)
    if drawn.log:
        if low <= 0:
            return None
        low, high, inside = math.log(low), math.log(high), math.log(inside)
    width = high - low
    return (inside - low) / width if 0 < width < math.inf else None


def edge_of(values: Sequence[float], drawn: Range) -> End | None:
    """Which end of its range the best values of a parameter crowd at, if any.

    They crowd at an end when the middle one lies in the outer 15 % and four out of five in the outer quarter. Three
    values drawn at random do that at a given end with a probability of 1 %, eight with 0.02 %; the best eight
    of forty under a score that rises right up to the end do so three times in four; values around a best one that
    lies a fifth of the range inside seldom do.

    Args:
        values: The parameter in the best trials of a round, three or more different trials.
        drawn: The range they were drawn from.

    Returns:
        ``None`` also where that end is a limit of the parameter itself (``hard_low``, ``hard_high``).

    Example:
        >>> edge_of([8e-3, 9e-3, 6e-3], Range(1e-6, 1e-2, log=True))
        'high'
        >>> edge_of([8e-3, 9e-3, 6e-3], Range(1e-6, 1e-2, log=True, hard_high=True)) is None
        True
    """
    places = [place for value in values if (place := position(value, drawn)) is not None]
    if len(places) < FEWEST:
        return None
    if _crowded(places) and not drawn.hard_low:
        return "low"
    if _crowded([1 - place for place in places]) and not drawn.hard_high:
        return "high"
    return None


def trend(places: Sequence[float], merits: Sequence[float]) -> float:
    """How surely merit rises with the place in the range: Spearman's correlation in standard errors.

    Args:
        places: Of some trials, as :func:`position` gives them.
        merits: Theirs, the greater the better; equal ones share a rank.

    Returns:
        0 for fewer trials than a trend can be seen in.

    Example:
        >>> trend([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], range(10))
        3.0
    """
    if len(places) < FEWEST_FOR_A_TREND:
        return 0.0
    first, second = _ranks(np.asarray(places, dtype=float)), _ranks(np.asarray(merits, dtype=float))
    spread = float(first.std() * second.std())
    correlation = float(((first - first.mean()) * (second - second.mean())).mean()) / spread if spread else 0.0
    return correlation * math.sqrt(len(places) - 1)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks, equal values sharing the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[places]
    return ranks


def _crowded(distances: Sequence[float]) -> bool:
    near = sum(distance <= NEAR for distance in distances)
    return median(distances) <= EDGE and near >= MOST * len(distances)

"""Which ends of the ranges a round's trials point past."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from babysit.measure.ranges import End, edge_of, position
from babysit.measure.record import Range, TrialRecord

FEWEST_FOR_A_TREND = 8
"""Trials below which a trend is luck."""
TREND = 2.0
"""Standard errors of a rank correlation between place and score: 1 in 44 at a given end where there is no trend."""
OUTER = 0.4
"""Share of the range, at that end, that the middle one of the best has to lie in as well."""


def edges_of(
    ranges: Mapping[str, Range],
    ranked: Sequence[TrialRecord],
    killed: Sequence[TrialRecord],
    best: int,
    *,
    trend: bool = True,
) -> dict[str, End]:
    """Which hyperparameters' ranges end too early, and where.

    Either the best crowd at an end (:func:`~babysit.measure.ranges.edge_of`, as SRC001 has it); or scores rise towards
    it over all trials of the round, and the best lie on that side. Where several hyperparameters matter the best do not
    crowd in each of them, and the trend still shows.

    Args:
        ranges: What the round drew from.
        ranked: Its trials, best first.
        killed: Its trials that diverged; all of them worse.
        best: How many of ``ranked`` count as the best.
        trend: Whether a trend is enough.

    Example:
        >>> trials = [TrialRecord(n, 0, {"lr": 0.9 - n / 10}, "complete", 1.0, 1, 2.3, 0.5, -n) for n in range(9)]
        >>> edges_of({"lr": Range(0.0, 1.0)}, trials, [], 4)
        {'lr': 'high'}
    """
    found: dict[str, End] = {}
    for name, drawn in ranges.items():
        values = [float(trial.params[name]) for trial in ranked[:best] if name in trial.params and not drawn.choices]
        edge = edge_of(values, drawn)
        if edge is None and trend:
            edge = _trend(name, drawn, values, ranked, killed)
        if edge is not None:
            found[name] = edge
    return found


def _trend(
    name: str, drawn: Range, best: Sequence[float], ranked: Sequence[TrialRecord], killed: Sequence[TrialRecord]
) -> End | None:
    trials = [trial for trial in (*ranked, *killed) if name in trial.params]
    if not best or len(trials) < FEWEST_FOR_A_TREND or drawn.low is None or position(best[0], drawn) is None:
        return None
    places = np.array([position(float(trial.params[name]), drawn) for trial in trials], dtype=float)
    alive = len(trials) - sum(name in trial.params for trial in killed)
    merits = np.where(np.arange(len(trials)) < alive, -np.arange(len(trials)), -len(trials))
    strength = _rank_correlation(places, merits) * math.sqrt(len(trials) - 1)
    middle = median(place for value in best if (place := position(value, drawn)) is not None)
    if strength > TREND and middle > 1 - OUTER and not drawn.hard_high:
        return "high"
    if strength < -TREND and middle < OUTER and not drawn.hard_low:
        return "low"
    return None


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's; zero where one of them does not vary."""
    first, second = _ranks(a), _ranks(b)
    spread = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values sharing the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[places]
    return ranks

"""Which ends of the ranges a round's trials point past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from babysit.measure.ranges import TREND, End, edge_of, position, trend
from babysit.measure.record import Range, TrialRecord

OUTER = 0.4
"""Share of the range, at that end, that the middle one of the best has to lie in as well."""


def edges_of(
    ranges: Mapping[str, Range],
    ranked: Sequence[TrialRecord],
    killed: Sequence[TrialRecord],
    best: int,
    *,
    trends: bool = True,
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
        trends: Whether a trend is enough.

    Example:
        >>> trials = [TrialRecord(n, 0, {"lr": 0.9 - n / 10}, "complete", 1.0, 1, 2.3, 0.5, -n) for n in range(9)]
        >>> edges_of({"lr": Range(0.0, 1.0)}, trials, [], 4)
        {'lr': 'high'}
    """
    found: dict[str, End] = {}
    for name, drawn in ranges.items():
        values = [float(trial.params[name]) for trial in ranked[:best] if name in trial.params and not drawn.choices]
        edge = edge_of(values, drawn)
        if edge is None and trends:
            edge = _trend(name, drawn, values, ranked, killed)
        if edge is not None:
            found[name] = edge
    return found


def _trend(
    name: str, drawn: Range, best: Sequence[float], ranked: Sequence[TrialRecord], killed: Sequence[TrialRecord]
) -> End | None:
    trials = [trial for trial in (*ranked, *killed) if name in trial.params]
    if not best or drawn.low is None or position(best[0], drawn) is None:
        return None
    places = [place for trial in trials if (place := position(float(trial.params[name]), drawn)) is not None]
    alive = len(trials) - sum(name in trial.params for trial in killed)
    strength = trend(places, [-min(rank, alive) for rank in range(len(trials))])
    middle = median(place for value in best if (place := position(value, drawn)) is not None)
    if strength > TREND and middle > 1 - OUTER and not drawn.hard_high:
        return "high"
    if strength < -TREND and middle < OUTER and not drawn.hard_low:
        return "low"
    return None

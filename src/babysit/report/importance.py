"""Which hyperparameter mattered, in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from babysit.measure.record import TrialRecord
from babysit.report.standing import column, scored, searched


def importance(trials: Sequence[TrialRecord]) -> dict[str, float]:
    """What share of the differences in score each searched hyperparameter explains, the largest first."""
    good = scored(trials)
    scores = [trial.score for trial in good]
    shares = {name: explained(*column(good, name), scores) for name in searched(trials)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def explained(values: Sequence[float], words: Sequence[str], scores: Sequence[float]) -> float:
    """Share of the scores' variance that a hyperparameter explains, 0 to 1: ε², η² without its bias.

    Args:
        values: Its value in each trial; trials without one (NaN) do not count.
        words: Not empty when it is categorical; numbers are grouped by their quartiles, words by themselves.
        scores: The score of each trial.
    """
    known = np.isfinite(values)
    x, y = (np.asarray(numbers, dtype=np.float64)[known] for numbers in (values, scores))
    if not x.size:
        return 0.0
    groups = x if words else np.searchsorted(np.quantile(x, [0.25, 0.5, 0.75]), x)
    kinds = np.unique(groups)
    freedom = y.size - kinds.size
    total = float(np.square(y - y.mean()).sum())
    if total == 0 or freedom <= 0:
        return 0.0
    within = sum(float(np.square(y[groups == kind] - y[groups == kind].mean()).sum()) for kind in kinds)
    return max(0.0, 1 - (within / freedom) / (total / (y.size - 1)))

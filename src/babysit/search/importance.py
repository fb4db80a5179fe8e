"""Which hyperparameters mattered: Optuna's mean decrease of impurity in a forest that predicts how trials ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.space import Space

FEWEST_TRIALS = 8
"""Trials below which nothing can be said."""
TREES = 64


def importances(space: Space, rounds: Sequence[RoundRecord], trials: Sequence[TrialRecord]) -> dict[str, float]:
    """The share of the differences between trials that each hyperparameter explains, largest first.

    Of the first round, whose trials were spread over the whole space. What is explained is a trial's rank, as trials
    that were halved or diverged have no score to be compared: those that came further are better, then the score
    decides. A trial without a conditional hyperparameter counts as in the middle of its range.

    Args:
        space: Of the search.
        rounds: Likewise.
        trials: Likewise.

    Returns:
        Shares that sum to one; nothing where there were too few trials, or all did equally well.

    Example:
        >>> from babysit.search.space import Uniform
        >>> importances(Space({"lr": Uniform(0, 1)}), [], [])
        {}
    """
    first = [trial for trial in trials if rounds and trial.round == rounds[0].number and trial.status != "failed"]
    merits = _merits(first)
    searched = [name for name, distribution in space.items() if distribution.size > 1]
    if len(first) < FEWEST_TRIALS or len(set(merits)) < 2 or not searched:
        return {}
    found = _evaluate(space, first, merits, searched)
    return {name: float(found[name]) for name in sorted(found, key=lambda name: -found[name])}


def _merits(trials: Sequence[TrialRecord]) -> list[float]:
    """From 0 for the worst to 1 for the best; equal trials have equal ones."""
    keys = [_key(trial) for trial in trials]
    places: dict[tuple[float, float], list[int]] = {}
    for place, key in enumerate(sorted(keys)):
        places.setdefault(key, []).append(place)
    return [fmean(places[key]) / max(1, len(trials) - 1) for key in keys]


def _key(trial: TrialRecord) -> tuple[float, float]:
    if not math.isfinite(trial.score):
        return (-math.inf, 0.0)
    # rungs are a factor of two apart; at one rung the epochs differ by how steps are rounded
    return (round(math.log2(trial.epochs)) if trial.epochs > 0 else 0.0, trial.score)


def _evaluate(
    space: Space, trials: Sequence[TrialRecord], merits: Sequence[float], names: Sequence[str]
) -> dict[str, float]:
    import optuna
    from optuna.importance import MeanDecreaseImpurityImportanceEvaluator, get_param_importances

    from babysit.search.optuna_space import to_optuna, to_scalar
    from babysit.search.tpe import quiet

    distributions = to_optuna({name: space[name] for name in names})
    with quiet():
        study = optuna.create_study(direction="maximize")
    for trial, merit in zip(trials, merits, strict=True):
        values: dict[str, Any] = {name: trial.params.get(name, space[name].at(0.5)) for name in names}
        params = {name: to_scalar(value) for name, value in values.items()}
        study.add_trial(optuna.trial.create_trial(value=merit, params=params, distributions=distributions))
    # on so few trials steadier than functional analysis of variance, which credits what varies with what matters
    evaluator = MeanDecreaseImpurityImportanceEvaluator(n_trees=TREES, seed=0)
    return get_param_importances(study, evaluator=evaluator)

"""How a search stands, from its records alone: which trials count, the best setting, its cost."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from babysit.measure.record import ALIVE, RunRecord, TrialRecord
from babysit.measure.saying import say
from babysit.report.formatting import shown

STATUSES = (*ALIVE, "killed", "failed")


def searched(trials: Sequence[TrialRecord]) -> list[str]:
    """Names of the hyperparameters that took more than one value, in the order first seen."""
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    return [name for name in names if len({str(trial.params.get(name)) for trial in trials}) > 1]


def scored(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that were evaluated and not killed."""
    return [trial for trial in trials if trial.is_scored]


def best_first(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that were evaluated and not killed, by score; of equal scores the lower loss first."""
    return sorted(scored(trials), key=lambda trial: (-trial.score, trial.loss, trial.number))


def distinct(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The first trial of each setting, in the trials' order."""
    first: dict[str, TrialRecord] = {}
    for trial in trials:
        first.setdefault(setting_key(trial.params), trial)
    return list(first.values())


def column(trials: Sequence[TrialRecord], name: str) -> tuple[list[float], tuple[str, ...]]:
    """A hyperparameter's value in each trial, NaN where it has none, and its words when it is categorical.

    The values of a categorical one are the places of its words.

    Example:
        >>> rules = enumerate(("sgd", "adam"))
        >>> column([TrialRecord(i, 1, {"rule": rule}, "complete", 1, 1, 1, 1, 1) for i, rule in rules], "rule")
        ([1.0, 0.0], ('adam', 'sgd'))
    """
    values = [trial.params.get(name) for trial in trials]
    if all(value is None or type(value) in (int, float) for value in values):
        return [math.nan if value is None else float(value) for value in values], ()
    written = [word(value) for value in values]
    words = tuple(sorted(set(written)))
    return [float(words.index(item)) for item in written], words


def word(value: Any, digits: int = 3) -> str:
    """A hyperparameter's value in a few letters.

    Example:
        >>> word(0.12345), word([3, 3]), word("adam"), word(True)
        ('0.123', '3-3', 'adam', 'true')
    """
    return shown(value) if value is None else say(value, digits, shown)


def setting_key(params: Any) -> str:
    """A text that is the same for equal hyperparameters, also when they have been through a file."""
    return json.dumps(dict(params) if isinstance(params, Mapping) else params, sort_keys=True, default=str)


def chosen(trials: Sequence[TrialRecord], search: Mapping[str, Any]) -> TrialRecord | None:
    """The trial to point at: the longest-trained one of the setting a search chose, or the one with the best score.

    Args:
        trials: Of the search.
        search: What `report.json` says of it.
    """
    good = best_first(trials)
    named = search.get("best")
    same = [trial for trial in good if setting_key(trial.params) == setting_key(named)] if named else []
    return max(same, key=lambda trial: (trial.round, trial.epochs, trial.score)) if same else next(iter(good), None)


def seeds_of(trials: Sequence[TrialRecord], trial: TrialRecord) -> list[TrialRecord]:
    """The trials of the same round that have the same setting: with other seeds."""
    same = (other for other in scored(trials) if other.round == trial.round)
    return [other for other in same if setting_key(other.params) == setting_key(trial.params)]


def stand(run: RunRecord) -> dict[str, Any]:
    """The part ``search`` of `report.json`, of a search that is going on or was stopped; empty without trials.

    The best is that of the last round in which trials have ended; of settings with several seeds the mean counts.
    """
    if not run.trials:
        return {}
    statuses = [trial.status for trial in run.trials]
    lengths = {record.number: record.epochs for record in run.rounds}
    planned = sum(lengths.get(trial.round, trial.epochs) for trial in run.trials)
    epochs = sum(trial.epochs for trial in run.trials)
    standing: dict[str, Any] = {
        "trials": len(run.trials),
        **{status: statuses.count(status) for status in STATUSES},
        "epochs_run": epochs,
        "epochs_planned": planned,
    }
    if planned > 0:
        standing["saved_fraction"] = 1 - epochs / planned
    good = scored(run.trials)
    last = [trial for trial in good if trial.round == max(other.round for other in good)]
    if last:
        best = max(last, key=lambda trial: (trial.status == "complete", _mean_score(last, trial), -trial.loss))
        standing |= {"best": dict(best.params), "best_score": _mean_score(last, best)}
    return standing


def _mean_score(trials: Sequence[TrialRecord], trial: TrialRecord) -> float:
    return statistics.fmean(other.score for other in seeds_of(trials, trial))

"""The tables of a search's report: the best trials, what mattered, why trials ended early."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence

from babysit.measure.record import RunRecord, TrialRecord
from babysit.report.formatting import number, percent, plural
from babysit.report.importance import importance
from babysit.report.standing import best_first, chosen, column, setting_key, word
from babysit.report.summary import Summary
from babysit.report.tables import Rows

MOST_TRIALS = 10
MOST_REASONS = 10
_MOST_NUMBERS = 8
_NUMBERS = re.compile(r"[-−]?\b(\d[\d.,]*(e[+-]?\d+)?|nan|inf)\b", re.IGNORECASE)


def best_heads(run: RunRecord, summary: Summary) -> tuple[str, ...]:
    """The heads above :func:`best_rows`."""
    loss = ("Loss",) if _have_losses(run) else ()
    return ("Place", "Trial", "Round", "Status", "Epochs", summary.score_name.capitalize(), *loss, *names_of(run))


def best_rows(run: RunRecord, summary: Summary) -> Rows:
    """The ten best trials with all their hyperparameters; those of the setting that was chosen are marked ★."""
    rounds = {record.number: record.name for record in run.rounds}
    top = chosen(run.trials, summary.search)
    names, have_losses = names_of(run), _have_losses(run)
    return tuple(
        (
            f"{place} ★" if top and setting_key(trial.params) == setting_key(top.params) else str(place),
            str(trial.number),
            rounds.get(trial.round, str(trial.round)),
            trial.status,
            number(trial.epochs),
            summary.score(trial.score),
            *((number(trial.loss),) if have_losses else ()),
            *(word(trial.params.get(name)) for name in names),
        )
        for place, trial in enumerate(best_first(run.trials)[:MOST_TRIALS], 1)
    )


def _have_losses(run: RunRecord) -> bool:
    """Whether trials have a loss beside the score; of a loop of the user's own it is the score with another sign."""
    return any(trial.loss != -trial.score for trial in run.trials)


def setting_rows(run: RunRecord, summary: Summary) -> Rows:
    """Names and values of the setting that was chosen."""
    best = chosen(run.trials, summary.search)
    return tuple((name, word(value)) for name, value in best.params.items()) if best else ()


def setting_json(run: RunRecord, summary: Summary) -> str:
    """The setting that was chosen with all its digits; ``""`` where there is none."""
    best = chosen(run.trials, summary.search)
    return json.dumps(dict(best.params), default=str, ensure_ascii=False) if best else ""


def importance_rows(run: RunRecord) -> Rows:
    """Each searched hyperparameter, how much it explains, and where the ten best trials lie; the largest first."""
    best = best_first(run.trials)[:MOST_TRIALS]
    return tuple((name, percent(share, 0), _where(best, name)) for name, share in importance(run.trials).items())


def reason_rows(run: RunRecord) -> Rows:
    """Status, reason, count and numbers of the trials that failed or were killed, alike reasons together."""
    ended = [trial for trial in run.trials if trial.status in ("failed", "killed")]
    alike: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in ended:
        alike.setdefault((trial.status, _NUMBERS.sub("#", trial.reason)), []).append(trial)
    most_first = sorted(alike.items(), key=lambda item: (item[0][0], -len(item[1])))
    rows = [(status, _reason(trials), str(len(trials)), _numbers(trials)) for (status, _), trials in most_first]
    left_out = sum(len(trials) for _, trials in most_first[MOST_REASONS:])
    rest = [("", "other reasons", str(left_out), "")] if left_out else []
    return (*rows[:MOST_REASONS], *rest)


def names_of(run: RunRecord) -> list[str]:
    """All hyperparameters, in the order first seen."""
    return list(dict.fromkeys(name for trial in run.trials for name in trial.params))


def _where(best: Sequence[TrialRecord], name: str) -> str:
    values, words = column(best, name)
    if words:
        counts = {item: sum(word(trial.params.get(name)) == item for trial in best) for item in words}
        return ", ".join(f"{item} {count}" for item, count in sorted(counts.items(), key=lambda item: -item[1]))
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "–"
    low, high = number(min(known)), number(max(known))
    return low if low == high else f"{low} to {high}"


def _reason(trials: Sequence[TrialRecord]) -> str:
    first = trials[0].reason or "not said"
    return f"{first}, and the like" if len({trial.reason for trial in trials}) > 1 else first


def _numbers(trials: Iterable[TrialRecord]) -> str:
    numbers = [str(trial.number) for trial in trials]
    more = len(numbers) - _MOST_NUMBERS
    return ", ".join(numbers[:_MOST_NUMBERS]) + (f" and {plural(more, 'other')}" if more > 0 else "")

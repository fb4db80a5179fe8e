"""The learning curves of a search's trials: how each stood at every rung."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from babysit.measure.record import RoundRecord, RunRecord, TrialRecord
from babysit.report import scale
from babysit.report.formatting import number, ordinal, plural
from babysit.report.plots.trials import ScoreColours, describe, score_colours, score_scale
from babysit.report.scale import Scale
from babysit.report.standing import chosen, scored
from babysit.report.summary import Summary
from babysit.report.svg import WIDTH, Panel, figure

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, WIDTH - 14, 24.0, 290.0
_LOG_FROM = 6.0
"""Ratio of the longest training to the first rung from which the epochs are drawn on a logarithmic axis."""
_MANY = 60
_MOST_ROUNDS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Race:
    """How the winner of a round stood at its first rung.

    Attributes:
        round: The round.
        winner: The best of those that came to the last rung.
        first: Epochs of the first rung.
        last: Epochs of the last one.
        place: The winner's at the first rung, from 1.
        runners: Trials that came to the first rung.
    """

    round: RoundRecord
    winner: TrialRecord
    first: float
    last: float
    place: int
    runners: int


def rung_curves(run: RunRecord, summary: Summary) -> str:
    """The score of each trial at every rung it came to, where trials were compared on the way at all."""
    run_on = [trial for trial in run.trials if len(rungs_of(trial)) > 1]
    if not run_on:
        return ""
    good = scored(run.trials)
    colours = score_colours(good)
    panel = Panel(_epochs_scale(run.trials), score_scale(_points(run.trials), summary, _BOTTOM, _TOP))
    races = [race for record in run.rounds if (race := race_of(record, run.trials)) is not None]
    winners = {race.winner.number for race in races}
    unit = f"validation {summary.score_name}" + (" (%)" if summary.classifies else "")
    body = [panel.axes("epochs", unit)]
    ordered = sorted(run.trials, key=lambda trial: (trial.number in winners, trial.score))
    dense = "dense" if len(run.trials) > _MANY else ""
    body += [_curve(panel, trial, colours, summary, dense, bold=trial.number in winners) for trial in ordered]
    if (best := chosen(run.trials, summary.search)) and rungs_of(best):
        body.append(panel.ring(*rungs_of(best)[-1]))
    return figure(
        _title(races, summary) or f"Score at each rung of {plural(len(run_on), 'trial')} that passed the first",
        "".join([*body, colours.bar(summary)]),
        height=332,
        note="One line a trial, coloured by its last score. ● trained to the end, ○ stopped by halving, × killed. "
        "Thick: the best of each round; ring: the best of all. Trials of different rounds end at different epochs.",
        label="Line chart",
    )


def rungs_of(trial: TrialRecord) -> list[tuple[float, float]]:
    """Epochs and score at each rung, without what a damaged record may hold."""
    return [(rung[0], rung[1]) for rung in trial.rungs if len(rung) == 2]


def race_of(record: RoundRecord, trials: Sequence[TrialRecord]) -> Race | None:
    """How a round's winner stood at its first rung; ``None`` in a round without a rung on the way."""
    standings = {trial.number: dict(rungs_of(trial)) for trial in trials if trial.round == record.number}
    epochs = sorted({epoch for standing in standings.values() for epoch in standing})
    if len(epochs) < 2:
        return None
    first, last = epochs[0], epochs[-1]
    came = [trial for trial in trials if last in standings.get(trial.number, {}) and first in standings[trial.number]]
    if not came:
        return None
    winner = max(came, key=lambda trial: (standings[trial.number][last], -trial.loss))
    early = [standing[first] for standing in standings.values() if first in standing]
    place = 1 + sum(score > standings[winner.number][first] for score in early)
    return Race(record, winner, first, last, place, len(early))


def _curve(panel: Panel, trial: TrialRecord, colours: ScoreColours, summary: Summary, dense: str, *, bold: bool) -> str:
    points = rungs_of(trial)
    hint = describe(trial, summary)
    epochs, scores = [epoch for epoch, _ in points], [score for _, score in points]
    if trial.status not in ("complete", "halved"):
        height = scores[-1] if scores else panel.y.low
        way = panel.line([*epochs, trial.epochs], [*scores, height], f"bad {dense or 'trial'}", hint) if scores else ""
        return way + panel.cross(trial.epochs, height, "bad", hint)
    if not points:
        return ""
    colour = colours.of(trial.score)
    under = panel.line(epochs, scores, "under") if bold else ""
    line = panel.line(epochs, scores, f"{colour} {'bold' if bold else dense or 'trial'}", hint)
    style, radius = ("fill", 3.4) if trial.status == "complete" else ("hollow", 2.6)
    return under + line + panel.dots(epochs[-1:], scores[-1:], f"{style} {colour}", [hint], radius)


def _epochs_scale(trials: Sequence[TrialRecord]) -> Scale:
    """From a little before the first rung; what was killed earlier lies at the left edge."""
    epochs = [epoch for trial in trials for epoch, _ in rungs_of(trial)]
    if max(epochs) >= _LOG_FROM * min(epochs) > 0:
        return scale.log(epochs, _LEFT, _RIGHT, include=[min(epochs) / 1.5])
    return scale.linear(epochs, _LEFT, _RIGHT, include=[0.0])


def _points(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Trials at each of their rungs, as far as they are not hopeless ones."""
    return [dataclasses.replace(trial, score=score) for trial in scored(trials) for _, score in rungs_of(trial)]


def _title(races: Sequence[Race], summary: Summary) -> str:
    told = [race for race in races if race.runners > 1][-_MOST_ROUNDS_NAMED:]
    parts = [
        f"the best of the {race.round.name} round after {_epochs(race.last)}"
        f" ({summary.score(dict(rungs_of(race.winner))[race.last])})"
        f" was {ordinal(race.place)} of {race.runners} after {number(race.first)}"
        for race in told
    ]
    said = "; ".join(parts)
    return said[:1].upper() + said[1:]


def _epochs(count: float) -> str:
    return "1 epoch" if count == 1 else f"{number(count)} epochs"

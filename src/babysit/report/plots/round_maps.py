"""A search's rounds one by one, each as a map of its own range: what the rounds after the first one saw."""

from __future__ import annotations

from collections.abc import Sequence

from babysit.measure.record import RoundRecord, RunRecord, TrialRecord
from babysit.report.formatting import plural
from babysit.report.plots.trials import mark, parameter_scale, plane, score_colours
from babysit.report.standing import best_first, column, scored, searched, word
from babysit.report.summary import Summary
from babysit.report.svg import Panel, figure, shorten, tag, text

_ROW, _COLUMN = 214.0, 286.0
_MOST_ROUNDS = 6


def round_maps(run: RunRecord, summary: Summary) -> str:
    """One map a round in the plane of the two main hyperparameters, where there are two of them and several rounds."""
    names = [name for name in searched(run.trials) if column(run.trials, name)[1] == ()]
    across, up = plane(names) if names else ("", "")
    rounds = [record for record in run.rounds if scored(_of(record, run))][-_MOST_ROUNDS:]
    if not up or len(rounds) < 2:
        return ""
    panels = [_panel(place, record, run, (across, up), summary) for place, record in enumerate(rounds)]
    return figure(
        _title(rounds, run, across, summary),
        "".join(panels),
        height=_ROW * ((len(rounds) + 1) // 2),
        note=f"{across} across, {up} up; each round over the range it drew from, coloured from its own worst score to "
        "its own best. ● finished, ○ stopped early by halving, × killed; ring: the best of the round.",
        label="Scatter plots",
    )


def _panel(place: int, record: RoundRecord, run: RunRecord, names: tuple[str, str], summary: Summary) -> str:
    trials = _of(record, run)
    alone = RunRecord(rounds=(record,), trials=tuple(trials))
    across, up = names
    panel = Panel(parameter_scale(alone, across, 44, 268), parameter_scale(alone, up, 158, 36))
    colours = score_colours(scored(trials))
    best = best_first(trials)[0]
    marks = [mark(panel, trial, across, up, colours, summary) for trial in trials]
    x, y = (column([best], name)[0][0] for name in names)
    heading = f"{record.name}: {plural(len(trials), 'trial')}, best {summary.score(best.score)}"
    return tag(
        "g",
        text(44, 12, shorten(heading, 232, 13), "panel-title"),
        text(44, 28, shorten(up, 220), "axis-label"),
        panel.axes(shorten(across, 220), "", x_ticks=4, y_ticks=4),
        *marks,
        panel.ring(x, y),
        transform=f"translate({_COLUMN * (place % 2):g} {_ROW * (place // 2):g})",
    )


def _of(record: RoundRecord, run: RunRecord) -> list[TrialRecord]:
    return [trial for trial in run.trials if trial.round == record.number]


def _title(rounds: Sequence[RoundRecord], run: RunRecord, across: str, summary: Summary) -> str:
    best = [best_first(_of(record, run))[0] for record in rounds]
    scores = " → ".join(summary.score(trial.score) for trial in best)
    places = " → ".join(word(trial.params.get(across)) for trial in best)
    return f"Round by round the best went {scores}, at {across} {places}"

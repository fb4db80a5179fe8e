"""Which hyperparameter mattered: the score against each of them."""

from __future__ import annotations

from babysit.measure.record import RunRecord
from babysit.report.formatting import percent, plural
from babysit.report.importance import explained
from babysit.report.plots.trials import describe, parameter_scale, score_colours, score_scale
from babysit.report.standing import column, scored, searched
from babysit.report.summary import Summary
from babysit.report.svg import Panel, figure, shorten, tag, text

_MOST_PARAMETERS = 8
_ROW, _COLUMN = 176.0, 286.0
_NEGLIGIBLE = 0.1


def parameter_effects(run: RunRecord, summary: Summary) -> str:
    """The score against each hyperparameter, the most important first, where more than two were searched."""
    names, good = searched(run.trials), scored(run.trials)
    if len(names) <= 2 or len(good) < 3:
        return ""
    scores = [trial.score for trial in good]
    effects = {name: explained(*column(good, name), scores) for name in names}
    ranked = sorted(names, key=lambda name: -effects[name])
    drawn = ranked[:_MOST_PARAMETERS]
    body = "".join(_panel(place, name, effects[name], run, summary) for place, name in enumerate(drawn))
    return figure(
        _title(ranked[0], effects[ranked[0]], summary),
        body,
        height=_ROW * ((len(drawn) + 1) // 2),
        note=f"Validation {summary.score_name} of the {plural(len(good), 'trial')} that were not killed. "
        "Explained: ε² of the score over the quarters of a parameter's values.",
        label="Scatter plots",
    )


def _panel(place: int, name: str, share: float, run: RunRecord, summary: Summary) -> str:
    good = scored(run.trials)
    colours = score_colours(good)
    panel = Panel(parameter_scale(run, name, 44, 268), score_scale(good, summary, 134, 22))
    dots = [
        panel.dots([x], [trial.score], f"fill {colours.of(trial.score)}", [describe(trial, summary)])
        for x, trial in zip(column(run.trials, name)[0], run.trials, strict=True)
        if trial in good
    ]
    heading = text(44, 12, f"{shorten(name, 130)}: {percent(share, 0)} explained", "panel-title")
    position = f"translate({_COLUMN * (place % 2):g} {_ROW * (place // 2):g})"
    return tag("g", heading, panel.axes("", "", x_ticks=4, y_ticks=3), *dots, transform=position)


def _title(name: str, share: float, summary: Summary) -> str:
    score = f"validation {summary.score_name}"
    if share < _NEGLIGIBLE:
        return f"No single hyperparameter explains the differences in {score}"
    return f"{name} explains {percent(share, 0)} of the differences in {score}"

"""Parallel coordinates: every trial as one line through all its hyperparameters to its score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from babysit.measure.record import RunRecord, TrialRecord
from babysit.report.formatting import number, percent, plural
from babysit.report.importance import importance
from babysit.report.plots.trials import ScoreColours, describe, parameter_scale, score_colours, score_scale
from babysit.report.scale import Linear, Scale, Words
from babysit.report.standing import best_first, chosen, column, distinct, scored, searched, word
from babysit.report.summary import Summary
from babysit.report.svg import WIDTH, Panel, figure, shorten, tag, text, text_width, tip

MOST_AXES = 8
_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, WIDTH - 46, 66.0, 330.0
_MANY = 60
_SPREAD = 0.5
"""Share of a word's place on its axis that the lines through it are spread over, the worst score lowest."""
_FEWEST = 8
"""Different settings below which a few that agree say nothing."""
_APART = 0.5
_ONE = 0.01
_FEW = 8
"""Different values up to which they are counted, as the distances between them say nothing."""

Axes = Mapping[str, Scale]


def parallel_coordinates(run: RunRecord, summary: Summary) -> str:
    """One axis a hyperparameter and one for the score, where at least two were searched."""
    good = scored(run.trials)
    names = searched(run.trials)
    if len(names) < 2 or len(good) < 3:
        return ""
    kept = list(importance(run.trials))[:MOST_AXES]
    axes = {name: parameter_scale(run, name, _BOTTOM, _TOP) for name in names if name in kept}
    heights = _heights(run.trials, axes)
    scores = score_scale(good, summary, _BOTTOM, _TOP)
    panel = Panel(Linear(0, len(axes), _LEFT, _RIGHT), Linear(_BOTTOM, _TOP, _BOTTOM, _TOP))
    colours, best = score_colours(good), chosen(run.trials, summary.search)
    body = [_line(panel, trial, heights[trial.number], scores, colours, summary, len(good)) for trial in _order(run)]
    if best:
        ends = [*heights[best.number], scores.at(best.score)]
        across = list(range(len(ends)))
        body += [panel.line(across, ends, "under"), panel.line(across, ends, "v9 bold", describe(best, summary))]
    body += _rails(panel, axes, scores, summary)
    left_out = f" The {len(kept)} that matter most of {len(names)} hyperparameters." if len(kept) < len(names) else ""
    lost = " Thin lines that end in × were killed or failed." if len(good) < len(run.trials) else ""
    return figure(
        _title(run, summary, axes),
        "".join([*body, colours.bar(summary)]),
        height=_BOTTOM + 12,
        note="One line a trial, coloured by score; thick: the best." + lost + left_out,
        label="Parallel coordinates",
    )


def agreement(run: RunRecord, names: Sequence[str]) -> tuple[list[TrialRecord], str, float]:
    """What the best settings have in common.

    Args:
        run: The records.
        names: Hyperparameters to compare them in.

    Returns:
        The best settings, at least three and at most ten of them; the hyperparameter they agree on most; the share of
        its range they lie on, or of its values where there are few. Too few settings agree on nothing:
        ``([], "", 1.0)``.
    """
    settings = distinct(best_first(run.trials))
    if len(settings) < _FEWEST or not names:
        return [], "", 1.0
    best = settings[: min(10, max(3, math.ceil(len(settings) / 10)))]
    shares = {name: _share(run, name, best) for name in names}
    closest = min(shares, key=shares.__getitem__)
    return best, closest, shares[closest]


def _share(run: RunRecord, name: str, best: Sequence[TrialRecord]) -> float:
    """The part of a hyperparameter's range, or of its few values, that some trials lie on."""
    words = column(run.trials, name)[1]
    if words:
        taken = {word(trial.params.get(name)) for trial in best}
        return 1 / len(words) if len(taken) == 1 else 1.0
    every = _values(run.trials, name)
    if len(every) <= _FEW:
        own = _values(best, name)
        has_all = all(math.isfinite(value) for value in column(best, name)[0])
        return sum(own[0] <= value <= own[-1] for value in every) / len(every) if has_all else 1.0
    whole = parameter_scale(run, name, 0.0, 1.0)
    places = [whole.at(value) for value in column(best, name)[0] if math.isfinite(value)]
    if len(places) < len(best):
        return 1.0
    # the axis goes on to the next round number
    drawn = [record.ranges[name] for record in run.rounds if name in record.ranges]
    limits = [limit for item in drawn for limit in (item.low, item.high) if limit is not None]
    ends = whole([*every, *limits])
    return float((max(places) - min(places)) / (ends.max() - ends.min()))


def _title(run: RunRecord, summary: Summary, axes: Axes) -> str:
    best, name, share = agreement(run, list(axes))
    top = chosen(run.trials, summary.search)
    if not best and top:
        setting = ", ".join(f"{key} {word(top.params.get(key))}" for key in list(axes)[:3])
        return f"The best of {plural(len(distinct(run.trials)), 'setting')} has {setting}"
    if share > _APART:
        return f"The {len(best)} best settings lie far apart in every hyperparameter"
    start = f"The {len(best)} best settings"
    if isinstance(axes[name], Words):
        return f"{start} all have {name} {word(best[0].params.get(name))}"
    own, every = _values(best, name), _values(run.trials, name)
    low, high = number(own[0]), number(own[-1])
    if low == high:
        return f"{start} all have {name} {'' if own[0] == own[-1] else 'about '}{low}"
    if len(every) <= _FEW:
        taken = sum(own[0] <= value <= own[-1] for value in every)
        return f"{start} have {taken} of the {len(every)} values of {name}: {low} to {high}"
    part = percent(share, 0) if share >= _ONE else f"less than {percent(_ONE, 0)}"
    return f"{start} lie on {part} of the range of {name}: {low} to {high}"


def _values(trials: Sequence[TrialRecord], name: str) -> list[float]:
    """The different values of a hyperparameter that is a number, in order."""
    return sorted({value for value in column(trials, name)[0] if math.isfinite(value)})


def _order(run: RunRecord) -> list[TrialRecord]:
    """Worst first, so that the best are drawn above them."""
    return sorted(run.trials, key=lambda trial: trial.score if math.isfinite(trial.score) else -math.inf)


def _heights(trials: Sequence[TrialRecord], axes: Axes) -> dict[int, list[float]]:
    """Where each trial crosses each axis, by its number; NaN where it has no such hyperparameter."""
    columns = []
    for name, axis in axes.items():
        values = np.asarray(_places(trials, name, axis), dtype=np.float64)
        columns.append(axis(values + (_fan(trials) if isinstance(axis, Words) else 0.0)))
    return {trial.number: [float(column[place]) for column in columns] for place, trial in enumerate(trials)}


def _places(trials: Sequence[TrialRecord], name: str, axis: Scale) -> list[float]:
    if isinstance(axis, Words):
        return [float(axis.words.index(word(trial.params.get(name)))) for trial in trials]
    return column(trials, name)[0]


def _fan(trials: Sequence[TrialRecord]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How far from a word's middle each line passes it: by the rank of its score."""
    order = np.argsort([trial.score if math.isfinite(trial.score) else -math.inf for trial in trials], kind="stable")
    ranks = np.empty(len(trials))
    ranks[order] = np.arange(len(trials))
    return np.asarray(_SPREAD * (ranks / max(1, len(trials) - 1) - 0.5))


def _line(
    panel: Panel,
    trial: TrialRecord,
    heights: Sequence[float],
    scores: Scale,
    colours: ScoreColours,
    summary: Summary,
    count: int,
) -> str:
    hint = describe(trial, summary)
    across = list(range(len(heights) + 1))
    if not math.isfinite(trial.score) or trial.status not in ("complete", "halved"):
        return panel.line(across, [*heights, _BOTTOM], "bad thin", hint) + panel.cross(across[-1], _BOTTOM, "bad", hint)
    style = "dense" if count > _MANY else "trial"
    return panel.line(across, [*heights, scores.at(trial.score)], f"{colours.of(trial.score)} {style}", hint)


def _rails(panel: Panel, axes: Axes, scores: Scale, summary: Summary) -> list[str]:
    """The axes with their names above and their values beside them."""
    unit = f"{summary.score_name} (%)" if summary.classifies else summary.score_name
    named = [*axes.items(), (unit, scores)]
    room = (_RIGHT - _LEFT) / len(axes)
    staggered = any(text_width(name, 12) > room - 8 for name, _ in named)
    return [
        _rail(panel, place, name, axis, room, staggered=staggered, last=place == len(axes))
        for place, (name, axis) in enumerate(named)
    ]


def _rail(panel: Panel, place: int, name: str, axis: Scale, room: float, *, staggered: bool, last: bool) -> str:
    x = panel.x.at(place)
    anchor, at = ("end", WIDTH) if last else ("middle", x) if place else ("", 0.0)
    wide = (room if last or not place else 2 * room - 8) if staggered else room - 6
    height = 46 if staggered and place % 2 else 30 if staggered else 40
    ticks = [tick for tick in axis.ticks(5) if axis.holds(tick[0])]
    space = 44 if last else room - 8
    labels = [_label(x, axis.at(value), label, space) for value, label in ticks]
    title = tag("g", tip(name), text(at, height, shorten(name, max(wide, 52)), "axis-name halo", anchor))
    return tag("line", class_="axis", x1=x, x2=x, y1=_TOP - 8, y2=_BOTTOM) + "".join(labels) + title


def _label(x: float, y: float, label: str, space: float) -> str:
    mark = tag("line", class_="axis", x1=x - 3, x2=x + 3, y1=y, y2=y)
    return mark + tag("g", tip(label), text(x + 6, y + 4, shorten(label, space, 11.5), "tick halo"))

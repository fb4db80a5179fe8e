"""A search as a map: where its trials lie, how well each did, and what each round drew from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from babysit.measure.record import Range, RoundRecord, RunRecord, TrialRecord
from babysit.report import scale
from babysit.report.formatting import number, percent, plural
from babysit.report.scale import Scale
from babysit.report.standing import chosen, column, scored, searched, word
from babysit.report.summary import Summary, real
from babysit.report.svg import WIDTH, Panel, colour_bar, figure, shade, tag, text, tip

_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, WIDTH - 14, 24.0, 330.0
_RATES, _DECAYS = ("lr", "learning_rate"), ("l2", "weight_decay")
_REACH = 3.0
"""How far below the best a score is drawn, in distances of the lower quartile from the best."""
_MARKS = {"complete": ("fill", 4.0), "halved": ("hollow", 3.0)}


@dataclass(frozen=True, slots=True)
class ScoreColours:
    """The colour of a trial by its score, between the worst and the best drawn.

    Attributes:
        low: The score of the darkest.
        high: The score of the brightest.
        cut: Some scores are lower still.
    """

    low: float
    high: float
    cut: bool = False

    def of(self, score: float) -> str:
        """The class of the colour."""
        return shade((score - self.low) / (self.high - self.low)) if self.high > self.low else shade(1)

    def bar(self, summary: Summary) -> str:
        """The colours with the scores at their ends, above a panel."""
        low = ("≤ " if self.cut else "") + summary.score(self.low)
        return colour_bar(low, summary.score(self.high), summary.score_name, 0)


def trial_map(run: RunRecord, summary: Summary) -> str:
    """Every trial in the plane of the two main hyperparameters, coloured by score, with each round's range.

    The plane is learning rate × L2; learning rate × score where there is no L2; else the first two numeric ones.
    """
    names = [name for name in searched(run.trials) if column(run.trials, name)[1] == ()]
    if not names:
        return ""
    across, up = plane(names)
    good = scored(run.trials)
    colours = score_colours(good)
    panel = Panel(
        parameter_scale(run, across, _LEFT, _RIGHT),
        parameter_scale(run, up, _BOTTOM, _TOP) if up else score_scale(good, summary, _BOTTOM, _TOP),
    )
    y_label = up or f"validation {summary.score_name}" + (" (%)" if summary.classifies else "")
    body = [panel.axes(across, y_label, y_ticks=7), *_ranges(panel, run.rounds, across, up)]
    body += [mark(panel, trial, across, up, colours, summary) for trial in run.trials]
    if best := chosen(run.trials, summary.search):
        body += [panel.ring(*_place(best, across, up), radius=8), colours.bar(summary)]
    return figure(
        _title(run.trials, good, summary),
        "".join(body),
        height=372,
        note="● finished, ○ stopped early by halving, × killed; ring: the best. Outlines: what each round drew from.",
        label="Scatter plot",
    )


def parameter_scale(run: RunRecord, name: str, start: float, end: float) -> Scale:
    """The scale of a hyperparameter: logarithmic where it was drawn so, with every round's range inside."""
    values, words = column(run.trials, name)
    if words:
        return scale.Words(-0.5, len(words) - 0.5, start, end, words)
    ranges = [record.ranges[name] for record in run.rounds if name in record.ranges]
    limits = [limit for drawn in ranges for limit in (drawn.low, drawn.high) if limit is not None]
    known = [value for value in values if math.isfinite(value)] or [0.0]
    logarithmic = any(drawn.log for drawn in ranges) if ranges else min(known) > 0 and max(known) > 20 * min(known)
    return (scale.log if logarithmic else scale.linear)(values, start, end, include=limits)


def score_scale(trials: Sequence[TrialRecord], summary: Summary, start: float, end: float) -> Scale:
    """The scale of the trials' scores; hopeless ones lie at its low end."""
    colours = score_colours(trials)
    fit = scale.percent if summary.classifies else scale.linear
    return fit([max(trial.score, colours.low) for trial in trials], start, end)


def score_colours(trials: Sequence[TrialRecord]) -> ScoreColours:
    """Colours that span the trials' scores, without hopeless ones, beside which all others would look alike."""
    scores = [trial.score for trial in trials] or [0.0]
    low, high = min(scores), max(scores)
    fence = high - _REACH * (high - float(np.quantile(scores, 0.25)))
    return ScoreColours(fence, high, cut=True) if low < fence < high else ScoreColours(low, high)


def describe(trial: TrialRecord, summary: Summary) -> str:
    """One trial in a line, as shown on hovering."""
    params = ", ".join(f"{name} {word(value)}" for name, value in trial.params.items())
    outcome = summary.score(trial.score) if math.isfinite(trial.score) else trial.reason or trial.status
    return f"trial {trial.number} ({trial.status}, {number(trial.epochs)} epochs): {params} → {outcome}"


def plane(names: Sequence[str]) -> tuple[str, str]:
    """What lies across and what up; ``""`` stands for the score."""
    rate = next((name for name in names if name in _RATES), "")
    if rate:
        return rate, next((name for name in names if name in _DECAYS), "")
    return names[0], names[1] if len(names) > 1 else ""


def _place(trial: TrialRecord, across: str, up: str) -> tuple[float, float]:
    x, y = (column([trial], name)[0][0] if name else trial.score for name in (across, up))
    return x, y


def mark(panel: Panel, trial: TrialRecord, across: str, up: str, colours: ScoreColours, summary: Summary) -> str:
    """A trial at its place in the plane, or at its score where ``up`` is ``""``."""
    x, y = _place(trial, across, up)
    hint = describe(trial, summary)
    if trial.status not in _MARKS or not math.isfinite(trial.score):
        return panel.cross(x, y if up else panel.y.low, "bad", hint)
    style, radius = _MARKS[trial.status]
    return panel.dots([x], [y], f"{style} {colours.of(trial.score)}", [hint], radius)


def _ranges(panel: Panel, rounds: Sequence[RoundRecord], across: str, up: str) -> list[str]:
    """The rectangle each round drew from; rounds that drew from the same one share it."""
    together: dict[tuple[tuple[float, float], tuple[float, float]], list[RoundRecord]] = {}
    for record in rounds:
        corners = _limits(record.ranges.get(across), panel.x), _limits(record.ranges.get(up), panel.y)
        together.setdefault(corners, []).append(record)
    return [_outline(panel, x, y, shared) for (x, y), shared in together.items()]


def _outline(panel: Panel, x: tuple[float, float], y: tuple[float, float], rounds: Sequence[RoundRecord]) -> str:
    hints = (f"{record.name}: {plural(record.trials, 'trial')} of {number(record.epochs)} epochs" for record in rounds)
    names = ", ".join(record.name for record in rounds)
    corner = text(panel.x.at(x[0]) + 4, panel.y.at(y[1]) + 12, names, "mark-label halo")
    return tag("g", tip("; ".join(hints)), panel.area(x, y, "range"), corner)


def _limits(drawn: Range | None, whole: Scale) -> tuple[float, float]:
    if drawn is None or drawn.low is None or drawn.high is None:
        return whole.low, whole.high
    return drawn.low, drawn.high


def _title(trials: Sequence[TrialRecord], good: Sequence[TrialRecord], summary: Summary) -> str:
    killed = sum(trial.status == "killed" for trial in trials)
    saved = real(summary.search, "saved_fraction")
    cost = f"; {killed} killed" + (f", {percent(saved, 0)} of the steps saved" if saved is not None else "")
    if not good:
        return f"None of {plural(len(trials), 'trial')} was evaluated{cost}"
    best = chosen(trials, summary.search) or good[0]
    settings = ", ".join(f"{name} {word(best.params.get(name))}" for name in searched(trials)[:3])
    return f"Best of {plural(len(trials), 'trial')}: {summary.score(best.score)} at {settings}{cost}"

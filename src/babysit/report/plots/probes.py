"""What was tried before training: the learning-rate range test and fitting a few examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from babysit.measure.rate_range import TriedRate, tried_rates
from babysit.measure.record import Probe, RunRecord
from babysit.report import scale
from babysit.report.formatting import number
from babysit.report.summary import Summary
from babysit.report.svg import WIDTH, Panel, figure

_LEFT, _RIGHT, _TOP = 58.0, WIDTH - 12, 12.0
_HIGHEST_RATIO = 2.0
_CLASSES = {"falls": "c2", "slow": "c5 hollow"}


def rate_range(run: RunRecord) -> str:
    """The loss after a few steps at each learning rate, relative to the initial loss, and the range suggested."""
    probe = run.probe("learning-rate")
    tried = tried_rates(probe)
    if probe is None or not tried:
        return ""
    rates, ratios = [item.rate for item in tried], np.asarray([item.ratio for item in tried])
    shown = np.minimum(ratios, _HIGHEST_RATIO)
    panel = Panel(scale.log(rates, _LEFT, _RIGHT), scale.linear(shown, 258, _TOP, include=[0.0, 1.2]))
    body = [
        _suggested(panel, probe),
        panel.axes("learning rate", "loss after ÷ loss before"),
        panel.level(1.0, "level", "no change"),
        panel.line(rates, np.where(ratios < _HIGHEST_RATIO, ratios, np.nan), "c7 thin"),
        *(_mark(panel, item) for item in tried),
    ]
    return figure(
        _rate_title(tried),
        "".join(body),
        height=300,
        note="○ slow: the loss hardly moves. ● falls. × explodes. Shaded: the range suggested for the search.",
        label="Scatter plot",
    )


def overfit_curve(run: RunRecord, summary: Summary) -> str:
    """Loss and training score while a few examples are fitted without regularisation."""
    probe = run.probe("overfit")
    if probe is None or not probe.series.get("losses"):
        return ""
    losses, scores = probe.series["losses"], probe.series.get("scores", ())
    steps = range(len(losses))
    across = scale.linear([0, max(len(losses), len(scores)) - 1], _LEFT, _RIGHT, pad=0.01)
    upper = Panel(across, scale.log(np.maximum(losses, 1e-8), 162 if scores else 268, _TOP))
    hints = [f"step {step}: loss {number(loss)}" for step, loss in zip(steps, losses, strict=True)]
    body = [
        upper.axes("" if scores else "step", "loss", y_ticks=4),
        upper.line(steps, losses, "c0"),
        upper.dots(steps, losses, "ghost", hints, 5),
    ]
    if scores:
        fit = scale.percent if summary.classifies else scale.linear
        lower = Panel(across, fit(np.maximum(scores, -1.0), 268, 196, include=[0.0, 1.0]))
        unit = f"{summary.score_name} (%)" if summary.classifies else summary.score_name
        body += [lower.axes("step", unit, y_ticks=2), lower.line(range(len(scores)), scores, "c2")]
    return figure(_overfit_title(probe, summary), "".join(body), height=310, label="Line chart")


def _suggested(panel: Panel, probe: Probe) -> str:
    low, high = probe.numbers.get("low", np.nan), probe.numbers.get("high", np.nan)
    if not 0 < low <= high:
        return ""
    return panel.area((low, high), (panel.y.low, panel.y.high), "band", "the range suggested for the search")


def _mark(panel: Panel, item: TriedRate) -> str:
    hint = f"learning rate {number(item.rate)}: {item.verdict}, loss × {number(item.ratio)}"
    if item.verdict == "explodes" or not np.isfinite(item.ratio):
        return panel.cross(item.rate, item.ratio, "bad", hint, arm=4)
    return panel.dots([item.rate], [item.ratio], _CLASSES.get(item.verdict, "c7"), [hint], 4)


def _rate_title(tried: Sequence[TriedRate]) -> str:
    exploding = [item.rate for item in tried if item.verdict == "explodes"]
    falling = [item.rate for item in tried if item.verdict == "falls"]
    limit = f"; from {number(min(exploding))} on it explodes" if exploding else ""
    if falling:
        return f"The loss falls at learning rates from {number(min(falling))} to {number(max(falling))}{limit}"
    rates = [item.rate for item in tried]
    return f"The loss falls at no learning rate from {number(min(rates))} to {number(max(rates))}{limit}"


def _overfit_title(probe: Probe, summary: Summary) -> str:
    loss = probe.numbers.get("loss", probe.series["losses"][-1])
    score = probe.numbers.get("score")
    reached = f", {summary.score_name} {summary.score(score)}" if score is not None else ""
    return f"{number(probe.numbers.get('examples', 20))} examples fitted on their own: loss {number(loss)}{reached}"

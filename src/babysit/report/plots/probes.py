"""What was tried before training: the learning-rate range test and fitting a few examples."""

from __future__ import annotations

import numpy as np

from babysit.measure.record import Probe, RunRecord
from babysit.report import scale
from babysit.report.formatting import number, plural
from babysit.report.summary import Summary
from babysit.report.svg import WIDTH, Panel, figure

_LEFT, _RIGHT, _TOP = 58.0, WIDTH - 12, 12.0
_CLASSES = {"falls": "c2", "slow": "c5 hollow"}


def rate_range(run: RunRecord) -> str:
    """The loss after a few steps at each learning rate, relative to the initial loss, and the range suggested."""
    probe = run.probe("learning-rate")
    if probe is None or not probe.series.get("lr"):
        return ""
    rates, ratios = probe.series["lr"], probe.series.get("ratio", ())
    verdicts = (str(probe.texts.get("verdicts", "")).split(",") + [""] * len(rates))[: len(rates)]
    shown = np.minimum(ratios, 2.0)
    panel = Panel(scale.log(rates, _LEFT, _RIGHT), scale.linear(shown, 258, _TOP, include=[0.0, 1.2]))
    body = [_suggested(panel, probe), panel.axes("learning rate", "loss after ÷ loss before")]
    body += [
        panel.level(1.0, "level", "no change"),
        panel.line(rates, [r if r < 2 else np.nan for r in ratios], "c7 thin"),
    ]
    for rate, ratio, verdict in zip(rates, ratios, verdicts, strict=False):
        hint = f"learning rate {number(rate)}: {verdict}, loss × {number(ratio)}"
        fine = np.isfinite(ratio) and verdict != "explodes"
        mark = panel.dots([rate], [ratio], _CLASSES.get(verdict, "c7"), [hint], 4) if fine else ""
        body.append(mark or panel.cross(rate, min(ratio, 2.0) if np.isfinite(ratio) else ratio, "bad", hint, arm=4))
    note = "○ slow: the loss hardly moves. ● falls. × explodes or is not finite (drawn at the upper edge)."
    return figure(_rate_title(probe, verdicts), "".join(body), height=300, note=note, label="Scatter plot")


def overfit_curve(run: RunRecord, summary: Summary) -> str:
    """Loss and training score while a few examples are fitted without regularisation."""
    probe = run.probe("overfit")
    if probe is None or not probe.series.get("losses"):
        return ""
    losses, scores = probe.series["losses"], probe.series.get("scores", ())
    epochs = list(range(1, len(losses) + 1))
    across = scale.linear(epochs, _LEFT, _RIGHT, pad=0.01)
    upper = Panel(across, scale.log(np.maximum(losses, 1e-8), 162 if scores else 268, _TOP))
    hints = [f"epoch {epoch}: loss {number(loss)}" for epoch, loss in zip(epochs, losses, strict=True)]
    body = [
        upper.axes("" if scores else "epoch", "loss", y_ticks=4),
        upper.line(epochs, losses, "c0"),
        upper.dots(epochs, losses, "ghost", hints, 5),
    ]
    if scores:
        fit = scale.percent if summary.classifies else scale.linear
        lower = Panel(across, fit(np.maximum(scores, -1.0), 268, 196, include=[0.0, 1.0]))
        unit = f"{summary.score_name} (%)" if summary.classifies else summary.score_name
        body += [lower.axes("epoch", unit, y_ticks=2), lower.line(epochs[: len(scores)], scores, "c2")]
    return figure(_overfit_title(probe, summary), "".join(body), height=310, label="Line chart")


def _suggested(panel: Panel, probe: Probe) -> str:
    low, high = probe.numbers.get("low", np.nan), probe.numbers.get("high", np.nan)
    if not 0 < low <= high:
        return ""
    return panel.area((low, high), (panel.y.low, panel.y.high), "band", "the range suggested for the search")


def _rate_title(probe: Probe, verdicts: list[str]) -> str:
    low, high = probe.numbers.get("low"), probe.numbers.get("high")
    exploding = [rate for rate, verdict in zip(probe.series["lr"], verdicts, strict=True) if verdict == "explodes"]
    limit = f"; from {number(min(exploding))} on it explodes" if exploding else ""
    if any(verdicts) and "falls" not in verdicts:
        return (
            f"No learning rate from {number(min(probe.series['lr']))} to {number(max(probe.series['lr']))} helps{limit}"
        )
    if low is None or high is None:
        return f"The loss falls at {plural(verdicts.count('falls'), 'learning rate')}{limit}"
    return f"The loss falls at learning rates from {number(low)} to {number(high)}{limit}"


def _overfit_title(probe: Probe, summary: Summary) -> str:
    loss = probe.numbers.get("loss", probe.series["losses"][-1])
    score = probe.numbers.get("score")
    reached = f", {summary.score_name} {summary.score(score)}" if score is not None else ""
    return f"{number(probe.numbers.get('examples', 20))} examples fitted on their own: loss {number(loss)}{reached}"

"""Loss of every step, and the score of each epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from babysit.measure.record import Evaluation, RunRecord
from babysit.report import scale
from babysit.report.formatting import number, plural
from babysit.report.scale import Floats, Scale
from babysit.report.summary import Summary
from babysit.report.svg import WIDTH, Panel, figure, tag, text, tip
from babysit.rules import Finding

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, WIDTH - 12, 12.0, 268.0
_HEIGHT = 310.0
_RAW_POINTS = 2000
_SMOOTH_POINTS = 300
_MARKED_FINDINGS = 6


def loss_curve(run: RunRecord, curve: str, findings: Sequence[Finding]) -> str:
    """The training loss of each step with its running median, the chance level and the findings at their steps.

    Args:
        run: The records.
        curve: What the curve says, written above it.
        findings: In the report's order: number *i* is marked as a link to ``#finding-i``.
    """
    steps, losses = _losses(run)
    if not steps.size:
        return ""
    centres, smooth, window = running_median(losses)
    panel = Panel(scale.linear(steps, _LEFT, _RIGHT, pad=0.01), _loss_scale(losses, smooth))
    chance = run.header.chance_loss
    body = [
        panel.axes(_step_label(run), "loss"),
        panel.line(*decimate(steps, losses, _RAW_POINTS), "c0 thin"),
        panel.line(steps[centres], smooth, "c0"),
        _chance(panel, chance, smooth),
        *(_broken(panel, steps, losses)),
        _hover(panel, steps[centres], smooth),
        _marks(panel, findings),
    ]
    title = f"Training loss: {curve}" if curve else _fall(smooth, steps)
    note = f"Thin: the mini-batch loss of each step. Bold: its running median over {plural(window, 'step')}."
    return figure(title, "".join(body), height=_HEIGHT, note=note if window > 1 else "", label="Line chart")


def score_curve(run: RunRecord, summary: Summary) -> str:
    """Training and validation score of each epoch, the gap between them and the best epoch."""
    validation, train = run.evaluated("validation"), run.evaluated("train")
    scored = [evaluation for evaluation in validation if np.isfinite(evaluation.score)]
    if not scored:
        return ""
    best = max(scored, key=_merit)
    values = [evaluation.score for evaluation in (*validation, *train)]
    fit = scale.percent if summary.classifies else scale.linear
    panel = Panel(
        scale.linear([evaluation.epoch for evaluation in (*validation, *train)], _LEFT, _RIGHT, pad=0.02),
        fit(np.maximum(values, _lowest(values)), _BOTTOM, _TOP),
    )
    unit = f"{summary.score_name} (%)" if summary.classifies else summary.score_name
    body = [
        panel.axes("epoch", unit),
        _gap_area(panel, train, validation),
        panel.upright(best.epoch, "upright", f"best: epoch {number(best.epoch)}"),
        *(_score_line(panel, train, "c0", "training", summary)),
        *(_score_line(panel, validation, "c1", "validation", summary)),
        panel.dots([best.epoch], [best.score], "c1 best", [f"best: {summary.score(best.score)}"], 5),
    ]
    legend = [("c0", "training (a fixed sample)"), ("c1", "validation"), ("gap-swatch", "gap")]
    return figure(
        _score_title(best, train, summary),
        "".join(body),
        height=_HEIGHT,
        legend=legend if train else legend[1:2],
        label="Line chart",
    )


def decimate(xs: Floats, ys: Floats, points: int) -> tuple[Floats, Floats]:
    """Thin a curve out to at most ``points`` points, keeping the least and the greatest value of each stretch.

    Args:
        xs: Positions ``(N,)``.
        ys: Values ``(N,)``; a stretch without any finite value stays a gap.
        points: At least 2.
    """
    if ys.size <= points:
        return xs, ys
    kept: list[int] = []
    for stretch in np.array_split(np.arange(ys.size), points // 2):
        finite = stretch[np.isfinite(ys[stretch])]
        ends = (finite[ys[finite].argmin()], finite[ys[finite].argmax()]) if finite.size else (stretch[0],)
        kept.extend(sorted({int(end) for end in ends}))
    return xs[kept], ys[kept]


def running_median(values: Floats) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Floats, int]:
    """Centres, medians of the finite values around them, and the window's width in steps."""
    window = 1 if values.size < 30 else 2 * (max(5, values.size // 60) // 2) + 1
    centres = np.unique(np.linspace(0, values.size - 1, min(values.size, _SMOOTH_POINTS)).round().astype(np.intp))
    half = window // 2
    medians = [_median(values[max(0, centre - half) : centre + half + 1]) for centre in centres]
    return centres, np.asarray(medians, dtype=np.float64), window


def _median(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")


def _losses(run: RunRecord) -> tuple[Floats, Floats]:
    """Steps and losses of all blocks; of the sampled steps where no block was written."""
    if not run.blocks:
        return np.array([float(step.step) for step in run.steps]), np.array([step.loss for step in run.steps])
    steps = [np.arange(block.first, block.first + len(block.losses), dtype=np.float64) for block in run.blocks]
    return np.concatenate(steps), np.asarray(run.losses, dtype=np.float64)


def _chance(panel: Panel, chance: float | None, smooth: Floats) -> str:
    """The chance level, its name on that side of it where the curve does not end."""
    if not chance or not panel.y.holds(chance):
        return ""
    ends_above = _median(smooth[-max(1, smooth.size // 5) :]) > chance
    return panel.level(chance, "level", f"chance {number(chance, 4)}", under=ends_above)


def _loss_scale(losses: Floats, smooth: Floats) -> Scale:
    finite = smooth[np.isfinite(smooth)]
    if finite.size and finite.min() > 0 and finite.max() > 100 * finite.min():
        return scale.log(np.maximum(losses, finite.min() / 3), _BOTTOM, _TOP)
    return scale.linear(losses, _BOTTOM, _TOP, include=[0.0] if finite.size and finite.min() >= 0 else [], pad=0.02)


def _step_label(run: RunRecord) -> str:
    return f"step ({run.header.steps_per_epoch:,} an epoch)" if run.header.steps_per_epoch else "step"


def _fall(smooth: Floats, steps: Floats) -> str:
    finite = smooth[np.isfinite(smooth)]
    if not finite.size:
        return "The training loss is not finite"
    return (
        f"Training loss goes from {number(finite[0])} to {number(finite[-1])} in {plural(int(steps[-1]) + 1, 'step')}"
    )


def _hover(panel: Panel, steps: Floats, losses: Floats) -> str:
    hints = [f"step {step:,.0f}: loss {number(loss)}" for step, loss in zip(steps, losses, strict=True)]
    return panel.dots(steps, losses, "ghost", hints, 6)


def _broken(panel: Panel, steps: Floats, losses: Floats) -> list[str]:
    """A × at the upper edge where the loss first is not finite."""
    broken = np.flatnonzero(~np.isfinite(losses))
    if not broken.size:
        return []
    first = broken[0]
    hint = f"step {steps[first]:,.0f}: loss {number(float(losses[first]))}, and {broken.size - 1:,} more not finite"
    return [panel.cross(float(steps[first]), float("nan"), "bad", hint, arm=5)]


def _marks(panel: Panel, findings: Sequence[Finding]) -> str:
    """Each finding's code at its first step, as a link, in rows that do not collide."""
    placed = [
        (finding.first_step, index, finding)
        for index, finding in enumerate(findings, 1)
        if finding.first_step is not None and panel.x.holds(finding.first_step)
    ]
    parts = []
    for row, (step, index, finding) in enumerate(sorted(placed[:_MARKED_FINDINGS], key=lambda item: item[:2])):
        x, y = panel.x.at(step), panel.y.end + 30 + 15 * row
        end = x > panel.x.end - 70
        line = tag("line", class_="upright mark", x1=x, x2=x, y1=panel.y.start, y2=y - 9)
        name = text(x + (-4 if end else 4), y, finding.code, "mark-label halo", "end" if end else "")
        parts.append(tag("a", tip(finding.message), line, name, href=f"#finding-{index}"))
    return "".join(parts)


def _score_line(panel: Panel, evaluations: Sequence[Evaluation], class_: str, name: str, summary: Summary) -> list[str]:
    epochs, scores = [e.epoch for e in evaluations], [e.score for e in evaluations]
    hints = [f"epoch {number(e.epoch)}: {name} {summary.score(e.score)}, loss {number(e.loss)}" for e in evaluations]
    return [panel.line(epochs, scores, class_), panel.dots(epochs, scores, class_, hints, 2.4)]


def _gap_area(panel: Panel, train: Sequence[Evaluation], validation: Sequence[Evaluation]) -> str:
    upper = {evaluation.epoch: evaluation.score for evaluation in train}
    shared = [evaluation for evaluation in validation if evaluation.epoch in upper]
    epochs = [evaluation.epoch for evaluation in shared]
    return panel.between(epochs, [e.score for e in shared], [upper[epoch] for epoch in epochs], "gap")


def _score_title(best: Evaluation, train: Sequence[Evaluation], summary: Summary) -> str:
    name = f"Validation {summary.score_name}"
    peak = f"{name} peaks at {summary.score(best.score)} in epoch {number(best.epoch)}"
    same = next((evaluation.score for evaluation in train if evaluation.epoch == best.epoch), None)
    return peak if same is None else f"{peak}; gap to training {summary.difference(same - best.score)}"


def _merit(evaluation: Evaluation) -> tuple[float, float]:
    """What the best epoch has most of, as for the training that keeps its weights: of equal scores, the lower loss."""
    return evaluation.score, -evaluation.loss if np.isfinite(evaluation.loss) else -np.inf


def _lowest(scores: Sequence[float]) -> float:
    """R² of a bad start may be hugely negative; nothing is to be seen of the rest then."""
    finite = [score for score in scores if np.isfinite(score)]
    return min(max(finite) - 2.0, float(np.median(finite))) if finite else 0.0

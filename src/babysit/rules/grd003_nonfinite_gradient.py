"""GRD003: a gradient became NaN or infinite while the loss was still a good number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._words import number


@dataclass(frozen=True)
class NonfiniteGradient(Rule):
    """The gradient is NaN or infinite while the loss is finite: the backward pass breaks, not the forward one.

    ## What it measures
    The first sampled step at which a layer's gradient is not finite although the loss of that step is, and has not
    exploded, and the last such layer in the model's order: gradients run backwards, so the break is just above it.

    ## Why it hurts
    The very next update writes NaN into the weights, and every loss after it is NaN.

    ## What to try
    Look at the operation behind the named layer for one whose value is finite where its derivative is not: the square
    root, norm or standard deviation of zeros, `x ** p` at 0, `log` or division inside `torch.where`. Add an epsilon
    inside the root, clamp before it, not after; compute sums in float32; `torch.autograd.set_detect_anomaly(True)`
    names the line. Clipping the norm does not help: NaN stays NaN.

    ## When it is a false alarm
    A gradient scaler meets infinite gradients while it looks for its scale, and skips those steps: as long as the
    weights stay finite, only many of them (over `skipped`) are a warning. Where the loss is not finite either, or has
    run away before, the forward pass or the learning rate is at fault, which LOS001 and LOS002 say.

    ## Options
    `factor` is the lecture's limit for an exploded loss. `skipped` and `min_skipped` allow a scaler its search: 16
    halvings bring PyTorch's first scale, 65536, down to 1.

    ## References
    PyTorch, Autograd mechanics: gradients of non-differentiable functions; `torch.amp.GradScaler`.
    """

    code: ClassVar[str] = "GRD003"
    name: ClassVar[str] = "nonfinite-gradient"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = "PyTorch documentation, Autograd mechanics: gradients for non-differentiable functions"

    factor: float = threshold(3.0, unit="× initial loss", source="CS231n 2017, lecture 6: an exploded cost")
    skipped: float = threshold(0.1, unit="share of the sampled steps")
    min_skipped: int = threshold(16, unit="sampled steps", source="halvings from GradScaler's first scale to 1")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        broken = [step for step in run.steps if _broken_modules(step)]
        if not broken or not self._loss_was_sound(run, broken[0]):
            return
        lost = _weights_are_lost(run)
        if not lost and len(broken) <= max(self.min_skipped, self.skipped * len(run.steps)):
            return
        first, modules = broken[0], _broken_modules(broken[0])
        yield self.finding(
            f"the gradient of layer {modules[-1]} is not finite at step {first.step}, where the loss is "
            f"{number(first.loss)}: {_place(first, modules[-1])} breaks in the backward pass"
            + ("" if lost else "; such steps are skipped, and learn nothing"),
            evidence=(
                Evidence("loss of that step", first.loss),
                Evidence("layers with such a gradient", float(len(modules)), 0.0),
                Evidence("sampled steps with such a gradient", float(len(broken)), 0.0, "steps"),
            ),
            remedies=(
                "look there for the square root, norm, standard deviation, power or logarithm of zero; add an epsilon "
                "inside it",
                "torch.autograd.set_detect_anomaly(True) for that step names the line",
            )
            if lost
            else ("let the gradient scaler start lower, or train in bfloat16 or float32",),
            module=modules[-1],
            steps=(first.step, broken[-1].step),
            severity=Severity.ERROR if lost else Severity.WARNING,
        )

    def _loss_was_sound(self, run: RunRecord, first: StepRecord) -> bool:
        before = Curve.of(run)
        sound = math.isfinite(first.loss) and (not run.losses or len(before.losses) > first.step)
        limit = self.factor * before.initial
        exploded = limit > 0 and max(first.loss, *before.losses[: first.step + 1], -math.inf) > limit
        return sound and not exploded


def _broken_modules(step: StepRecord) -> list[str]:
    return [layer.module for layer in step.layers if _not_finite(layer.gradient_norm)]


def _not_finite(*values: float | None) -> bool:
    return any(value is not None and not math.isfinite(value) for value in values)


def _weights_are_lost(run: RunRecord) -> bool:
    layers = (layer for step in run.steps for layer in step.layers)
    return any(_not_finite(layer.update_norm, layer.weight_norm) for layer in layers) or any(
        not math.isfinite(loss) for loss in run.losses[-1:]
    )


def _place(step: StepRecord, module: str) -> str:
    """Between the named layer and the next one that has weights."""
    weighted: list[LayerStats] = [layer for layer in step.layers if layer.gradient_norm is not None]
    names = [layer.module for layer in weighted]
    above = names[names.index(module) + 1 :]
    return f"something between it and layer {above[0]}" if above else "something between it and the loss"

"""GRD003: a gradient became NaN or infinite while the loss was still a good number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Origin, RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._origin import operation_remedy
from babysit.rules._words import number


@dataclass(frozen=True)
class NonfiniteGradient(Rule):
    """The gradient is NaN or infinite while the loss is finite: the backward pass breaks, not the forward one.

    ## What it measures
    The first sampled step at which a layer's gradient is not finite although the loss of that step is, and has not
    exploded, and the last such layer in the model's order: gradients run backwards, so the break is just above it.
    Where that step was not sampled, weights that are NaN before the step whose loss is the first NaN tell the same.

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
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "PyTorch documentation, Autograd mechanics: gradients for non-differentiable functions"

    factor: float = threshold(3.0, unit="× initial loss", source="CS231n 2017, lecture 6: an exploded cost")
    skipped: float = threshold(0.1, unit="share of the sampled steps")
    min_skipped: int = threshold(16, unit="sampled steps", source="halvings from GradScaler's first scale to 1")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        broken = [step for step in run.steps if _broken_modules(step)]
        origin = next((item for item in run.origins if item.stage == "gradient"), None)
        if broken and self._loss_was_sound(run, broken[0].step, broken[0].loss):
            yield from self._sampled(run, broken, origin)
        elif origin and self._loss_was_sound(run, origin.step, _loss_at(run, origin.step)):
            yield self._report(run, origin.step, [origin.module] if origin.module else [], origin)

    def _sampled(self, run: RunRecord, broken: list[StepRecord], origin: Origin | None) -> Iterator[Finding]:
        lost = origin is not None or _weights_are_lost(run)
        if lost:
            yield self._report(run, broken[0].step, _broken_modules(broken[0]), origin, broken)
        elif len(broken) > max(self.min_skipped, self.skipped * len(run.steps)):
            yield self._report(run, broken[0].step, _broken_modules(broken[0]), None, broken, lost=False)

    def _report(
        self,
        run: RunRecord,
        step: int,
        modules: list[str],
        origin: Origin | None,
        broken: Sequence[StepRecord] = (),
        *,
        lost: bool = True,
    ) -> Finding:
        module = modules[-1] if modules else ""
        loss = broken[0].loss if broken else _loss_at(run, step)
        by_operation = operation_remedy(origin)
        named = f" ({origin.operation})" if origin and origin.operation else ""
        return self.finding(
            f"the gradient of {f'layer {module}' if module else 'the weights'} is not finite at step {step}, where the "
            f"loss is {number(loss)}: {_place(run, module)}{named} breaks in the backward pass"
            + ("" if lost else "; such steps are skipped, and learn nothing"),
            evidence=(
                Evidence("loss of that step", loss),
                Evidence("layers with such a gradient", float(max(len(modules), 1)), 0.0),
                Evidence("sampled steps with such a gradient", float(max(len(broken), 1)), 0.0, "steps"),
            ),
            remedies=(
                by_operation or _REMEDY,
                "torch.autograd.set_detect_anomaly(True) for that step names the line",
            )
            if lost
            else ("let the gradient scaler start lower, or train in bfloat16 or float32",),
            module=module,
            steps=(step, broken[-1].step if broken else step),
            severity=Severity.ERROR if lost else Severity.WARNING,
        )

    def _loss_was_sound(self, run: RunRecord, step: int, loss: float) -> bool:
        before = Curve.of(run)
        sound = math.isfinite(loss) and (not run.losses or len(before.losses) > step)
        limit = self.factor * before.initial
        exploded = limit > 0 and max(loss, *before.losses[: step + 1], -math.inf) > limit
        return sound and not exploded


_REMEDY = (
    "look there for the square root, norm, standard deviation, power or logarithm of zero; add an epsilon inside it"
)


def _loss_at(run: RunRecord, step: int) -> float:
    return run.losses[step] if 0 <= step < len(run.losses) else math.nan


def _broken_modules(step: StepRecord) -> list[str]:
    return [layer.module for layer in step.layers if _not_finite(layer.gradient_norm)]


def _not_finite(*values: float | None) -> bool:
    return any(value is not None and not math.isfinite(value) for value in values)


def _weights_are_lost(run: RunRecord) -> bool:
    layers = (layer for step in run.steps for layer in step.layers)
    return any(_not_finite(layer.update_norm, layer.weight_norm) for layer in layers) or any(
        not math.isfinite(loss) for loss in run.losses[-1:]
    )


def _place(run: RunRecord, module: str) -> str:
    """Between the named layer and the next one that has weights."""
    layers = max((step.layers for step in run.steps), key=len, default=())
    names = [layer.module for layer in layers if layer.weight_norm is not None or layer.gradient_norm is not None]
    above = names[names.index(module) + 1 :] if module in names else []
    if above:
        return f"something between it and layer {above[0]}"
    return "something between it and the loss" if module in names or not names else "an operation behind it"

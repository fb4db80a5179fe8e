"""UPD004: the optimizer's steps leave every weight as it was."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._coverage import trains_nothing
from babysit.rules._progress import is_stuck
from babysit.rules._words import change_rate, names, number


@dataclass(frozen=True)
class NoUpdate(Rule):
    """Gradients are made, and yet no weight changes at any step.

    ## What it measures
    The norm of the update, weights after minus before, of every layer at every sampled step, and the norm of the
    gradient beside it. It speaks where all updates are exactly zero although gradients are not, at a learning rate
    above zero; where no parameter of any optimizer has a gradient when its step is taken, or every gradient, those of
    the biases included, is exactly zero then and was not after the backward pass; and where every step changes the
    weights, and yet each layer's norm is the same, to the last digit, before all of them, while the loss stays where it
    began. It also speaks where every gradient is zero at all steps and the loss never changes; where from some step on
    no parameter of any optimizer has a gradient; and where backward passes follow each other, an optimizer has the
    parameters, and no step is ever taken.

    ## Why it hurts
    Nothing is learnt, while the time, the progress bar and the gradients look like a training.

    ## What to try
    See that the optimizer was given the parameters of this very model, and not those of a copy or of layers that were
    replaced after it was made, as for the next fold; that `zero_grad()` does not stand between `backward()` and
    `step()`; that `optimizer.step()` is called, and not skipped by a condition or a gradient scaler; that nothing loads
    a kept state into the model after each step. If the learning rate times the gradient is below the rounding of the
    weights (6e-8 of a weight in float32, 4e-3 in bfloat16), raise the rate or keep the weights in float32.

    ## When it is a false alarm
    When the steps are gathered over more than `min_samples` calls, or gradients are all that is wanted of a model that
    an optimizer has. Layers whose gradient is zero do not count beside others, nor do runs of which a single sampled
    step changed a weight. Weights that are kept at one norm on purpose (on a sphere, or binary ones) change their
    direction: they learn, and the rule is silent then.

    ## Options
    `min_samples` steps must have been sampled, or so many backward passes been made without any step, so that a
    gradient summed over a few batches is not taken for it.

    ## References
    TrainCheck (OSDI 2025) has an optimizer without the model's parameters among its silent errors.
    """

    code: ClassVar[str] = "UPD004"
    name: ClassVar[str] = "no-update"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Jiang et al., Training with Confidence (TrainCheck), OSDI 2025"

    min_samples: int = threshold(20, unit="sampled steps")
    min_looks: int = threshold(3, unit="looks at who trains what", source="steps 0, 1 and 4")
    most: float = threshold(0.9, unit="share of the sampled steps that change weights")
    rounding: float = threshold(6e-8, unit="lr × gradient norm / weight norm", source="half of float32's epsilon")

    def applies(self, run: RunRecord) -> bool:
        """Whether there are steps, or is known that there were none."""
        return bool(run.steps) or run.probe(_NO_STEP) is not None

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        probe = run.probe(_NO_STEP)
        if probe is not None and probe.numbers["backward_passes"] >= self.min_samples:
            yield self._without_step(int(probe.numbers["backward_passes"]), probe.texts["optimizer"])
            return
        measured = [step for step in run.steps if any(layer.update_norm is not None for layer in step.layers)]
        if not all(layer.update_norm in (None, 0.0) for step in measured for layer in step.layers):
            yield from self._undone(run, measured)
            yield from self._left_behind(measured)
            return
        tried = [step for step in measured if _is_at_work(step) and any(map(_has_gradient, step.layers))]
        cleared = [step for step in measured if _is_at_work(step) and _is_cleared(step)]
        if len(tried) >= self.min_samples:
            yield self._unmoved(measured, tried)
        elif not tried and len(run.coverage) >= self.min_looks and trains_nothing(run.coverage):
            yield from self._without_gradient(run, measured)
        elif len(cleared) >= self.min_samples and all(step.gradient_norm == 0 for step in measured):
            yield self._of_zeros(cleared)
        elif len(measured) >= self.min_samples and all(map(_is_flat, measured)) and len({*run.losses}) == 1:
            yield self._on_the_flat(run, measured)

    def _without_step(self, passes: int, optimizer: str) -> Finding:
        return self.finding(
            f"{passes:,} backward passes gave gradients to parameters of an optimizer ({optimizer}), and it has not "
            "taken a single step, so that nothing is learnt",
            evidence=(
                Evidence("steps", 0.0, 1.0),
                Evidence("backward passes", float(passes), float(self.min_samples)),
            ),
            remedies=_NEVER_CALLED,
        )

    def _undone(self, run: RunRecord, measured: Sequence[StepRecord]) -> Iterator[Finding]:
        """What steps change is put back before the next one."""
        if len(measured) < self.min_samples or not is_stuck(run):
            return
        moving = [step for step in measured if any(layer.update_norm for layer in step.layers)]
        norms = {
            tuple((layer.module, layer.weight_norm) for layer in step.layers if layer.weight_norm is not None)
            for step in measured
        }
        if len(moving) < self.most * len(measured) or len(norms) > 1:
            return
        sizes = [layer.update_ratio for step in moving for layer in step.layers if layer.update_ratio is not None]
        yield self.finding(
            f"every step changes the weights (by {number(median(sizes)) if sizes else 'something'} of themselves), and "
            f"before the next one they are as they were: each layer's norm is the same at all {len(measured)} sampled "
            "steps; something puts them back",
            evidence=(
                Evidence("different sets of weight norms", float(len(norms)), 1.0),
                Evidence("sampled steps that change weights", float(len(moving)), self.most * len(measured), "steps"),
            ),
            remedies=_UNDONE,
            module=next(iter(norms))[0][0] if next(iter(norms)) else "",
            steps=(measured[0].step, measured[-1].step),
        )

    def _left_behind(self, measured: Sequence[StepRecord]) -> Iterator[Finding]:
        """From some step on the optimizer trains what no loss depends on any longer."""
        idle = list(itertools.takewhile(_has_nothing_to_do, reversed(measured)))[::-1]
        if len(idle) < self.min_samples or len(idle) == len(measured):
            return
        yield self.finding(
            f"from step {idle[0].step} on no parameter of the optimizer has a gradient when its step is taken, and no "
            f"weight changes at any of the {len(idle)} sampled steps, so that nothing is learnt: the model that the "
            "loss is made of is no longer the one that the optimizer was given",
            evidence=(
                Evidence("parameters with a gradient", 0.0, 1.0),
                Evidence("sampled steps without any", float(len(idle)), float(self.min_samples), "steps"),
                Evidence("sampled steps before that change weights", float(len(measured) - len(idle)), unit="steps"),
            ),
            remedies=_LEFT_BEHIND,
            steps=(idle[0].step, idle[-1].step),
        )

    def _on_the_flat(self, run: RunRecord, measured: Sequence[StepRecord]) -> Finding:
        """Every derivative is zero where the weights are."""
        zero = [layer.module for layer in measured[0].layers if layer.weight_norm == 0]
        why = f": the weights of {names(zero)} are all zero" if zero else ""
        return self.finding(
            f"every gradient is exactly zero at all {len(measured)} sampled steps, and the loss is the same "
            f"{number(run.losses[0])} at all {len(run.losses)}: from these weights nothing is learnt{why}",
            evidence=(
                Evidence("largest gradient norm", 0.0),
                Evidence("different losses", 1.0),
                Evidence("sampled steps", float(len(measured)), float(self.min_samples), "steps"),
            ),
            remedies=_FLAT,
            module=zero[0] if zero else "",
            steps=(measured[0].step, measured[-1].step),
        )

    def _of_zeros(self, measured: Sequence[StepRecord]) -> Finding:
        return self.finding(
            f"the backward pass makes gradients (up to {number(median(_peak(step) for step in measured))}), and at all "
            f"{len(measured)} sampled steps every one of them is exactly zero when the step is taken, so that nothing "
            "is learnt: they are cleared between backward() and step()",
            evidence=(
                Evidence("largest gradient after the backward pass", median(_peak(step) for step in measured), 0.0),
                Evidence("largest gradient when the step is taken", 0.0),
                Evidence("sampled steps", float(len(measured)), float(self.min_samples), "steps"),
            ),
            remedies=_CLEARED[:1],
            steps=(measured[0].step, measured[-1].step),
        )

    def _unmoved(self, measured: Sequence[StepRecord], tried: Sequence[StepRecord]) -> Finding:
        wanted = [size for step in tried if (size := _wanted(step)) is not None]
        typical = median(wanted) if wanted else None
        lost = typical is not None and typical < self.rounding
        rate = tried[-1].lr
        cause = (
            f"the learning rate times the gradient is {number(typical or 0.0)} of the weights, less than they can hold"
            if lost
            else "the optimizer does not have these weights, or its step is never taken"
        )
        return self.finding(
            f"no weight changed at any of {len(measured)} sampled steps, although gradients arrive: {cause}",
            evidence=(
                Evidence("largest update norm", 0.0),
                Evidence("sampled steps with a gradient", float(len(tried)), float(self.min_samples), "steps"),
                *(() if typical is None else (Evidence("lr × gradient / weights", typical, self.rounding),)),
            ),
            remedies=(change_rate(rate, 1e3), "keep the weights in float32") if lost else _REMEDIES,
            steps=(measured[0].step, measured[-1].step),
        )

    def _without_gradient(self, run: RunRecord, measured: Sequence[StepRecord]) -> Iterator[Finding]:
        """The optimizer's parameters have none; whether others do tells whose fault it is."""
        looks = run.coverage
        idle = list(dict.fromkeys(module for look in looks for module in look.without_gradient))
        others = list(dict.fromkeys(module for look in looks for module in look.not_optimized))
        if not idle:
            return
        why = (
            f"gradients go to {names(others)}, which no optimizer has: it was given other parameters, of a copy or of "
            "layers that were replaced"
            if others
            else "they are cleared between backward() and step(), or the loss does not depend on the model"
        )
        yield self.finding(
            f"no parameter of the optimizer ({names(idle)}) has a gradient at any of {len(looks)} looks when its step "
            f"is taken, so that nothing is learnt: {why}",
            evidence=(
                Evidence("modules of the optimizer with a gradient", 0.0, 1.0),
                Evidence("modules with a gradient and no optimizer", float(len(others)), 0.0),
                Evidence("looks at it", float(len(looks)), float(self.min_looks)),
            ),
            remedies=_REMEDIES[:1] if others else _CLEARED,
            module=(others or idle)[0],
            steps=(looks[0].step, max(looks[-1].step, measured[-1].step if measured else 0)),
        )


def _is_at_work(step: StepRecord) -> bool:
    return step.lr is None or step.lr > 0


def _has_nothing_to_do(step: StepRecord) -> bool:
    idle = step.gradient_norm is None and not any(layer.gradient_norm or layer.update_norm for layer in step.layers)
    return idle and _is_at_work(step)


def _is_flat(step: StepRecord) -> bool:
    """Whether there are gradients, all of them zero, of a loss that is not."""
    return _is_at_work(step) and step.gradient_norm == 0 and step.loss != 0


def _is_cleared(step: StepRecord) -> bool:
    return step.gradient_norm == 0 and 0 < _peak(step) < math.inf


def _peak(step: StepRecord) -> float:
    """The largest gradient after the backward pass; 0 where unknown."""
    return step.gradient_peaks[0] if step.gradient_peaks else 0.0


def _has_gradient(layer: LayerStats) -> bool:
    return layer.update_norm is not None and layer.gradient_norm is not None and 0 < layer.gradient_norm < math.inf


def _wanted(step: StepRecord) -> float | None:
    """Largest share of a layer's weights that plain gradient descent would change at this step."""
    shares = [
        step.lr * layer.gradient_norm / layer.weight_norm
        for layer in step.layers
        if step.lr is not None and _has_gradient(layer) and layer.gradient_norm is not None and layer.weight_norm
    ]
    return max((share for share in shares if math.isfinite(share)), default=None)


_NO_STEP = "no-step"
_NEVER_CALLED = (
    "call optimizer.step() after loss.backward(), inside the loop over the batches",
    "see that no condition skips it, as one on accumulated batches that never comes true",
)
_REMEDIES = (
    "give the optimizer the parameters of this very model: make it after the model is complete, on its device",
    "see that optimizer.step() is called at every step, and that no condition or gradient scaler skips it",
)
_CLEARED = (
    "call optimizer.zero_grad() before loss.backward() or after optimizer.step(), never between the two",
    "see that the loss is made of the model's outputs, without detach(), .data, .item() or numpy",
)
_LEFT_BEHIND = (
    "make a new optimizer whenever the model is made anew, as for the next fold or another stage",
    "see that the loss goes on being made of the model's outputs, without detach(), .data, .item() or numpy",
)
_FLAT = (
    "initialise the weights at random: where those on both sides of a product are zero, neither gets a gradient",
    "see that what the loss is made of varies with the weights, and is no count, rounding or comparison",
)
_UNDONE = (
    "load the best weights once, after the training, and not after each step",
    "see that the model is not built or loaded anew inside the loop, and that nothing copies old weights into it",
)

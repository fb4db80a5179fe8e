"""GRD002: the gradient is out of all proportion, before the first update or again and again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from babysit.measure.record import RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._clipping import unclipped
from babysit.rules._curve import Curve
from babysit.rules._gradients import Arrival, arrivals
from babysit.rules._jumps import jumps, used_again
from babysit.rules._levels import has_floor, level_of
from babysit.rules._optimizer import is_plain
from babysit.rules._words import LECTURE, number


@dataclass(frozen=True)
class ExplodingGradient(Rule):
    """The gradient grows by orders of magnitude on its way through the layers.

    ## What it measures
    Each layer's gradient norm × weight norm before the first update and before any clipping, in units of the loss (of
    guessing, for a classification): by how many times that level the loss would change if the layer's weights changed
    by their own size, to first order. No learning rate has been at work at that step, so the network itself is at
    fault. It is an error where the training then fails: the loss explodes, becomes NaN, or stays at the level of
    guessing (at half of it, where the gradient is beyond its limit a hundredfold); and a warning where plain gradient
    descent, unclipped, came through it although its first step was steep: large weights that hardly have a gradient, as
    constants that forbid something, make the product large and no step. Of recurrent layers, and others that one pass
    uses several times, which multiply the gradient by their weights each time, also how often it jumps later on, where
    nothing clips it and the loss has not run away.

    ## Why it hurts
    At a thousand, a change of the weights by a thousandth changes the loss beyond recognition: no step along the
    gradient is short enough to be right and long enough to learn.

    ## What to try
    Start from smaller weights: He's scheme for rectifiers, Xavier's for tanh. Scale the inputs to unit spread. Add
    batch normalisation. Clip the gradient's norm where the network is recurrent or very deep. A lower learning rate
    alone seldom mends it.

    ## When it is a false alarm
    When the training fails for another reason and would have coped, as Adam copes with gradients of any scale. A loss
    below zero, or of models trained against each other, does not tell of failure: there only a loss that is no number
    counts. A gradient that grows later, with a loss that explodes, follows from the learning rate: LOS001 and LOS002
    say so.

    ## Options
    Healthy networks of up to nine layers lie between 2e-4 and 25, recurrent ones stay below 12 at every step, so that
    `jump` is enough for them; those with weights several times too large begin between 1e3 and 1e9. `min_steps` are
    needed before a loss that has not moved counts as failure.

    ## References
    CS231n 2017, lecture 6: weights of 1.0·N(0, 1) in ten layers. Pascanu, Mikolov and Bengio, On the difficulty of
    training recurrent neural networks, 2013. torchtest2 takes 1e3 for gradient over weights.
    """

    code: ClassVar[str] = "GRD002"
    name: ClassVar[str] = "exploding-gradient"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("losses", "steps")
    source: ClassVar[str] = LECTURE

    largest: float = threshold(1e3, unit="gradient norm × weight norm / loss", source="40 × the largest healthy one")
    guessing: float = threshold(0.9, unit="× chance level, or × initial loss where that is unknown")
    far: float = threshold(100.0, unit="× the limit of gradient × weights", source="4,000 × the largest healthy one")
    slow: float = threshold(0.5, unit="× chance level, or × initial loss, of a training that starts so far beyond it")
    exploded: float = threshold(3.0, unit="× initial loss", source=LECTURE)
    jump: float = threshold(100.0, unit="gradient norm × weight norm / loss", source="8 × the largest healthy one")
    jumping: float = threshold(0.05, unit="share of the sampled steps")
    min_jumps: int = threshold(5, unit="sampled steps")
    step: float = threshold(0.1, unit="× level of the loss, what the first step changes it by")
    min_steps: int = threshold(50, unit="steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        curve = Curve.of(run)
        level = level_of(run, curve)
        begin = unclipped(run.steps[0])
        found = arrivals(begin, level)
        again = used_again(run)
        limits = {module: self.jump if module in again else self.largest for module in found}
        beyond = {module: limits[module] for module in found if found[module].sensitivity > limits[module]}
        bounded = all(item.sensitivity < math.inf for item in found.values())
        beside = max((found[module].sensitivity / limit for module, limit in beyond.items()), default=0.0)
        failure = self._failure(run, curve, self.slow if beside > self.far else self.guessing)
        clips = any(step.clip_limit is not None for step in run.steps)
        enough = has_floor(run, curve) and len(curve.losses) >= self.min_steps
        if begin.step == 0 and beyond and bounded:
            # a training that came through is told of what it was spared where its steps followed the gradient's size
            worst = found[max(beyond, key=lambda module: found[module].sensitivity)]
            steep = begin.lr is None or begin.lr * worst.relative * worst.sensitivity > self.step
            if failure or (enough and not clips and is_plain(run) and steep):
                yield self._at_start(begin, found, beyond, level, failure)
        elif enough and not clips:
            yield from self._through_time(run, curve, level)

    def _at_start(
        self,
        begin: StepRecord,
        found: Mapping[str, Arrival],
        beyond: Mapping[str, float],
        level: float,
        failure: str,
    ) -> Finding:
        worst = max(beyond, key=lambda module: found[module].sensitivity)
        largest = found[worst].sensitivity
        smallest = min(item.sensitivity for item in found.values())
        return self.finding(
            f"before the first update the gradient is already {number(found[worst].relative)} × the weights in layer "
            f"{worst}: changing them by 1 % would move the loss by {number(0.01 * largest)} × the level of "
            f"{number(level)}; {failure or 'the training came through it'}",
            evidence=(
                Evidence("gradient × weights / loss, largest layer", largest, beyond[worst]),
                Evidence("gradient × weights / loss, smallest layer", smallest),
                Evidence("gradient / weights", found[worst].relative),
                Evidence("first loss", begin.loss, level),
            ),
            remedies=_remedies(begin),
            module=worst,
            steps=(0, 0),
            severity=None if failure else Severity.WARNING,
        )

    def _through_time(self, run: RunRecord, curve: Curve, level: float) -> Iterator[Finding]:
        for found in jumps(run, level=level, limit=self.jump, exploded=self.exploded * curve.initial):
            count, share = len(found.steps), len(found.steps) / found.seen
            if count < self.min_jumps or share < self.jumping:
                continue
            yield self.finding(
                f"the gradient of {found.module} jumps at {count} of {found.seen} sampled steps: gradient × weights is "
                f"up to {number(found.largest)} × the loss's level of {number(level)}, {number(found.typical)} as a "
                "rule, and nothing clips it",
                evidence=(
                    Evidence("gradient × weights / loss, largest", found.largest, self.jump),
                    Evidence("gradient × weights / loss, median", found.typical),
                    Evidence("share of the sampled steps", share, self.jumping),
                ),
                remedies=(
                    "clip the gradient's norm before each step: clip_grad_norm_(model.parameters(), 1.0)",
                    "start the recurrent weights smaller, orthogonal ones for instance (nn.init.orthogonal_)",
                ),
                module=found.module,
                steps=(found.steps[0], found.steps[-1]),
                severity=Severity.WARNING,
            )

    def _failure(self, run: RunRecord, curve: Curve, guessing: float) -> str:
        broken = next((step for step, loss in enumerate(run.losses) if not math.isfinite(loss)), None)
        if broken is not None:
            return f"the loss is not finite at step {broken}"
        if not has_floor(run, curve):
            return ""
        peak = float(np.max(curve.blocks(), initial=0.0))
        if peak > self.exploded * curve.initial > 0 and curve.final > self.guessing * (curve.chance or curve.initial):
            return f"the loss then explodes to {number(peak)}"
        enough = len(curve.losses) >= self.min_steps
        if enough and curve.final > guessing * (curve.chance or curve.initial):
            return f"after {len(curve.losses)} steps the loss is no better than {number(curve.final)}"
        return ""


def _remedies(step: StepRecord) -> tuple[str, ...]:
    bounded = any(layer.type in ("Tanh", "Sigmoid") for layer in step.layers)
    scheme = "Xavier's scheme, 1/√n" if bounded else "He's scheme, √(2/n)"
    return (
        f"start from smaller weights: {scheme} for n inputs of a unit",
        "scale the inputs to zero mean and unit spread",
        "add batch normalisation, or clip the gradient's norm, for instance to 1",
    )

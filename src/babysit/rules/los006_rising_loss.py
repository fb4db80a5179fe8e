"""LOS006: the loss is maximised instead of minimised."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

import numpy as np

from babysit.measure.record import Evaluation, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._words import number, percent, precisely

_NEVER_NEGATIVE = ("cross_entropy", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


@dataclass(frozen=True)
class RisingLoss(Rule):
    """The training goes uphill: the loss's sign is wrong, or the optimizer maximises it.

    ## What it measures
    One of five things. What is backpropagated is a loss function's value, or a mean square of differences, with its
    sign turned, as autograd's graph and the calls of the loss functions tell. Or the weights go along the gradient and
    not against it (the cosine between minus the update and the gradient is far below zero from the start) while the
    loss rises. Or the loss is negative from its first level on, although such a loss cannot be: it is called
    `cross_entropy`, `mse_loss` or the like; or it belongs to a classification, starts as far below zero as guessing
    costs, falls further, and the accuracy stays at guessing or below. Or the loss rises from the start, level by level
    and without leaps, while the training accuracy is far below guessing: only a network that is taught to avoid the
    right class gets there. Or the loss ends further below zero than any loss with a use for it falls, as a penalty or a
    divergence that is subtracted does.

    ## Why it hurts
    Every step makes the network worse, and a loss has no largest value to come to rest at: the weights grow for good.

    ## What to try
    Minimise the loss itself: remove the minus sign in front of it, `maximize=True` of the optimizer, or the reversed
    gradients. A mean log-likelihood is maximised by minimising its negative.

    ## When it is a false alarm
    When the network is an adversary that is meant to fail; trainings of several models with losses of their own are
    not judged by signs. A loss that explodes because of its learning rate is not
    reported here: it leaps, and its network guesses. A rising loss whose accuracy is unknown, or that of a regression,
    is left to LOS002, as its curve alone cannot tell the two apart.

    ## Options
    `endless` is how far below zero the loss ends, in units of what it was in its first steps. `worse` times the
    accuracy of guessing is what a network has to fall below, where guessing would have been right on at least
    `expected_hits` of the evaluated examples: at 20 expected, 4 or fewer come by chance once in 60,000 times.

    ## References
    CS231n 2017, lecture 6: the loss goes down, or something is wrong. Gradient descent steps along −∇L.
    """

    code: ClassVar[str] = "LOS006"
    name: ClassVar[str] = "rising-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("losses",)
    source: ClassVar[str] = "CS231n 2017, lectures 3 and 6: gradient descent goes down"

    min_steps: int = threshold(20, unit="steps")
    negative: float = threshold(-0.5, unit="× chance level")
    moved: float = threshold(0.02, unit="× first level")
    guessing: float = threshold(1.5, unit="× accuracy of guessing")
    worse: float = threshold(0.2, unit="× accuracy of guessing")
    expected_hits: float = threshold(20.0, unit="examples that guessing gets right", source="Poisson: P(≤ 4) = 1.7e-5")
    endless: float = threshold(1e4, unit="× largest of the first losses, or 1, below zero")
    leap: float = threshold(2.0, unit="× the level before")
    uphill: float = threshold(-0.2, unit="cosine between −update and gradient")
    min_samples: int = threshold(8, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        turned = list(self._turned(run)) if run.header.progress else []
        yield from turned or self._by_the_curve(run)

    def _turned(self, run: RunRecord) -> Iterator[Finding]:
        """What needs no curve: the sign of what is backpropagated, and the direction of the updates."""
        signs = [graph.sign for graph in run.graphs if graph.sign]
        steps = (0, max(len(run.losses) - 1, 0))
        if len(signs) >= 2 and all(sign < 0 for sign in signs):
            what = run.header.loss_name or "a mean of squared differences"
            yield self.finding(
                f"what is backpropagated is {what} with its sign turned, at all {len(signs)} steps at which it was "
                "looked at: the loss is maximised",
                evidence=(
                    Evidence("sign of what is backpropagated", -1.0, 0.0),
                    Evidence("steps looked at", float(len(signs)), 2.0),
                ),
                remedies=_REMEDIES,
                steps=steps,
            )
            return
        cosines = [step.descent for step in run.steps if step.descent is not None]
        if len(cosines) < self.min_samples or "LBFGS" in run.header.optimizer or len(run.losses) < self.min_steps:
            return
        typical = median(cosines[: 4 * self.min_samples])
        curve = Curve.of(run)
        levels = curve.levels() if len(curve.losses) >= self.min_steps else np.array([])
        if typical < self.uphill and len(levels) > 1 and levels[-1] > levels[0]:
            yield self.finding(
                f"the weights go uphill: the cosine between minus the update and the gradient is {number(typical)}, "
                f"and the loss rises from {precisely(levels[0])} to {precisely(levels[-1])}",
                evidence=(
                    Evidence("cosine between −update and gradient", typical, self.uphill),
                    Evidence("final loss", float(levels[-1]), float(levels[0])),
                ),
                remedies=(_REMEDIES[1], "subtract the gradient times the rate from the weights; do not add it"),
                steps=steps,
            )

    def _by_the_curve(self, run: RunRecord) -> Iterator[Finding]:
        curve = Curve.of(run)
        levels = curve.levels() if len(curve.losses) >= self.min_steps else np.array([])
        if len(levels) < 4:
            return
        score = _score(run, len(curve.losses))
        steps = (0, len(curve.losses) - 1)
        # of the first steps, as what doubles with every few of them fills a level with its end
        begins = float(np.abs(curve.losses[: self.min_steps]).max())
        if run.header.progress and levels[-1] == levels.min() < -self.endless * max(begins, 1.0):
            yield self.finding(
                f"the loss falls without end, from {number(float(curve.losses[0]))} to {number(float(levels[-1]))}: a "
                "part of it has the wrong sign, or nothing that keeps it from below",
                evidence=(Evidence("final loss", float(levels[-1]), -self.endless * max(begins, 1.0)),),
                remedies=(
                    "look at each part of the loss by itself: one of them is subtracted that should be added, as a "
                    "penalty or a divergence",
                    *_REMEDIES[1:],
                ),
                steps=steps,
            )
        elif levels.max() < 0:
            yield from self._below_zero(run, curve, score, steps)
        elif score and self._far_below_guessing(run, score) and self._climbs(curve):
            guess = 1 / run.header.classes
            yield self.finding(
                f"the loss rises from {precisely(levels[0])} to {precisely(levels[-1])} and the accuracy falls to "
                f"{percent(score.score)}, where guessing gives {percent(guess)}: the loss is maximised",
                evidence=(
                    Evidence("final loss", curve.final, float(levels[0])),
                    Evidence("accuracy", score.score, self.worse * guess),
                ),
                remedies=_REMEDIES,
                steps=steps,
            )

    def _below_zero(
        self, run: RunRecord, curve: Curve, score: Evaluation | None, steps: tuple[int, int]
    ) -> Iterator[Finding]:
        levels = curve.levels()
        named = run.header.loss_name in _NEVER_NEGATIVE
        classes = run.header.classes
        chance = curve.chance or (math.log(classes) if classes > 1 else 0.0)
        falls = levels[-1] < levels[0] - self.moved * abs(levels[0])
        guesses = score is not None and classes > 1 and score.score <= self.guessing / classes
        if levels.max() >= self.negative * chance or not (named or (falls and guesses)):
            return
        accuracy = () if score is None or classes < 2 else (Evidence("accuracy", score.score, 1 / classes),)
        why = (
            f"{run.header.loss_name} is never below 0"
            if named or score is None
            else f"the accuracy stays at {percent(score.score)}, no better than guessing"
        )
        yield self.finding(
            f"the loss is negative from the start, {number(levels[0])}, and goes to {number(levels[-1])}, while {why}: "
            "its sign is wrong",
            evidence=(Evidence("highest level of the loss", float(levels.max()), 0.0), *accuracy),
            remedies=_REMEDIES,
            steps=steps,
        )

    def _far_below_guessing(self, run: RunRecord, score: Evaluation) -> bool:
        classes = run.header.classes
        return classes > 1 and score.score < self.worse / classes and score.examples / classes >= self.expected_hits

    def _climbs(self, curve: Curve) -> bool:
        """Whether the loss rises over nearly all of its levels, and never leaps as it does when it explodes."""
        levels = curve.levels()
        up = float(np.mean(np.diff(levels) > 0)) >= 0.75 and levels[-1] > (1 + self.moved) * levels[0]
        tops = np.maximum.accumulate(levels)
        return bool(up and levels.min() > 0 and np.all(tops[1:] <= self.leap * tops[:-1]))


def _score(run: RunRecord, steps: int) -> Evaluation | None:
    """The last evaluation before the loss ceased to be a number, of the training split where there is one."""
    found = run.evaluated("train") or run.evaluated("validation")
    usable = [item for item in found if 0 < item.step <= steps and math.isfinite(item.loss + item.score)]
    return usable[-1] if usable else None


_REMEDIES = (
    "minimise the loss itself: remove the minus sign in front of it, or in front of its gradient",
    "set maximize=False in the optimizer",
)

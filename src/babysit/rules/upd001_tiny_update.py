"""UPD001: the updates are far smaller than the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._gradients import arrivals
from babysit.rules._range_test import RangeTest, first_updates, is_before_training
from babysit.rules._updates import median_ratios, ratios, working_steps
from babysit.rules._words import LECTURE, change_rate, highest_rate, names, number


@dataclass(frozen=True)
class TinyUpdate(Rule):
    """The weights hardly change: their updates are far below a thousandth of them.

    ## What it measures
    For each layer, the norm of the update (weights after minus before) over the norm of the weights, as the median of
    the sampled steps at which the learning rate was at work: after the first 20 steps, or the first tenth, and at a
    tenth or more of the largest rate. A layer whose updates were once of the usual size is not counted, nor is one
    that does not change at all (it is frozen, or no optimizer has it).

    Before training, where the learning-rate range is tried: whether the first updates are that small, and the given
    rate is far below all at which the loss comes down.

    ## Why it hurts
    At a ratio of 1e-5 it takes a hundred thousand steps of one mind to change the weights once over.

    ## What to try
    All layers: raise the learning rate. Some layers only: their gradient vanishes on its way down, so look at the
    initialisation, the activation functions or batch normalisation; or they have a learning rate of their own.

    ## When it is a false alarm
    When there is nothing left to learn: a run whose loss has come near zero is not judged, nor one whose small steps
    have halved the loss. Embeddings, of which a step sees few rows and changes little as a whole, are not counted,
    and neither is a single layer whose weights are large constants, as −10000 for what is forbidden, and whose gradient
    arrives.

    ## Options
    The lecture finds about 1e-3 with "a lot of variance in this range"; the limit leaves two orders of magnitude.

    ## References
    CS231n 2017, lecture 6; the same limit as torchmortem, TheDeepChecker takes 1e-4 and SageMaker Debugger 1e-8.
    """

    code: ClassVar[str] = "UPD001"
    name: ClassVar[str] = "tiny-update"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    smallest: float = threshold(1e-5, unit="update norm / weight norm", source="torchmortem; the lecture's 1e-3 / 100")
    usual: float = threshold(1e-3, unit="update norm / weight norm", source=LECTURE)
    floor: float = threshold(0.1, unit="× initial loss")
    learns: float = threshold(0.5, unit="× initial loss", source="where all updates are tiny, and do their work")
    felt: float = threshold(
        100.0, unit="gradient norm × weight norm / initial loss", source="4 × the largest healthy one"
    )
    min_samples: int = threshold(5, unit="sampled steps")
    below: float = threshold(10.0, unit="lowest rate that brings the loss down / given rate")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if is_before_training(run):
            yield from self._before_training(run)
            return
        curve = Curve.of(run)
        if len(curve.losses) and curve.final < self.floor * curve.initial:
            return
        peaks = {module: max(values) for module, values in ratios(run.steps).items()}
        working = working_steps(run)
        tables = {layer.module for step in run.steps for layer in step.layers if layer.type.startswith("Embedding")}
        typical = {
            module: ratio for module, ratio in median_ratios(working, self.min_samples).items() if module not in tables
        }
        tiny = [module for module, value in typical.items() if 0 < value < self.smallest and peaks[module] < self.usual]
        if len(tiny) < len(typical):
            tiny = [module for module in tiny if not self._is_felt(working, module, curve.initial)]
        if not tiny:
            return
        everywhere = len(tiny) == len(typical)
        if everywhere and run.header.progress and 0 < curve.final < self.learns * curve.initial:
            return
        worst = min(tiny, key=lambda module: typical[module])
        rate = highest_rate(run, working[0].step, working[-1].step)
        cause = "the learning rate is too low" if everywhere else "little of the gradient reaches them"
        yield self.finding(
            f"updates of {number(typical[worst])} of the weights in {len(tiny)} of {len(typical)} layers "
            f"({names(tiny)}), against about {number(self.usual)}: {cause}",
            evidence=[Evidence("update / weights", typical[worst], self.smallest)],
            remedies=(change_rate(rate, 100),)
            if everywhere
            else ("look at the initialisation and the activation functions below the last layer", "add batch norm"),
            module="" if everywhere else worst,
            steps=(working[0].step, working[-1].step),
        )

    def _before_training(self, run: RunRecord) -> Iterator[Finding]:
        test, change = RangeTest.of(run), first_updates(run)
        if test is None or not (0 < test.given < test.falls[0] / self.below and 0 < change < self.smallest):
            return
        yield self.finding(
            f"the first steps change {number(change)} of the weights, against about {number(self.usual)}, and no rate "
            f"below {number(test.falls[0])} brings the loss down: the learning rate is too low "
            f"(lr {number(test.given)})",
            evidence=(
                Evidence("update / weights", change, self.smallest),
                Evidence("lowest rate that brings the loss down / given rate", test.falls[0] / test.given, self.below),
            ),
            remedies=(change_rate(test.given, test.suggested / test.given),),
        )

    def _is_felt(self, steps: Sequence[StepRecord], module: str, level: float) -> bool:
        """Whether the loss's gradient reaches a layer well, so that its steps are small beside large constants only."""
        found = [found[module].sensitivity for step in steps if module in (found := arrivals(step, level))]
        return bool(found) and median(found) > self.felt

"""PRE006: the model learns nothing from its input."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import number, numbers_of, percent, precisely

_NEEDED = ("initial_loss", "real_loss", "blank_loss", "variation")


@dataclass(frozen=True)
class InputIgnored(Rule):
    """Trained on real inputs, the model gets no further than on inputs of zero, and its outputs hardly vary.

    ## What it measures
    Two copies are trained for some steps on the same few examples, one on the real inputs, one on inputs that are all
    zero (or the same token), with the real targets. The loss on real inputs has to be clearly lower. Where it is not,
    the trained model's outputs for different examples are compared: they must differ.

    ## Why it hurts
    The model can learn how often each answer occurs, and nothing else: the loss falls at first, so that all seems well,
    and ends at the level of guessing.

    ## What to try
    Follow one example to the model: is it scaled twice, clipped, overwritten or replaced on the way? Then through the
    layers: a layer whose outputs are all the same, for dead rectifiers, a saturated activation or weights that shrink
    the signal in a deep network (INI002), is where it is lost.
    Check that the forward pass uses the variable it was given.

    ## When it is a false alarm
    A model without inputs on purpose, such as a fitted distribution or an unconditional generator. Examples that
    differ in nothing but a detail. Where the loss did not move, where the targets are constant or are among the inputs,
    nothing is judged; nor where outputs vary but learning is slow.

    ## Options
    `alike` is the loss on real inputs over that on blank ones above which they count as alike; `varies` and `constant`
    are how much outputs differ between examples, relative to the outputs.

    ## References
    A. Karpathy, "A Recipe for Training Neural Networks" (2019): "input-independent baseline".
    """

    code: ClassVar[str] = "PRE006"
    name: ClassVar[str] = "input-ignored"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:input-ignored",)
    source: ClassVar[str] = 'A. Karpathy, "A Recipe for Training Neural Networks", 2019'

    moved: float = threshold(0.005, unit="share by which the loss fell")
    alike: float = threshold(0.97, unit="× loss on blank inputs")
    better: float = threshold(1.03, unit="× loss on blank inputs")
    varies: float = threshold(0.01, unit="relative")
    constant: float = threshold(1e-5, unit="relative", source="a hundred roundings of float32")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        numbers = numbers_of(run, "input-ignored")
        if any(not math.isfinite(numbers.get(name, math.nan)) for name in _NEEDED):
            return
        initial, real, blank, variation = (numbers[name] for name in _NEEDED)
        if not blank > 0 or not real < (1 - self.moved) * initial:
            return
        # a loss that is lower on blank inputs takes its targets from them
        if not self.alike <= real / blank <= self.better or variation > self.varies:
            return
        is_constant = variation <= self.constant
        yield self.finding(
            f"after {number(numbers.get('steps', 0))} steps on {number(numbers.get('examples', 0))} examples the loss "
            f"is {precisely(real)} on real inputs and {precisely(blank)} on inputs of zero, and "
            + (
                "the outputs are the same for every example"
                if is_constant
                else f"the outputs differ between examples by only {percent(variation)}"
            ),
            evidence=(
                Evidence("loss on real inputs / on inputs of zero", real / blank, self.alike),
                Evidence("difference of outputs between examples", variation, self.varies),
            ),
            remedies=(
                "check that the forward pass uses the input it is given, and that nothing overwrites it",
                "look at the inputs as the model gets them: scaled twice, clipped, or all alike",
                "look for a layer whose outputs are the same for every example: dead rectifiers, saturation",
            ),
            severity=Severity.ERROR if is_constant else Severity.WARNING,
        )

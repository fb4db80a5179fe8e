"""INI002: the signal shrinks from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._signal import (
    NORMALISE,
    Trend,
    good_start,
    has_learnt_nothing,
    initial_layers,
    longest_trend,
    signal_paths,
)
from babysit.rules._words import LECTURE, number


@dataclass(frozen=True)
class ShrinkingActivations(Rule):
    """Before the first update the outputs of successive layers spread less and less, by the same factor each.

    ## What it measures
    The standard deviation of the outputs of the linear and convolutional layers at step 0, in the model's order and
    between normalisation layers; the output layer is left out. The factor from layer to layer is the median over four
    or more layers of which each spreads less than the one before.

    ## Why it hurts
    A layer's weight gradient is proportional to its inputs, so it collapses with them, and going backwards the error
    shrinks by the same factor. Ten tanh layers of 500 units with weights 0.01·N(0, 1) end at 3e-7 and do not train;
    with Xavier's scheme and ReLU, half of the signal's power is lost in each layer.

    ## What to try
    He's scheme √(2/n_in) for rectifiers, Xavier's 1/√n_in for tanh, or batch normalisation before the activations,
    which makes the scale of the weights matter little. PyTorch's default for `nn.Linear` and `nn.Conv2d` is
    1/√(3·n_in), too small for a deep net of rectifiers.

    ## When it is a false alarm
    A signal that loses less than a factor of a hundred usually still trains, later than it could: that is information,
    no warning. Small weights are fine in small networks, so fewer than four hidden layers are not judged.

    ## Options
    `collapsed` is what is left of the signal that warrants a warning, `shrunk` what is worth a remark, `layers` the
    fewest layers, `step` the most that each may keep of the one before. It is an error where the training also stays
    at the chance level.

    ## References
    CS231n 2017, lecture 6: weight initialisation. Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852.
    """

    code: ClassVar[str] = "INI002"
    name: ClassVar[str] = "shrinking-activations"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    # Measured: the lecture's C2 leaves 1e-6, its C5 (ten layers, Xavier and ReLU) 0.05, PyTorch's default in four
    # hidden layers 0.07 at least, Xavier and tanh in ten layers 0.25.
    collapsed: float = threshold(0.01, unit="× first layer's std")
    shrunk: float = threshold(0.06, unit="× first layer's std", source="lecture 6, C5: 0.05 after ten layers")
    layers: int = threshold(4, unit="layers")
    step: float = threshold(0.9, unit="× std of the layer before")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        for path in signal_paths(initial_layers(run), ("Norm",)):
            trend = longest_trend(path, self.step)
            if trend and len(trend.layers) >= self.layers and self._below(trend, self.shrunk):
                yield self._report(run, trend)

    def _below(self, trend: Trend, limit: float) -> bool:
        first, last = trend.ends
        # also against 1: inputs of a hundred that shrink to one have only lost what they had too much
        return trend.total <= limit and last <= limit * min(first, 1.0)

    def _report(self, run: RunRecord, trend: Trend) -> Finding:
        collapsed = self._below(trend, self.collapsed)
        severity = Severity.WARNING if collapsed else Severity.INFO
        if has_learnt_nothing(run):
            severity = Severity.ERROR
        first, last = trend.ends
        head, tail = trend.layers[0].module, trend.layers[-1].module
        return self.finding(
            f"the signal shrinks to {number(trend.factor)} of itself with every layer: at the start the outputs of "
            f"{head} have std {number(first)}, those of {tail}, {len(trend.layers) - 1} layers on, {number(last)}",
            evidence=(
                Evidence("std of a layer / std of the one before", trend.factor, self.step),
                Evidence("std of the last hidden layer", last, (self.collapsed if collapsed else self.shrunk) * first),
                Evidence("std of the first hidden layer", first),
                Evidence("layers that shrink in a row", float(len(trend.layers)), float(self.layers)),
            ),
            remedies=(good_start(initial_layers(run)), NORMALISE),
            module=tail,
            steps=(0, 0),
            severity=severity,
        )

"""INI003: the signal grows from layer to layer, or the units are saturated from the start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._passes import hidden_layers, is_gate
from babysit.rules._paths import initial_models
from babysit.rules._signal import (
    BOUNDED,
    NORMALISE,
    Trend,
    good_start,
    has_learnt_nothing,
    longest_trend,
    signal_paths,
)
from babysit.rules._words import LECTURE, number, percent


@dataclass(frozen=True)
class GrowingActivations(Rule):
    """Before the first update the signal grows with every layer, or most tanh and sigmoid units are at their limits.

    ## What it measures
    The standard deviation of the outputs of the linear and convolutional layers at step 0, in the order of the forward
    pass, between layers that set the scale anew (normalisation) or raise it on purpose (dropout); the output layer is
    left out. The factor is the median over four or more layers that grow. And, where tanh or sigmoid are the hidden
    activations (gates and outputs are none), the share of their outputs within 1 % of the limits, in the median layer
    after the first.

    ## Why it hurts
    A growing signal makes the first scores enormous, and the gradients with them: the first step is far too large at
    any usual learning rate. A saturated unit passes next to no gradient: with weights of 1.0·N(0, 1) nearly all of the
    units of ten tanh layers are at −1 or 1, and nothing trains.

    ## What to try
    Smaller weights: He's scheme √(2/n_in) for rectifiers, Xavier's 1/√n_in for tanh; or batch normalisation before the
    activations.

    ## When it is a false alarm
    When trained weights are loaded whose layers rightly differ in scale. Fewer than four hidden layers are not judged.

    ## Options
    `grown` is the growth that is reported, `saturated` the share of saturated outputs, `layers` the fewest layers,
    `step` the least that each grows. It is an error where the training also stays at the chance
    level or ends in NaN.

    ## References
    CS231n 2017, lecture 6: weight initialisation. Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852. Half of the
    units saturated: Amazon SageMaker Debugger's rules.
    """

    code: ClassVar[str] = "INI003"
    name: ClassVar[str] = "growing-activations"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    # Measured: He's scheme stays within 1.2 in ten layers; with a growth of 12 (weights twice too large, six layers)
    # the training ends clearly worse. Xavier and tanh saturate 3 % of the outputs, 1.0·N(0, 1) four fifths.
    grown: float = threshold(10.0, unit="× first layer's std")
    saturated: float = threshold(0.5, unit="share of outputs", source="SageMaker Debugger")
    layers: int = threshold(4, unit="layers")
    step: float = threshold(1.1, unit="× std of the layer before")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        for layers in initial_models(run):
            bounded = _bounded(layers)
            if len(bounded) >= self.layers:
                yield from self._saturation(run, bounded)
                continue
            for path in signal_paths(layers, ("Norm", "Dropout")):
                trend = longest_trend(path, self.step)
                if trend and len(trend.layers) >= self.layers and self._above(trend):
                    yield self._growth(run, trend, layers)

    def _saturation(self, run: RunRecord, bounded: list[LayerStats]) -> Iterator[Finding]:
        # The first layer sees the inputs: if it alone saturates, it is they that are too large.
        share = median(layer.saturated_fraction or 0.0 for layer in bounded[1:])
        if not share > self.saturated:
            return
        yield self.finding(
            f"{percent(share)} of the outputs of the {bounded[0].type} layers are at their limits before training has "
            "begun, where they pass no gradient on",
            evidence=(
                Evidence("saturated outputs in the median layer", share, self.saturated),
                Evidence("layers", float(len(bounded)), float(self.layers)),
            ),
            remedies=(good_start(bounded), NORMALISE),
            module=bounded[1].module,
            steps=(0, 0),
            severity=self._severity(run),
        )

    def _above(self, trend: Trend) -> bool:
        first, last = trend.ends
        # also against 1: a signal that grows from next to nothing to its usual size harms nobody
        return trend.total >= self.grown and last >= self.grown * max(first, 1.0)

    def _growth(self, run: RunRecord, trend: Trend, layers: Sequence[LayerStats]) -> Finding:
        first, last = trend.ends
        head, tail = trend.layers[0].module, trend.layers[-1].module
        return self.finding(
            f"the signal grows {number(trend.factor)} times with every layer: at the start the outputs of {head} have "
            f"std {number(first)}, those of {tail}, {len(trend.layers) - 1} layers on, {number(last)}",
            evidence=(
                Evidence("std of a layer / std of the one before", trend.factor, self.step),
                Evidence("std of the last hidden layer", last, self.grown * max(first, 1.0)),
                Evidence("std of the first hidden layer", first),
                Evidence("layers that grow in a row", float(len(trend.layers)), float(self.layers)),
            ),
            remedies=(good_start(layers), NORMALISE),
            module=tail,
            steps=(0, 0),
            severity=self._severity(run),
        )

    def _severity(self, run: RunRecord) -> Severity:
        failed = has_learnt_nothing(run) or not all(map(math.isfinite, run.losses))
        return Severity.ERROR if failed else self.severity


def _bounded(layers: Sequence[LayerStats]) -> list[LayerStats]:
    """The hidden tanh and sigmoid layers that are no gates."""
    return [
        layer
        for layer in hidden_layers(layers)
        if layer.type in BOUNDED and layer.saturated_fraction is not None and not is_gate(layers, layers.index(layer))
    ]

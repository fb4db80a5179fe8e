"""INI002: the signal shrinks from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._paths import across_examples, initial_models
from babysit.rules._progress import is_stuck, starts_late
from babysit.rules._signal import NORMALISE, Trend, good_start, has_learnt_nothing, longest_trend, signal_paths
from babysit.rules._updates import median_ratios
from babysit.rules._words import LECTURE, number

_AT_WORK = 1e-4  # update / weights of some layer: the learning rate is not to blame


@dataclass(frozen=True)
class ShrinkingActivations(Rule):
    """Before the first update the outputs of successive layers spread less and less, by the same factor each.

    ## What it measures
    The standard deviation of the outputs of the linear and convolutional layers at step 0, in the order of the forward
    pass and between normalisation layers; the output layer is left out. The factor from layer to layer is the median
    over four or more layers of which each spreads less than the one before. Where the outputs were compared between
    examples, the spread across the examples as well: biases keep up the plain spread of a deep net whose outputs hardly
    differ from one example to the next.

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
    no warning. So are outputs that differ ever less between examples, as with PyTorch's default initialisation in eight
    layers, as long as the loss comes down early: Adam copes with them. Small weights are fine in small networks, so
    fewer than four hidden layers are not judged. In a stack of sigmoids, which squeeze the examples together with any
    weights, only the plain spread counts.

    ## Options
    `collapsed` is what is left of the signal that warrants a warning, `shrunk` what is worth a remark, `layers` the
    fewest layers, `step` the most that each may keep of the one before. It is an error where the training also stays
    at the chance level, or near its initial loss. `alike` and `hopeless` are for the spread across examples: a warning
    where the training suffers, and in any case; what the gradient makes of it is told by GRD001.

    ## References
    CS231n 2017, lecture 6: weight initialisation. Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852. How alike
    outputs become: Schoenholz et al., Deep information propagation, ICLR 2017, arXiv:1611.01232.
    """

    code: ClassVar[str] = "INI002"
    name: ClassVar[str] = "shrinking-activations"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    # Measured: the lecture's C2 leaves 1e-6, its C5 (ten layers, Xavier and ReLU) 0.05, PyTorch's default in four
    # hidden layers 0.07 at least, Xavier and tanh in ten layers 0.25. Across examples PyTorch's default leaves 8e-3 of
    # six hidden ReLU layers of 100 units, 1.4e-3 of eight (Adam reaches 0.26 on digits, four layers 0.08), 3e-5 of
    # twelve (0.8); SGD with momentum stays at 2.3 from six on.
    collapsed: float = threshold(0.01, unit="× first layer's std")
    shrunk: float = threshold(0.06, unit="× first layer's std", source="lecture 6, C5: 0.05 after ten layers")
    alike: float = threshold(5e-3, unit="× first layer's std across examples", source="seven layers of torch's default")
    hopeless: float = threshold(1e-4, unit="× first layer's std across examples", source="11 layers of torch's default")
    layers: int = threshold(4, unit="layers")
    step: float = threshold(0.9, unit="× std of the layer before")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        for layers in initial_models(run):
            found = [trend for trend in self._trends(layers) if self._below(trend, self.shrunk)]
            for trend in found:
                yield self._report(run, trend, layers)
            if not found and not any(layer.type == "Sigmoid" for layer in layers):
                for trend in self._trends(across_examples(layers)):
                    if self._below(trend, self.alike):
                        yield self._report_alike(run, trend, layers)

    def _trends(self, layers: Sequence[LayerStats]) -> Iterator[Trend]:
        for path in signal_paths(layers, ("Norm",)):
            trend = longest_trend(path, self.step)
            if trend and len(trend.layers) >= self.layers:
                yield trend

    def _below(self, trend: Trend, limit: float) -> bool:
        first, last = trend.ends
        # also against 1: inputs of a hundred that shrink to one have only lost what they had too much
        return trend.total <= limit and last <= limit * min(first, 1.0)

    def _report(self, run: RunRecord, trend: Trend, layers: Sequence[LayerStats]) -> Finding:
        collapsed = self._below(trend, self.collapsed)
        severity = Severity.WARNING if collapsed else Severity.INFO
        if has_learnt_nothing(run) or (collapsed and is_stuck(run)):
            severity = Severity.ERROR
        return self._finding(trend, layers, self.collapsed if collapsed else self.shrunk, severity)

    def _report_alike(self, run: RunRecord, trend: Trend, layers: Sequence[LayerStats]) -> Finding:
        suffers = starts_late(run) or (_rate_is_at_work(run) and (is_stuck(run) or has_learnt_nothing(run)))
        severity = Severity.WARNING if suffers or self._below(trend, self.hopeless) else Severity.INFO
        return self._finding(trend, layers, self.alike, severity, " across the examples")

    def _finding(
        self, trend: Trend, layers: Sequence[LayerStats], limit: float, severity: Severity, across: str = ""
    ) -> Finding:
        first, last = trend.ends
        head, tail = trend.layers[0].module, trend.layers[-1].module
        return self.finding(
            f"the signal shrinks to {number(trend.factor)} of itself with every layer: at the start the outputs of "
            f"{head} have std {number(first)}{across}, those of {tail}, {len(trend.layers) - 1} layers on, "
            f"{number(last)}",
            evidence=(
                Evidence(f"std{across} of a layer / std of the one before", trend.factor, self.step),
                Evidence(f"std{across} of the last hidden layer", last, limit * first),
                Evidence(f"std{across} of the first hidden layer", first),
                Evidence("layers that shrink in a row", float(len(trend.layers)), float(self.layers)),
            ),
            remedies=(good_start(layers), NORMALISE),
            module=tail,
            steps=(0, 0),
            severity=severity,
        )


def _rate_is_at_work(run: RunRecord) -> bool:
    return max(median_ratios(run.steps).values(), default=0.0) > _AT_WORK

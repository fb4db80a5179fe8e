"""INI001: the units of a layer are identical, and stay so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, names, number, percent

_UNITS = ("Linear", "Conv", "RNN", "GRU", "LSTM", "Bilinear", "Lazy")


@dataclass(frozen=True)
class SymmetricUnits(Rule):
    """The units of a layer start with equal weights, and no step tells them apart.

    ## What it measures
    The share of a layer's units (rows of its weights, filters of a convolution) that equal another unit of the same
    layer exactly, at steps 0, 1, 4, 16, 64, 256 …, after the update. It speaks where that share is high in a hidden
    layer at every one of them.

    ## Why it hurts
    Units with equal weights, before and behind, compute the same, get the same gradient and take the same step, for
    ever: however wide the layer is, it is one unit. With all weights zero not even that one learns, for its gradient is
    zero, and only the last bias moves.

    ## What to try
    Draw the weights at random: leave PyTorch's own initialisation, or take `nn.init.kaiming_normal_` for rectifiers,
    `nn.init.xavier_normal_` for tanh. Biases may start at zero. Look for `nn.init.zeros_`, `nn.init.constant_` or
    `weight.data.fill_` in the script.

    ## When it is a false alarm
    A layer that starts at zero and is told apart by its first steps is no alarm: an output layer, LoRA's B, the last
    layer of a residual branch. Neither is a layer that is not trained. Embeddings and tables of parameters are not
    looked at, as rows that were never used stay as they are. Units that are meant to share their weights are a true
    exception.

    ## Options
    `most` is the share of equal units that is reported; from `whole` on it is an error. `min_samples` looks are needed.

    ## References
    CS231n 2017, lecture 6: with all weights zero "every neuron is going to do the same thing". Goodfellow, Bengio and
    Courville, Deep Learning, 2016, section 8.4: initial parameters need to break symmetry.
    """

    code: ClassVar[str] = "INI001"
    name: ClassVar[str] = "symmetric-units"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    most: float = threshold(0.5, unit="share of units")
    whole: float = threshold(0.9, unit="share of units")
    min_samples: int = threshold(3, unit="sampled steps", source="steps 0, 1 and 4")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        looks: dict[str, list[tuple[int, LayerStats]]] = {}
        for step in run.steps:
            for layer in step.layers:
                if layer.identical_units is not None:
                    looks.setdefault(layer.module, []).append((step.step, layer))
        found = [seen for seen in looks.values() if self._stay_alike(seen)]
        if not found:
            return
        worst = max(found, key=lambda seen: min(_shares(seen)))
        share, module = min(_shares(worst)), worst[0][1].module
        modules = [seen[0][1].module for seen in found]
        zero = all(layer.weight_norm == 0 for _, layer in worst)
        yield self.finding(
            f"{percent(share)} of the units of {module} equal another one exactly"
            + (", all their weights are zero" if zero else "")
            + f", from step {worst[0][0]} to step {worst[-1][0]}: they compute the same and are trained alike"
            + (f" (likewise in {len(modules)} layers: {names(modules)})" if len(modules) > 1 else ""),
            evidence=(
                Evidence("units that equal another one", share, self.most),
                Evidence("sampled steps at which they do", float(len(worst)), float(self.min_samples), "steps"),
                Evidence("layers with such units", float(len(found)), 0.0),
                Evidence(f"weight norm of {module} at the end", worst[-1][1].weight_norm or 0.0),
            ),
            remedies=(
                f"draw the weights of {names(modules)} at random instead of setting them to "
                + ("0" if zero else "one value")
                + ": nn.init.kaiming_normal_ for rectifiers, nn.init.xavier_normal_ for tanh",
                f"or leave them as PyTorch initialises them; only biases may all be {number(0.0)}",
            ),
            module=module,
            steps=(worst[0][0], worst[-1][0]),
            severity=Severity.ERROR if share >= self.whole else None,
        )

    def _stay_alike(self, seen: Sequence[tuple[int, LayerStats]]) -> bool:
        return (
            len(seen) >= self.min_samples
            and seen[0][0] == 0
            and seen[0][1].type.startswith(_UNITS)
            and all(share >= self.most for share in _shares(seen))
            and all(_is_trained(layer) for _, layer in seen[1:])
        )


def _shares(seen: Sequence[tuple[int, LayerStats]]) -> list[float]:
    return [layer.identical_units or 0.0 for _, layer in seen]


def _is_trained(layer: LayerStats) -> bool:
    """Whether the weights move, or would if their gradient were not zero; frozen ones and those left out do not."""
    if layer.gradient_norm is None or layer.update_norm is None:
        return False
    return layer.update_norm > 0 or layer.gradient_norm == 0

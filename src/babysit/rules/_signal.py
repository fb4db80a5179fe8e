"""How large the signal is from layer to layer before training has changed anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._curve import Curve
from babysit.rules.los008_chance_level import ChanceLevel

BOUNDED = ("Tanh", "Sigmoid")
NORMALISE = "or put batch normalisation before each activation"


@dataclass(frozen=True)
class Trend:
    """Successive layers whose outputs spread less and less, or more and more.

    Attributes:
        layers: The layers in the model's order.
        factor: Median ratio of a layer's standard deviation to that of the one before, so that one odd layer (a head
            that starts small, a pooling) makes no trend.
    """

    layers: tuple[LayerStats, ...]
    factor: float

    @property
    def total(self) -> float:
        """The factor from the first layer to the last."""
        return self.factor ** (len(self.layers) - 1)

    @property
    def ends(self) -> tuple[float, float]:
        """Standard deviation of the first layer's outputs and of the last one's."""
        return spread(self.layers[0]), spread(self.layers[-1])


def initial_layers(run: RunRecord) -> tuple[LayerStats, ...]:
    """The layers at step 0, before the first update; none where that step was not sampled."""
    return run.steps[0].layers if run.steps and run.steps[0].step == 0 else ()


def signal_paths(layers: Sequence[LayerStats], interrupted_by: tuple[str, ...]) -> Iterator[list[LayerStats]]:
    """Runs of linear and convolutional layers with nothing between them that sets the scale anew.

    The last of all such layers is left out: an output layer may start as small as it likes.

    Args:
        layers: All layers of the model, in order.
        interrupted_by: Parts of the names of layer types that end a run, such as ``"Norm"``.
    """
    weighted = [layer for layer in layers if _is_linear(layer)]
    path: list[LayerStats] = []
    for layer in layers:
        if any(kind in layer.type for kind in interrupted_by):
            yield path
            path = []
        elif _is_linear(layer) and layer is not weighted[-1]:
            path.append(layer)
    yield path


def longest_trend(path: Sequence[LayerStats], least: float) -> Trend | None:
    """The longest run of layers of which each spreads at least ``least`` times as much as the one before.

    A ``least`` below 1 asks for runs in which each spreads at most that much. ``None`` where no two layers do.
    """
    best: tuple[LayerStats, ...] = ()
    current: tuple[LayerStats, ...] = tuple(path[:1])
    for before, after in pairwise(path):
        goes_on = _follows(spread(before), spread(after), least)
        current = (*current, after) if goes_on else (after,)
        best = max(best, current, key=len)
    if len(best) < 2:
        return None
    return Trend(best, median(spread(after) / spread(before) for before, after in pairwise(best)))


def spread(layer: LayerStats) -> float:
    """Standard deviation of a layer's outputs; NaN where there is none."""
    return math.nan if layer.std is None else layer.std


def good_start(layers: Sequence[LayerStats]) -> str:
    """The initialisation that keeps the signal's size with the activations that the layers have."""
    types = {layer.type for layer in layers}
    if types & set(BOUNDED):
        return "start the weights with Xavier's scheme, std 1/√n_in (nn.init.xavier_normal_)"
    doubt = "" if any("LU" in kind for kind in types) else ", if the activations are rectifiers"
    return f"start the weights with He's scheme, std √(2/n_in) (nn.init.kaiming_normal_, nonlinearity='relu'){doubt}"


def has_learnt_nothing(run: RunRecord) -> bool:
    """Whether the loss never came below the chance level by LOS008's limits: the start prevents the training."""
    curve = Curve.of(run)
    if curve.chance is None or len(curve.losses) < ChanceLevel.min_steps:
        return False
    return float(curve.levels().min()) >= ChanceLevel.guessing * curve.chance


def _is_linear(layer: LayerStats) -> bool:
    return layer.type.startswith(("Linear", "Conv")) and layer.weight_norm is not None and layer.std is not None


def _follows(before: float, after: float, least: float) -> bool:
    if not (0 < before < math.inf and 0 < after < math.inf):  # all zeros, or overflown: no trend to speak of
        return False
    return after >= least * before if least > 1 else after <= least * before

"""A8: slightly positive biases make more ReLUs fire at the start; whether that helps is another matter."""

from __future__ import annotations

import math
from statistics import mean, stdev
from typing import TYPE_CHECKING

import babysit as bs
from babysit.lab.activations.section import SECTION
from babysit.lab.activations.trainings import BATCH, accuracy, digits, layer_outputs, mlp
from babysit.lab.drawing import COLOURS, DASHES, GREY
from babysit.lab.measures import above, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.statistics import zero_fraction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HIDDEN = (100,) * 5
_BIASES = (0.0, 0.01, 0.1)
_MORE_SEEDS = 3  # accuracies scatter far more than firing does


@SECTION.claim(
    "A8",
    "Slightly positive biases (0.01) make more ReLUs fire at the start; the benefit is disputed.",
    expected="share of outputs above zero with bias 0.01 less that with bias 0: above 0; accuracies beside them",
    cost=25,
)
def positive_biases_fire_more(bench: Bench) -> Outcome:
    """Start the same weights with biases of 0 and 0.01, count what fires, and train both.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(64, 1000)
        >>> x = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
        >>> _ = torch.nn.init.kaiming_normal_(layer.weight), torch.nn.init.zeros_(layer.bias)
        >>> before = (layer(x) > 0).float().mean()
        >>> _ = torch.nn.init.constant_(layer.bias, 0.01)
        >>> 0 < (layer(x) > 0).float().mean() - before < 0.01
        tensor(True)
    """
    firing = {bias: [_firing(bias, seed) for seed in bench.seeds] for bias in _BIASES}
    first, more = ({bias: [layers[0] for layers in firing[bias]] for bias in _BIASES}, firing)
    everywhere = {bias: [mean(layers) for layers in more[bias]] for bias in _BIASES}
    gained = [high - low for low, high in zip(everywhere[0.0], everywhere[0.01], strict=True)]
    seeds = [seed + 100 * turn for turn in range(bench.pick(1, _MORE_SEEDS)) for seed in bench.seeds]
    epochs = bench.pick(4, 12)
    scores = {bias: [_trained(bias, seed, epochs) for seed in seeds] for bias in (0.0, 0.01)}
    better = [high - low for low, high in zip(scores[0.0], scores[0.01], strict=True)]
    error = stdev(better) / math.sqrt(len(better)) if len(better) > 1 else math.nan
    change = f"{100 * mean(better):+.2f} ± {100 * error:.2f} points".replace("-", "−")
    verdict = "a difference" if abs(mean(better)) > 2 * error else "no difference that can be told from chance"
    return Outcome(
        [
            above("outputs above zero, bias 0.01 less bias 0", gained, 0, unit="%"),
            *(told(f"outputs above zero, bias {bias:g}", everywhere[bias], unit="%") for bias in _BIASES),
            told("the same, first hidden layer, bias 0", first[0.0], unit="%"),
            told("test accuracy, bias 0", scores[0.0], unit="%"),
            told("test accuracy, bias 0.01", scores[0.01], unit="%"),
        ],
        [
            Drawing(
                "firing",
                f"Biases of 0.01 make {100 * mean(gained):.2g} percentage points more of the ReLUs' outputs fire at "
                f"the start; accuracy changes by {change}",
                lambda figure: _draw(figure, firing, scores),
                size=(7.6, 3.4),
            )
        ],
        subtle=f"More fire, by {100 * mean(gained):.2g} percentage points; after {epochs} epochs the accuracy of the "
        f"same weights is {change} away over {len(seeds)} seeds: {verdict}.",
    )


def _firing(bias: float, seed: int) -> tuple[float, ...]:
    """Share of outputs above zero in each hidden layer, over the whole training set, before any step."""
    data = digits()
    given = layer_outputs(mlp(data, "relu", _HIDDEN, seed, bias=bias), data.train[0])
    return tuple(1 - zero_fraction(given[f"act{depth}"]).item() for depth in range(1, len(_HIDDEN) + 1))


def _trained(bias: float, seed: int, epochs: int) -> float:
    data = digits()
    model = mlp(data, "relu", _HIDDEN, seed, bias=bias)
    bs.fit(
        model,
        data.train,
        optimizer="momentum",
        lr=0.03,
        epochs=epochs,
        batch_size=BATCH,
        seed=seed,
        watch=False,
        threads=1,
    )
    return accuracy(model, data.test)


def _draw(figure: Figure, firing: dict[float, list[tuple[float, ...]]], scores: dict[float, list[float]]) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    depths = range(1, len(_HIDDEN) + 1)
    for (bias, seeds), colour, dash in zip(firing.items(), COLOURS, DASHES, strict=False):
        of_layer = [[100 * share for share in layer] for layer in zip(*seeds, strict=True)]
        left.plot(depths, [mean(layer) for layer in of_layer], color=colour, linestyle=dash, marker="o", ms=4,
                  label=f"bias {bias:g}")  # fmt: skip
    left.set(xlabel="hidden layer", ylabel="outputs above zero at the start (%)", xticks=list(depths))
    left.margins(y=0.2)
    left.legend(loc="upper left", ncols=3, columnspacing=1)
    for pair in zip(*scores.values(), strict=True):
        right.plot((0, 1), [100 * score for score in pair], color=GREY, linestyle="-", linewidth=0.8, marker="o", ms=4)
    right.plot((0, 1), [100 * mean(of_one) for of_one in scores.values()], color=COLOURS[1], linestyle="-",
               linewidth=2.5)  # fmt: skip
    right.set_xticks((0, 1), ["bias 0", "bias 0.01"])
    right.set(title="a seed each, and their mean", ylabel="test accuracy (%)", xlim=(-0.3, 1.3))

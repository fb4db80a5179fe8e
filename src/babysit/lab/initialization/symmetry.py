"""C1: units that start alike stay alike."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from babysit.fit import FitResult
from babysit.lab.asking import first
from babysit.lab.drawing import SIGNS
from babysit.lab.initialization.section import SECTION
from babysit.lab.initialization.trainings import digits, splits, train
from babysit.lab.measures import above, below, named, near, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn import MLPConfig, build

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIDDEN = (64, 64)
ALIKE, ZERO, RANDOM = "constant:0.01", "zeros", "he"
_SHOWN = 8


def different(weight: Tensor) -> int:
    """How many different units a layer has.

    Args:
        weight: ``(units, inputs)``.

    Example:
        >>> different(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))
        2
    """
    return len(torch.unique(weight, dim=0))


def first_gradient(scheme: str) -> Tensor:
    """The gradient of the first layer's weights before any step."""
    (x, y), _ = splits()
    network = build(MLPConfig(digits().preprocess.output_shape, 10, HIDDEN, init=scheme), 0)
    F.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
    gradient = network.get_submodule("fc1").get_parameter("weight").grad
    assert gradient is not None
    return gradient


def units(result: FitResult) -> list[int]:
    """How many different units each hidden layer has in the end."""
    return [
        different(result.model.get_submodule(f"fc{depth}").get_parameter("weight").detach())
        for depth in range(1, len(HIDDEN) + 1)
    ]


@SECTION.claim(
    "C1",
    "With all weights zero, or all equal, the neurons of a layer compute the same and stay identical.",
    expected="one different unit a layer, before and after training; INI001",
    cost=6,
)
def equal_units_stay_equal(bench: Bench) -> Outcome:
    """Train two hidden layers on digits from weights that are zero, equal, and random.

    Example:
        >>> import babysit as bs
        >>> from babysit.nn import MLPConfig, build
        >>> net = build(MLPConfig((64,), 10, hidden=(50,), init="constant:0.01"), seed=0)
        >>> x, y = torch.randn(200, 64, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 10
        >>> _ = bs.fit(net, (x, y), epochs=20)
        >>> len(torch.unique(net.fc1.weight, dim=0))
        1
    """
    results = {scheme: [_trained(scheme, seed) for seed in bench.seeds] for scheme in (ALIKE, ZERO, RANDOM)}
    found = {scheme: [list(result.findings) for result in of_scheme] for scheme, of_scheme in results.items()}
    scores = {scheme: [result.best.score for result in of_scheme] for scheme, of_scheme in results.items()}
    alike, random = scores[ALIKE][0], scores[RANDOM][0]
    return Outcome(
        [
            near("different units, all weights 0.01", [max(units(result)) for result in results[ALIKE]], 1, within=0),
            near("different units, all weights zero", [max(units(result)) for result in results[ZERO]], 1, within=0),
            named("INI001", found[ALIKE], name="INI001 names weights that are all 0.01"),
            named("INI001", found[ZERO], name="INI001 names weights that are all zero"),
            near("different gradients of units, all weights 0.01", different(first_gradient(ALIKE)), 1, within=0),
            near("largest gradient, all weights zero", first_gradient(ZERO).abs().max().item(), 0, within=0),
            near("different units, He's weights", [min(units(r)) for r in results[RANDOM]], HIDDEN[0], within=0),
            below("accuracy, all weights 0.01", scores[ALIKE], 0.5, unit="%"),
            told("accuracy, all weights zero", scores[ZERO], unit="%"),
            above("accuracy, He's weights", scores[RANDOM], 0.9, unit="%"),
        ],
        [
            Drawing(
                "neurons",
                f"From equal weights all {HIDDEN[0]} units stay the same and know {alike:.0%} of the digits; "
                f"from random ones each learns its own, and they know {random:.0%}",
                lambda figure: _draw_neurons(
                    figure, {"all 0.01": results[ALIKE][0], "He's weights": results[RANDOM][0]}
                ),
                (6.4, 2.7),
                first("INI001", found[ALIKE][0]),
            )
        ],
        findings=[finding for of_scheme in found.values() for finding in chain.from_iterable(of_scheme)],
    )


def _trained(scheme: str, seed: int) -> FitResult:
    return train(HIDDEN, "relu", scheme, seed, lr=0.05, epochs=5)


def _draw_neurons(figure: Figure, results: Mapping[str, FitResult]) -> None:
    """First-layer weights as images, a row a start."""
    axes = figure.subplots(len(results), _SHOWN)
    shape = digits().preprocess.output_shape[-2:]
    for row, (label, result) in enumerate(results.items()):
        weights = result.model.get_submodule("fc1").get_parameter("weight").detach()[:_SHOWN]
        limit = weights.abs().max().item()
        for unit, weight in enumerate(weights):
            axes[row, unit].imshow(weight.view(shape).numpy(), cmap=SIGNS, vmin=-limit, vmax=limit)
            axes[row, unit].set(xticks=[], yticks=[])
            axes[row, unit].grid(visible=False)
            axes[row, unit].spines[:].set_visible(False)
            if row == 0:
                axes[row, unit].set_title(f"unit {unit + 1}")
        axes[row, 0].set_ylabel(label)
    figure.supxlabel("weights of the first layer after training, pixel by pixel, from these first weights", fontsize=9)

"""A6: ReLU is not centred on zero and has no gradient below it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from babysit.lab.activations.section import SECTION
from babysit.lab.activations.shapes import draw_with_slope, outputs, slopes
from babysit.lab.activations.trainings import digits, layer_outputs, mlp
from babysit.lab.measures import near, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.statistics import zero_fraction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWS = 100_000


@SECTION.claim(
    "A6",
    "ReLU is not zero-centred and has zero gradient for x ≤ 0 (the lecture takes 0 at x = 0).",
    expected="gradient at −10, 0, 10 = 0, 0, 1; mean of its outputs on z ~ N(0, 1) 0.399",
)
def relu_is_zero_below_zero(bench: Bench) -> Outcome:
    """Ask autograd for ReLU's gradient, and take the mean of its outputs on zero-mean inputs.

    Example:
        >>> x = torch.tensor([-10.0, 0.0, 10.0], requires_grad=True)
        >>> torch.relu(x).sum().backward()
        >>> x.grad.tolist()
        [0.0, 0.0, 1.0]
    """
    left, middle, right = slopes("relu", torch.tensor([-10.0, 0.0, 10.0])).tolist()
    means = [
        outputs("relu", torch.randn(_DRAWS, generator=bench.generator(seed))).mean().item() for seed in bench.seeds
    ]
    # E[max(0, z)] = 1/√(2π), standard deviation √(1/2 − 1/(2π)); four standard errors
    expected = 1 / math.sqrt(2 * math.pi)
    error = 4 * math.sqrt((0.5 - expected**2) / _DRAWS)
    data = digits()
    given = [layer_outputs(mlp(data, "relu", (100,), seed), data.train[0])["act1"] for seed in bench.seeds]
    return Outcome(
        [
            near("gradient at −10", left, 0, within=0),
            near("gradient at 0", middle, 0, within=0),
            near("gradient at 10", right, 1, within=0),
            near("mean of ReLU, z ~ N(0, 1)", means, expected, within=error),
            told("mean of a first layer's outputs, digits", [out.mean().item() for out in given]),
            told("its outputs without a gradient", [zero_fraction(out).item() for out in given], unit="%"),
        ],
        [
            Drawing(
                "relu",
                f"ReLU passes the whole gradient on above zero and none below; its mean on zero-mean inputs is "
                f"{means[0]:.2f}, not 0",
                _draw,
            )
        ],
    )


def _draw(figure: Figure) -> None:
    axes = figure.subplots()
    draw_with_slope(axes, "relu", low=-5, high=5)
    axes.set(xlabel="input of the unit", ylabel="output, gradient")
    axes.legend(loc="upper left")

"""A1, A4, A6: what the gradient of an activation is, far from zero and at zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from babysit.lab.activations.section import SECTION
from babysit.lab.drawing import BLUE, RED
from babysit.lab.measures import below, near
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.activations import activation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def slopes(name: str, points: Tensor) -> Tensor:
    """The gradient of an activation at some points, by autograd.

    Args:
        name: One of :data:`babysit.nn.activations.ACTIVATIONS` but Maxout.
        points: ``(N,)``.

    Example:
        >>> slopes("relu", torch.tensor([-10.0, 0.0, 10.0])).tolist()
        [0.0, 0.0, 1.0]
    """
    leaf = points.clone().requires_grad_()
    activation(name)(leaf).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def draw_with_slope(figure: Figure, name: str) -> None:
    """An activation and its gradient over −10 … 10."""
    points = torch.linspace(-10, 10, 401)
    axes = figure.subplots()
    axes.plot(points, activation(name)(points).detach(), color=BLUE, label=name)
    axes.plot(points, slopes(name, points), color=RED, linestyle="--", label="its gradient")
    axes.set(xlabel="input of the unit", ylabel="output, gradient")
    axes.legend()


@SECTION.claim(
    "A1",
    "Sigmoid squashes to [0, 1], and its gradient dies at both ends.",
    expected="σ′(±10) < 5e-5, σ′(0) = 0.25",
)
def sigmoid_dies_at_both_ends(bench: Bench) -> Outcome:
    """Ask autograd for the gradient of the sigmoid.

    Example:
        >>> x = torch.tensor([-10.0, 0.0, 10.0], requires_grad=True)
        >>> torch.sigmoid(x).sum().backward()
        >>> [f"{slope:.2g}" for slope in x.grad.tolist()]
        ['4.5e-05', '0.25', '4.5e-05']
    """
    left, middle, right = slopes("sigmoid", torch.tensor([-10.0, 0.0, 10.0], dtype=torch.float64)).tolist()
    out = activation("sigmoid")(torch.linspace(-1e3, 1e3, 2001))
    return Outcome(
        [
            below("σ′(−10)", left, 5e-5),
            below("σ′(10)", right, 5e-5),
            near("σ′(0)", middle, 0.25, within=1e-12),
            near("least output", out.min().item(), 0, within=1e-6),
            near("greatest output", out.max().item(), 1, within=1e-6),
        ],
        [
            Drawing(
                "saturation",
                f"Ten units from zero the sigmoid passes {left:.1g} of the gradient on",
                lambda figure: draw_with_slope(figure, "sigmoid"),
            )
        ],
    )

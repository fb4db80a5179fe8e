"""An activation beside its gradient: numbers by autograd, and their picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from babysit.lab.drawing import BLUE, RED
from babysit.nn.activations import activation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Function = Callable[[Tensor], Tensor]


def slopes(function: str | Function, points: Tensor) -> Tensor:
    """The gradient of an activation at some points, by autograd.

    Args:
        function: Its name, or any elementwise function.
        points: ``(N,)``.

    Example:
        >>> slopes("relu", torch.tensor([-10.0, 0.0, 10.0])).tolist()
        [0.0, 0.0, 1.0]
    """
    leaf = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_function(function)(leaf).sum(), [leaf])
    return gradient


def outputs(function: str | Function, points: Tensor) -> Tensor:
    """What an activation gives at some points."""
    return _function(function)(points).detach()


def draw_with_slope(
    axes: Axes, function: str | Function, *, low: float = -10, high: float = 10, label: str = "output"
) -> None:
    """An activation and its gradient from ``low`` to ``high``."""
    points = torch.linspace(low, high, 801)
    axes.axvline(0, color="#B9BEC4", linewidth=0.8, zorder=0)
    axes.axhline(0, color="#B9BEC4", linewidth=0.8, zorder=0)
    axes.plot(points, outputs(function, points), color=BLUE, linestyle="-", label=label)
    axes.plot(points, slopes(function, points), color=RED, linestyle="--", label="gradient")


def _function(function: str | Function) -> Function:
    return activation(function) if isinstance(function, str) else function

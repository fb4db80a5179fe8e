"""A12: Maxout contains ReLU and leaky ReLU, neither saturates nor dies, and has twice the parameters."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from babysit.lab.activations.section import SECTION
from babysit.lab.activations.shapes import draw_with_slope
from babysit.lab.activations.trainings import descend, digits, mlp
from babysit.lab.measures import below, near, true
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn import Maxout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SLOPE = 0.01
_INPUTS, _UNITS = 64, 50
_HIDDEN = (_UNITS,) * 3
_TOO_HIGH, _STEPS = 0.1, 280  # A7: half of the ReLUs die


@SECTION.claim(
    "A12",
    "Maxout takes the larger of two (or k) linear functions: it generalises ReLU and leaky ReLU, neither saturates nor "
    "dies, and doubles the parameters.",
    expected="ReLU and leaky ReLU reproduced exactly with the right weights; parameters = k × a linear layer's",
    cost=2,
)
def maxout_contains_relu(bench: Bench) -> Outcome:
    """Give a Maxout layer's pieces the weights W and 0, then W and 0.01·W.

    Example:
        >>> from babysit.nn import Maxout
        >>> maxout = Maxout(1, 1, bias=False)
        >>> maxout.linear.weight.data = torch.tensor([[1.0], [0.0]])  # max(x, 0·x)
        >>> torch.equal(maxout(torch.tensor([[-2.0], [3.0]])), torch.tensor([[0.0], [3.0]]))
        True
    """
    differences: dict[str, list[float]] = {"relu": [], "leaky": []}
    exact: dict[str, list[bool]] = {"relu": [], "leaky": []}
    gradients, dead = [], []
    for seed in bench.seeds:
        x, linear = _random_layer(seed)
        z = linear(x)
        for name, slope, wanted in (("relu", 0.0, z.relu()), ("leaky", _SLOPE, nn.functional.leaky_relu(z, _SLOPE))):
            differences[name].append((_as_maxout(linear, slope)(x) - wanted).abs().max().item())
        # with weights, inputs and slope that are short binary fractions no rounding is left to hide behind
        x, linear = _binary_fractions(x, linear)
        z = linear(x)
        exact["relu"].append(torch.equal(_as_maxout(linear, 0.0)(x), z.relu()))
        exact["leaky"].append(torch.equal(_as_maxout(linear, 1 / 64)(x), nn.functional.leaky_relu(z, 1 / 64)))
        gradients.append(_least_gradient(seed))
        dead.append(_share_without_gradient(seed))
    counts = {k: _parameters(Maxout(_INPUTS, _UNITS, k)) / _parameters(nn.Linear(_INPUTS, _UNITS)) for k in (2, 3, 4)}
    return Outcome(
        [
            true("ReLU reproduced bit for bit", exact["relu"]),
            true("leaky ReLU reproduced bit for bit", exact["leaky"]),
            below("largest difference from ReLU, any weights", differences["relu"], 1e-12),
            below("largest difference from leaky ReLU, any weights", differences["leaky"], 1e-12),
            *(near(f"parameters, k = {k} / linear", count, k, within=0, unit="×") for k, count in counts.items()),
            true("a gradient at inputs of ±1,000 times the usual size", [least > 0 for least in gradients]),
            near(f"units without a gradient after {_STEPS} steps at lr {_TOO_HIGH:g}", dead, 0, within=0, unit="%"),
        ],
        [
            Drawing(
                "maxout",
                "One Maxout unit, three sets of weights: ReLU, leaky ReLU, and a polygon along a parabola",
                _draw,
                size=(7.6, 2.9),
            )
        ],
    )


def _random_layer(seed: int) -> tuple[Tensor, nn.Linear]:
    generator = Bench.generator(seed)
    linear = nn.Linear(_INPUTS, _UNITS, dtype=torch.float64)
    for parameter in linear.parameters():
        parameter.data.normal_(generator=generator)
    return torch.randn(200, _INPUTS, generator=generator, dtype=torch.float64), linear


@torch.no_grad()
def _binary_fractions(x: Tensor, linear: nn.Linear) -> tuple[Tensor, nn.Linear]:
    for parameter in linear.parameters():
        parameter.mul_(16).round_().div_(16)
    return (x * 16).round() / 16, linear


@torch.no_grad()
def _as_maxout(linear: nn.Linear, slope: float) -> Maxout:
    """The layer and the activation of this slope below zero as one Maxout layer of two pieces."""
    maxout = Maxout(linear.in_features, linear.out_features).double()
    maxout.linear.weight.copy_(torch.cat((linear.weight, slope * linear.weight)))
    assert maxout.linear.bias is not None
    maxout.linear.bias.copy_(torch.cat((linear.bias, slope * linear.bias)))
    return maxout


def _least_gradient(seed: int) -> float:
    """The smallest norm of a unit's gradient for its inputs, far from zero on both sides."""
    generator = Bench.generator(seed)
    maxout = Maxout(_INPUTS, _UNITS)
    for parameter in maxout.parameters():
        parameter.data.normal_(generator=generator)
    norms: list[float] = []
    for size in (-1e3, 1e3):
        x = (size * torch.randn(_INPUTS, generator=generator)).requires_grad_()
        norms += [torch.autograd.grad(out, x, retain_graph=True)[0].norm().item() for out in maxout(x)]
    return min(norms)


def _share_without_gradient(seed: int) -> float:
    """Share of the units none of whose weights gets a gradient on the training set, after steps that kill ReLUs."""
    data = digits()
    model = mlp(data, "maxout", _HIDDEN, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=_TOO_HIGH, fused=True)
    for _ in descend(model, optimizer, data.train, steps=_STEPS, seed=seed):
        pass
    x, y = data.train
    weights = [model.get_parameter(f"fc{depth}.linear.weight") for depth in range(1, len(_HIDDEN) + 1)]
    gradients = torch.autograd.grad(nn.functional.cross_entropy(model(x), y), weights)
    silent = [(gradient.reshape(2, _UNITS, -1) == 0).all(dim=2).all(dim=0) for gradient in gradients]
    return torch.cat(silent).double().mean().item()


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def function_of(weights: list[float], biases: list[float]) -> Callable[[Tensor], Tensor]:
    """One Maxout unit of one input as a function of it.

    Args:
        weights: Of the pieces.
        biases: Of the pieces.

    Example:
        >>> function_of([1.0, -1.0], [0.0, 0.0])(torch.tensor([-2.0, 3.0])).tolist()
        [2.0, 3.0]
    """
    unit = Maxout(1, 1, len(weights))
    unit.linear.weight.data = torch.tensor(weights)[:, None]
    assert unit.linear.bias is not None
    unit.linear.bias.data = torch.tensor(biases)

    def function(x: Tensor) -> Tensor:
        given: Tensor = unit(x[:, None])
        return given.flatten()

    return function


def _draw(figure: Figure) -> None:
    # tangents of x²/4 at four points: f(x) = p·x/2 − p²/4
    points = [-3.0, -1.0, 1.0, 3.0]
    units = {
        "ReLU: max(x, 0)": ([1.0, 0.0], [0.0, 0.0]),
        "leaky ReLU: max(x, 0.1·x)": ([1.0, 0.1], [0.0, 0.0]),
        "four tangents of x²/4": ([p / 2 for p in points], [-p * p / 4 for p in points]),
    }
    panels = figure.subplots(1, 3, sharex=True)
    for axes, (title, (weights, biases)) in zip(panels, units.items(), strict=True):
        draw_with_slope(axes, function_of(weights, biases), low=-5, high=5)
        axes.set(title=title, xlabel="input")
    for before, after in pairwise(points):
        panels[2].axvline((before + after) / 2, color="#B9BEC4", linewidth=0.8, linestyle=":")
    panels[0].set_ylabel("output, gradient")
    panels[0].legend(loc="upper left")

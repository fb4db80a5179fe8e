"""A11: ELU's outputs are closer to zero mean than ReLU's, and it saturates for very negative inputs."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import mean
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import babysit as bs
from babysit.lab.activations.section import SECTION
from babysit.lab.activations.shapes import draw_with_slope, outputs, slopes
from babysit.lab.activations.trainings import BATCH, digits, layer_outputs, mlp
from babysit.lab.drawing import BLUE, GREEN, RED
from babysit.lab.measures import below, near, told
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HIDDEN = (100,) * 5
_DRAWS = 100_000
_NAMES = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "elu": "ELU"}


@SECTION.claim(
    "A11",
    "ELU: ReLU's benefits, mean closer to zero, saturates for very negative x (robustness to noise).",
    expected="mean of ELU's outputs closer to 0 than ReLU's; limit −α",
    cost=8,
)
def elu_is_closer_to_zero_mean(bench: Bench) -> Outcome:
    """Take the means of ELU's and ReLU's outputs, on Gaussian inputs and in trained networks.

    Example:
        >>> z = torch.linspace(-3, 3, 601)
        >>> bool(torch.nn.functional.elu(z).mean().abs() < torch.relu(z).mean())
        True
        >>> torch.nn.functional.elu(torch.tensor(-1e3)).item()
        -1.0
    """
    draws = [torch.randn(_DRAWS, generator=bench.generator(seed)) for seed in bench.seeds]
    means = {name: [outputs(name, z).mean().item() for z in draws] for name in _NAMES}
    expected, error = _elu_mean()
    inside = {name: [_layer_means(name, seed, bench.pick(3, 10)) for seed in bench.seeds] for name in _NAMES}
    sizes = {name: [mean(map(abs, layers)) for layers in inside[name]] for name in _NAMES}
    ratio = [elu / relu for elu, relu in zip(sizes["elu"], sizes["relu"], strict=True)]
    noise = {name: [_noise_through(name, seed, -10.0) for seed in bench.seeds] for name in ("elu", "leaky_relu")}
    nearer = {name: [_noise_through(name, seed, -4.0) for seed in bench.seeds] for name in ("elu", "leaky_relu")}
    quieter = [elu / leaky for elu, leaky in zip(noise["elu"], noise["leaky_relu"], strict=True)]
    return Outcome(
        [
            near("mean of ELU, z ~ N(0, 1)", means["elu"], expected, within=error),
            told("mean of ReLU, same z", means["relu"]),
            below("mean size of a trained network's layer means, ELU / ReLU", ratio, 1, unit="×"),
            near("ELU(−1,000), α = 1", outputs("elu", torch.tensor([-1e3])).item(), -1, within=0),
            near("ELU(−1,000), α = 2", outputs(nn.ELU(2.0), torch.tensor([-1e3])).item(), -2, within=0),
            near("gradient at 10", slopes("elu", torch.tensor([10.0])).item(), 1, within=0),
            below("noise that passes at z = −10, ELU / leaky ReLU", quieter, 0.1, unit="×"),
            told("noise of size 1 that passes at z = −10, ELU", noise["elu"]),
            told("noise of size 1 that passes at z = −4, ELU", nearer["elu"]),
            told("noise of size 1 that passes at z = −4, leaky ReLU", nearer["leaky_relu"]),
        ],
        [
            Drawing(
                "elu",
                f"ELU falls to −α = −1 and stays there: at −10 it passes "
                f"{slopes('elu', torch.tensor([-10.0])).item():.1g} of the gradient on",
                _draw_function,
            ),
            Drawing(
                "means",
                f"In a trained network ELU's layers have means of {mean(sizes['elu']):.2f} in size, ReLU's of "
                f"{mean(sizes['relu']):.2f}",
                lambda figure: _draw_means(figure, inside),
            ),
        ],
        note="A hundredth of the noise passes through a leaky ReLU wherever it is off; ELU passes more than that near "
        f"zero ({mean(nearer['elu']):.2g} at z = −4) and far less where it has saturated.",
    )


def _elu_mean() -> tuple[float, float]:
    """Mean of ELU on N(0, 1) inputs, and four standard errors of a mean of so many draws."""
    below_minus_one, below_minus_two = (0.5 * math.erfc(far / math.sqrt(2)) for far in (1, 2))
    first = 1 / math.sqrt(2 * math.pi) + math.exp(0.5) * below_minus_one - 0.5
    second = 0.5 + math.exp(2) * below_minus_two - 2 * math.exp(0.5) * below_minus_one + 0.5
    return first, 4 * math.sqrt((second - first**2) / _DRAWS)


@lru_cache(maxsize=64)
def _layer_means(name: str, seed: int, epochs: int) -> tuple[float, ...]:
    """Mean output of each hidden layer on the training set after training."""
    data = digits()
    model = mlp(data, name, _HIDDEN, seed)
    bs.fit(model, data.train, optimizer="momentum", lr=0.02, epochs=epochs, batch_size=BATCH, seed=seed, watch=False,
           threads=1)  # fmt: skip
    given = layer_outputs(model, data.train[0])
    return tuple(given[f"act{depth}"].mean().item() for depth in range(1, len(_HIDDEN) + 1))


def _noise_through(name: str, seed: int, z: float) -> float:
    """Standard deviation of the outputs for inputs z + N(0, 1)."""
    noise: Tensor = torch.randn(_DRAWS, generator=Bench.generator(seed), dtype=torch.float64)
    return outputs(name, z + noise).std().item()


def _draw_function(figure: Figure) -> None:
    axes = figure.subplots()
    draw_with_slope(axes, "elu", low=-10, high=3)
    axes.set(xlabel="input of the unit", ylabel="output, gradient")
    axes.legend(loc="upper left")


def _draw_means(figure: Figure, inside: dict[str, list[tuple[float, ...]]]) -> None:
    axes = figure.subplots()
    depths = range(1, len(_HIDDEN) + 1)
    for (name, label), colour, dash in zip(_NAMES.items(), (RED, GREEN, BLUE), ("-", ":", "--"), strict=True):
        layers = list(zip(*inside[name], strict=True))
        axes.plot(
            depths, [mean(layer) for layer in layers], color=colour, linestyle=dash, marker="o", ms=4, label=label
        )
        axes.fill_between(depths, [min(s) for s in layers], [max(s) for s in layers], color=colour, alpha=0.15,
                          linewidth=0)  # fmt: skip
    axes.axhline(0, color="#5B6168", linewidth=0.8, linestyle="-")
    axes.set(xlabel="hidden layer", ylabel="mean output on the training set", xticks=list(depths))
    axes.legend()

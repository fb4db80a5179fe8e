"""D3: batch normalisation between linear layer and nonlinearity, in the lecture's ten layers of 500 units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from babysit.lab.drawing import BLUE, RED
from babysit.lab.measures import below, named, near, told, true
from babysit.lab.normalization.section import SECTION
from babysit.lab.preprocessing.axes import whole_numbers
from babysit.lab.preprocessing.loops import Watched, train_watched
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.models import MLPConfig, build

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS, UNITS = 10, 500
"""As the lecture has them; its examples are 1000."""

CASES: Mapping[str, tuple[str, str]] = {"C2": ("normal:0.01", "tanh"), "C5": ("xavier", "relu")}
NAMES = {"C2": "0.01·N(0, 1), tanh", "C5": "Xavier, ReLU"}
OF_UNIT_GAUSSIANS = {"tanh": 0.6279, "relu": math.sqrt(0.5 - 0.5 / math.pi)}
"""Standard deviation of the activation of N(0, 1): by quadrature, and in closed form."""


@dataclass(frozen=True)
class Signal:
    """Standard deviations in the hidden layers, first to last.

    Attributes:
        normal: What goes into the nonlinearities.
        activations: What comes out of them.
        gradients: Norm of the gradient of each layer's weights.
    """

    normal: tuple[float, ...]
    activations: tuple[float, ...]
    gradients: tuple[float, ...]


def network_of(scheme: str, activation: str, seed: int, *, batch_norm: bool, units: int = UNITS) -> nn.Sequential:
    """Ten hidden layers."""
    config = MLPConfig(
        (units,), 10, hidden=(units,) * LAYERS, activation=activation, batch_norm=batch_norm, init=scheme
    )
    return build(config, seed)


def signal(network: nn.Sequential, seed: int, examples: int = 1000) -> Signal:
    """One forward and backward pass of unit-Gaussian inputs."""
    generator = Bench.generator(1_000 + seed)
    x = torch.randn(examples, UNITS, generator=generator)
    y = torch.randint(10, (examples,), generator=generator)
    normal, activations = [], []
    for name, layer in network.train().named_children():
        if name.startswith("act"):
            normal.append(x.std().item())
        x = layer(x)
        if name.startswith("act"):
            activations.append(x.std().item())
    F.cross_entropy(x, y).backward()  # type: ignore[no-untyped-call]
    weights = [layer.weight.grad for layer in network if isinstance(layer, nn.Linear)][:-1]
    return Signal(tuple(normal), tuple(activations), tuple(float(w.norm()) for w in weights if w is not None))


def trained(case: str, bench: Bench, *, batch_norm: bool) -> Watched:
    """Learn which of ten directions a Gaussian input lies in, for long enough that the rules have seen it."""
    scheme, activation = CASES[case]
    units = bench.pick(100, 200)
    generator = Bench.generator(0)
    x = torch.randn(1024, units, generator=generator)
    y = (x @ torch.randn(units, 10, generator=generator)).argmax(dim=1)
    network = network_of(
        scheme if scheme != "normal:0.01" else f"normal:{0.01 * math.sqrt(UNITS / units):.4g}",
        activation,
        0,
        batch_norm=batch_norm,
        units=units,
    )
    return train_watched(network, (x, y), lr=0.05, epochs=bench.pick(1, 4))


@SECTION.claim(
    "D3",
    "Placed after the linear layer and before the nonlinearity, batch normalisation keeps unit Gaussians through a "
    "deep network, whatever its first weights.",
    expected="standard deviation ≈ 1 in all ten layers with the weights of C2 and C5; without it they collapse",
    cost=25,
)
def unit_gaussians_in_every_layer(bench: Bench) -> Outcome:
    """Send unit Gaussians through ten layers with the weights of C2 and C5, with and without normalisation.

    Example:
        >>> config = dict(hidden=(500,) * 10, activation="tanh", init="normal:0.01")
        >>> for batch_norm in (False, True):
        ...     network = build(MLPConfig((500,), 10, batch_norm=batch_norm, **config), seed=0)
        ...     x = torch.randn(1000, 500, generator=torch.Generator().manual_seed(0))
        ...     print(f"{network[:-1](x).std():.1g}")
        3e-07
        0.6
    """
    examples = bench.pick(400, 1000)
    found = {
        (case, norm): [signal(network_of(*CASES[case], seed, batch_norm=norm), seed, examples) for seed in bench.seeds]
        for case in CASES
        for norm in (False, True)
    }
    layers = list(dict(network_of("xavier", "relu", 0, batch_norm=True, units=8).named_children()))[1:4]
    sick = {case: trained(case, bench, batch_norm=False) for case in CASES}
    well = {case: trained(case, bench, batch_norm=True) for case in CASES}
    tiny = signal(network_of("normal:0.0001", "tanh", 0, batch_norm=True), 0, examples)
    finding = sick["C2"].finding("INI002")
    measures = []
    for case, (_, activation) in CASES.items():
        normal, plain = found[case, True], found[case, False]
        last = [one.normal[-1] for one in normal]
        measures += [
            # exactly 1 but for ε beside the variance of the sums, 0.02 for C2
            near(f"{case} normalised: std into the last nonlinearity", last, 1, within=0.01),
            below(f"{case} normalised: farthest from 1 of all layers", [_farthest(one) for one in normal], 0.01),
            near(
                f"{case} normalised: std of activations, layer 10",
                [one.activations[-1] for one in normal],
                OF_UNIT_GAUSSIANS[activation],
                within=0.02,
            ),
            below(f"{case} plain: std of activations, layer 10", [one.activations[-1] for one in plain], 0.05),
            told(f"{case} plain: smallest gradient of a layer", [min(one.gradients) for one in plain]),
            told(f"{case} normalised: the same", [min(one.gradients) for one in normal]),
        ]
    return Outcome(
        [
            *measures,
            true("order: linear, batch norm, nonlinearity", layers == ["fc1", "bn1", "act1"]),
            named("INI002", [sick[case].findings for case in CASES], name="both named by INI002 without it"),
            true("INI002 silent with it", [well[case].finding("INI002") is None for case in CASES]),
            told("0.0001·N(0, 1), normalised: std into layer 1's nonlinearity", tiny.normal[0]),
        ],
        [
            Drawing(
                "layers",
                f"Without it the activations of C2 end at {found['C2', False][0].activations[-1]:.0e} and those of C5 "
                f"at {found['C5', False][0].activations[-1]:.2f}; with it all layers stay at "
                f"{found['C2', True][0].activations[-1]:.2f} and {found['C5', True][0].activations[-1]:.2f}",
                partial(_draw, found={key: values[0] for key, values in found.items()}),
                size=(7.4, 3.6),
                finding=finding,
            )
        ],
        findings=[one for case in CASES if (one := sick[case].finding("INI002"))],
        note=f"Not quite whatever: weights of 1e-4 make sums whose variance is below ε = 1e-5, which are left at "
        f"{tiny.normal[0]:.2f} in layer 1.",
    )


def _farthest(one: Signal) -> float:
    return max(abs(std - 1) for std in one.normal)


def _draw(figure: Figure, found: Mapping[tuple[str, bool], Signal]) -> None:
    left, right = figure.subplots(1, 2)
    layers = range(1, LAYERS + 1)
    for (case, norm), one in found.items():
        colour, mark = (BLUE, "o") if case == "C2" else (RED, "s")
        label = f"{NAMES[case]}{', batch norm' if norm else ''}"
        style = {"color": colour, "marker": mark, "markersize": 4, "linestyle": "-" if norm else ":"}
        left.plot(layers, one.activations, label=label, **style)
        right.plot(layers, one.gradients, **style)
    left.set(xlabel="hidden layer", ylabel="std of its activations", yscale="log")
    right.set(xlabel="hidden layer", ylabel="norm of its weights' gradient", yscale="log")
    for axes in (left, right):
        whole_numbers(axes.xaxis)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)

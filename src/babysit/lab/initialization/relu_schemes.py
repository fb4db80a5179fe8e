"""C5, C6: ten layers of ReLU with Xavier's and with He's weights; the five schemes side by side."""

from __future__ import annotations

from itertools import chain

from torch import Tensor

from babysit.lab.asking import first
from babysit.lab.drawing import short
from babysit.lab.initialization.pictures import draw_schemes, draw_signals
from babysit.lab.initialization.printed import (
    HE,
    LARGE,
    PRINTED_HE,
    PRINTED_LARGE,
    PRINTED_RELU,
    PRINTED_SMALL,
    PRINTED_XAVIER,
    SMALL,
    XAVIER,
)
from babysit.lab.initialization.section import SECTION
from babysit.lab.initialization.ten_layers import (
    LAYERS,
    Signals,
    agreeing,
    beside_printed,
    beside_table,
    findings,
    per_layer,
    signals,
    spreads,
    unnamed,
)
from babysit.lab.measures import above, named, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.statistics import alive_units, zero_fraction

_SIZE = (9.6, 4.2)


@SECTION.claim(
    "C5",
    "Xavier's weights assume a linear unit: with ReLU the activations collapse all the same, and more units are off.",
    expected="std 0.58, 0.41, 0.29, … 0.03: a factor of 1/√2 a layer; units that never fire, from layer to layer more",
    cost=12,
)
def xavier_is_too_small_for_relu(bench: Bench) -> Outcome:
    """Send a unit Gaussian through ten ReLU layers with Xavier's weights, and a unit Gaussian gradient back.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build
        >>> net = build(MLPConfig((500,), 10, hidden=(500,) * 10, activation="relu", init="xavier"), seed=0)
        >>> x = torch.randn(1000, 500, generator=torch.Generator().manual_seed(1))
        >>> [f"{net[: 1 + 2 * layer](x).std():.2f}" for layer in (1, 5, 10)]
        ['0.58', '0.13', '0.02']
    """
    found = [findings(XAVIER, "relu", seed) for seed in bench.seeds]
    xavier, he = ([signals(scheme, "relu", seed) for seed in bench.seeds] for scheme in (XAVIER, HE))
    deviations = spreads(XAVIER, "relu", bench.seeds)
    printed = beside_table(deviations, PRINTED_RELU)
    silent = [_silent(one.outputs[-1]) for one in xavier]
    return Outcome(
        [
            agreeing(printed),
            per_layer(deviations, 0.5**0.5),
            above("units of layer 10 that fire on no example", silent, 0.01, unit="%"),
            named("INI002", found),
            told("units of layer 1 that fire on no example", [_silent(one.outputs[0]) for one in xavier], unit="%"),
            told("the same of layer 10 with He's weights", [_silent(one.outputs[-1]) for one in he], unit="%"),
            told("outputs of layer 10 that are zero", [_zero(one.outputs[-1]) for one in xavier], unit="%"),
            *printed,
        ],
        [
            Drawing(
                "signals",
                f"With Xavier's weights ReLU activations fall to {short(xavier[0].last)} in ten layers, and "
                f"{silent[0]:.1%} of the last units never fire",
                lambda figure: draw_signals(figure, xavier[0], 0, 3),
                _SIZE,
                first("INI002", *found),
            )
        ],
        findings=list(chain.from_iterable(found)),
        note="That units fall silent is a matter of depth and not of the scale: He's weights, √2 times as large, "
        "silence the same ones. Of single outputs half are zero in every layer.",
    )


@SECTION.claim(
    "C6",
    "He's weights, √(2/n_in), make up for the half that ReLU cuts off: the activations keep their size.",
    expected="std about 0.82 … 0.92 in all layers; no INI rule says anything",
    cost=16,
)
def he_keeps_relu_alive(bench: Bench) -> Outcome:
    """Send a unit Gaussian through ten ReLU layers with He's weights, and a unit Gaussian gradient back.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build
        >>> net = build(MLPConfig((500,), 10, hidden=(500,) * 10, activation="relu", init="he"), seed=0)
        >>> x = torch.randn(1000, 500, generator=torch.Generator().manual_seed(1))
        >>> [f"{net[: 1 + 2 * layer](x).std():.1f}" for layer in (1, 5, 10)]
        ['0.8', '0.8', '0.7']
    """
    found = [findings(HE, "relu", seed) for seed in bench.seeds]
    he = [signals(HE, "relu", seed) for seed in bench.seeds]
    deviations = spreads(HE, "relu", bench.seeds)
    printed = [beside_printed(i + 1, deviations[:, i], *PRINTED_HE) for i in range(LAYERS)]
    arriving = [one.returning for one in he]
    return Outcome(
        [
            agreeing(printed),
            per_layer(deviations, 1.0),
            above("gradient at layer 1 / at layer 10", arriving, 0.5),
            unnamed(found),
            *printed,
        ],
        [
            Drawing(
                "signals",
                f"With He's weights ReLU activations still spread by {he[0].last:.2f} in layer ten, and "
                f"{arriving[0]:.0%} of the gradient comes back",
                lambda figure: draw_signals(figure, he[0], 0, 3),
                _SIZE,
            ),
            _side_by_side(bench.seeds[0], he[0]),
        ],
        findings=list(chain.from_iterable(found)),
    )


def _side_by_side(seed: int, he: Signals) -> Drawing:
    """The five schemes in one picture."""
    schemes = {
        "0.01·N, tanh": signals(SMALL, "tanh", seed),
        "1.0·N, tanh": signals(LARGE, "tanh", seed),
        "Xavier, tanh": signals(XAVIER, "tanh", seed),
        "Xavier, ReLU": signals(XAVIER, "relu", seed),
        "He, ReLU": he,
    }
    printed = {
        label: [float(figure) for figure in figures]
        for label, figures in zip(schemes, (PRINTED_SMALL, PRINTED_LARGE, PRINTED_XAVIER, PRINTED_RELU), strict=False)
    }
    ends = [signals_.last for signals_ in schemes.values()]
    return Drawing(
        "schemes",
        f"In layer ten activations spread by {short(ends[0])} to {max(ends):.2f}, as the first weights have it "
        "(circles: the lecture's table)",
        lambda figure: draw_schemes(figure, schemes, printed),
        (9.6, 3.8),
    )


def _silent(outputs: Tensor) -> float:
    """Share of the units that are zero on every example."""
    return 1 - alive_units(outputs).float().mean().item()


def _zero(outputs: Tensor) -> float:
    return zero_fraction(outputs).item()

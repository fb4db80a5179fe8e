"""C2, C3, C4: ten layers of tanh with small, with large and with Xavier's weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from statistics import median, stdev

from torch import Tensor

from babysit.lab.asking import first
from babysit.lab.drawing import short
from babysit.lab.initialization.pictures import draw_signals
from babysit.lab.initialization.printed import (
    LARGE,
    PRINTED_LARGE,
    PRINTED_SATURATED,
    PRINTED_SMALL,
    PRINTED_XAVIER,
    SMALL,
    XAVIER,
)
from babysit.lab.initialization.section import SECTION
from babysit.lab.initialization.ten_layers import (
    ERRORS,
    agreeing,
    beside_table,
    findings,
    growth,
    half_digit,
    signals,
    spreads,
    unnamed,
)
from babysit.lab.measures import above, below, named, near, told
from babysit.lab.section import Bench, Drawing, Outcome

LIMIT = 0.97
"""Beyond which the lecture's table counts an output of tanh as saturated: the gradient is below 0.06 there."""
_SIZE = (9.6, 4.2)


@SECTION.claim(
    "C2",
    "With weights 0.01·N(0, 1) the activations of ten tanh layers collapse, and the gradients with them.",
    expected="std 0.214, 0.0476, 0.0106, … 2.9e-7; weight gradients next to nothing; INI002",
    cost=12,
)
def small_weights_collapse(bench: Bench) -> Outcome:
    """Send a unit Gaussian through ten layers with small weights, and a unit Gaussian gradient back.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build
        >>> net = build(MLPConfig((500,), 10, hidden=(500,) * 10, activation="tanh", init="normal:0.01"), seed=0)
        >>> x = torch.randn(1000, 500, generator=torch.Generator().manual_seed(1))
        >>> [f"{net[: 1 + 2 * layer](x).std():.1e}" for layer in (1, 5, 10)]
        ['2.1e-01', '5.3e-04', '3.0e-07']
    """
    found = [findings(SMALL, "tanh", seed) for seed in bench.seeds]
    small, xavier = ([signals(scheme, "tanh", seed) for seed in bench.seeds] for scheme in (SMALL, XAVIER))
    weights = [_largest(one.weights) / _largest(other.weights) for one, other in zip(small, xavier, strict=True)]
    arriving = [one.returning for one in small]
    printed = beside_table(spreads(SMALL, "tanh", bench.seeds), PRINTED_SMALL)
    return Outcome(
        [
            agreeing(printed),
            below("gradient at layer 1 / at layer 10", arriving, 1e-5),
            below("largest weight gradient / Xavier's", weights, 1e-5),
            named("INI002", found),
            *printed,
        ],
        [
            Drawing(
                "signals",
                f"With 0.01·N(0, 1) activations fall to {short(small[0].last)} in ten layers, the gradient to "
                f"{short(arriving[0])} on its way back",
                lambda figure: draw_signals(figure, small[0], -1.1, 1.1),
                _SIZE,
                first("INI002", *found),
            )
        ],
        findings=list(chain.from_iterable(found)),
        note="The gradient of a layer's weights is the product of what comes in and what comes back: what one has lost "
        "more of, the other has lost less of, so that it is equally small in all layers.",
    )


@SECTION.claim(
    "C3",
    "With weights 1.0·N(0, 1) nearly all units of ten tanh layers saturate, and their gradients are zero.",
    expected="std 0.98 and 92 % beyond ±0.97 in every layer; gradients near zero; INI003",
    cost=12,
)
def large_weights_saturate(bench: Bench) -> Outcome:
    """Send a unit Gaussian through ten layers with large weights, and a unit Gaussian gradient back.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build
        >>> net = build(MLPConfig((500,), 10, hidden=(500,) * 10, activation="tanh", init="normal:1"), seed=0)
        >>> h = net[:-1](torch.randn(1000, 500, generator=torch.Generator().manual_seed(1)))
        >>> round(h.std().item(), 2), round((h.abs() > 0.97).float().mean().item(), 2)
        (0.98, 0.92)
    """
    found = [findings(LARGE, "tanh", seed) for seed in bench.seeds]
    large = [signals(LARGE, "tanh", seed) for seed in bench.seeds]
    saturated = [_beyond(one.outputs, LIMIT) for one in large]
    everywhere = [value for of_one in saturated for value in of_one]
    blocked = [[(output.abs() == 1).float().mean().item() for output in one.outputs] for one in large]
    grown = [1 / growth(one.arriving) for one in large]
    printed = beside_table(spreads(LARGE, "tanh", bench.seeds), PRINTED_LARGE)
    share, at_limit = median(everywhere), median(value for of_one in blocked for value in of_one)
    grows = median(grown)
    return Outcome(
        [
            near(
                f"outputs beyond ±{LIMIT}, all layers",
                everywhere,
                float(PRINTED_SATURATED),
                within=half_digit(PRINTED_SATURATED) + ERRORS * stdev(everywhere),
                unit="%",
            ),
            agreeing(printed),
            named("INI003", found),
            above("outputs of exactly ±1, whose gradient is exactly zero", [min(o) for o in blocked], 0.5, unit="%"),
            told("growth of the gradient from a layer to the one before", grown),
            *printed,
        ],
        [
            Drawing(
                "signals",
                f"With 1.0·N(0, 1) {share:.0%} of the outputs are at the limits, and the gradient that the others pass "
                f"grows {grows:.1f} times with every layer",
                lambda figure: draw_signals(figure, large[0], -1.1, 1.1),
                _SIZE,
                first("INI003", *found),
            )
        ],
        findings=list(chain.from_iterable(found)),
        subtle=f"The units saturate as told: {share:.0%} of the local gradients are below {1 - LIMIT**2:.2f}, and "
        f"{at_limit:.0%} are zero to the last bit. Yet the gradient that comes back is not near zero: the "
        f"few units that are not saturated send it on through 500 weights of size 1, and it grows {grows:.1f} times "
        "with every layer it passes. What it says is of no use all the same: C8 trains such a net.",
    )


@SECTION.claim(
    "C4",
    "With Xavier's weights, 1/√n_in, activations and gradients keep a usable size through ten tanh layers.",
    expected="std 0.628, 0.486, … 0.229; no INI rule says anything",
    cost=12,
)
def xavier_keeps_tanh_alive(bench: Bench) -> Outcome:
    """Send a unit Gaussian through ten layers with Xavier's weights, and a unit Gaussian gradient back.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build
        >>> net = build(MLPConfig((500,), 10, hidden=(500,) * 10, activation="tanh", init="xavier"), seed=0)
        >>> x = torch.randn(1000, 500, generator=torch.Generator().manual_seed(1))
        >>> [f"{net[: 1 + 2 * layer](x).std():.2f}" for layer in (1, 5, 10)]
        ['0.63', '0.32', '0.23']
    """
    found = [findings(XAVIER, "tanh", seed) for seed in bench.seeds]
    xavier = [signals(XAVIER, "tanh", seed) for seed in bench.seeds]
    weights = [max(_stds(one.weights)) / min(_stds(one.weights)) for one in xavier]
    arriving = [one.returning for one in xavier]
    printed = beside_table(spreads(XAVIER, "tanh", bench.seeds), PRINTED_XAVIER)
    return Outcome(
        [
            agreeing(printed),
            below("largest weight gradient of a layer / smallest", weights, 2),
            above("gradient at layer 1 / at layer 10", arriving, 0.1),
            unnamed(found),
            *printed,
        ],
        [
            Drawing(
                "signals",
                f"With Xavier's weights activations still spread by {xavier[0].last:.2f} in layer ten, and "
                f"{arriving[0]:.0%} of the gradient comes back",
                lambda figure: draw_signals(figure, xavier[0], -1.1, 1.1),
                _SIZE,
            )
        ],
        findings=list(chain.from_iterable(found)),
    )


def _stds(part: Sequence[Tensor]) -> list[float]:
    return [tensor.std().item() for tensor in part]


def _largest(part: Sequence[Tensor]) -> float:
    return max(_stds(part))


def _beyond(outputs: Sequence[Tensor], limit: float) -> list[float]:
    """Share of each layer's outputs beyond a limit on either side."""
    return [(output.abs() > limit).float().mean().item() for output in outputs]

"""The lecture's experiment: ten layers of 500 units, a unit Gaussian sent through and another sent back."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import torch
from torch import Tensor, nn

from babysit.fit import fit
from babysit.lab.measures import Measure, near, true
from babysit.lab.section import Bench
from babysit.nn import MLPConfig, build
from babysit.rules import Finding

LAYERS, UNITS, EXAMPLES = 10, 500, 1000
NETWORKS = 4
"""Drawn for each seed, as it takes some to know how much networks differ."""
DOUBT = 0.01 / 50
"""The 50 figures of C2 to C6 all hold in 99 of 100 tables drawn as the printed one was."""
ERRORS = 3.0
"""Standard errors that a mean may lie from what theory says."""

_STEPS, _BATCH = 10, 32
_INPUT = 10_000  # added to the seed of the inputs, as with the weights' own they would repeat the first weights


@dataclass(frozen=True)
class Signals:
    """What a network makes of a unit Gaussian, layer by layer.

    Attributes:
        outputs: Of each layer's activation, ``(EXAMPLES, UNITS)`` each.
        arriving: The gradient that arrives at each of these outputs; at the last one it is a unit Gaussian.
        weights: The gradient of each layer's weights, summed over the examples, ``(UNITS, UNITS)`` each.
    """

    outputs: Sequence[Tensor]
    arriving: Sequence[Tensor]
    weights: Sequence[Tensor]

    @property
    def last(self) -> float:
        """Standard deviation of the last layer's outputs."""
        return self.outputs[-1].std().item()

    @property
    def returning(self) -> float:
        """By how much the gradient's standard deviation has changed on its way from the last layer to the first."""
        return (self.arriving[0].std() / self.arriving[-1].std()).item()


def network(scheme: str, activation: str, seed: int) -> nn.Sequential:
    """The hidden layers of the lecture's net, linear and activation in turn.

    Args:
        scheme: Of :func:`babysit.nn.initialize`.
        activation: One of :data:`babysit.nn.ACTIVATIONS`.
        seed: Of the weights.

    Example:
        >>> len(network("xavier", "tanh", 0))
        20
    """
    return nn.Sequential(*list(build(_config(scheme, activation), seed))[1:-1])


def inputs(seed: int) -> Tensor:
    """Unit Gaussian examples."""
    return torch.randn(EXAMPLES, UNITS, generator=Bench.generator(_INPUT + seed))


def signals(scheme: str, activation: str, seed: int) -> Signals:
    """Send a unit Gaussian through a fresh network, and a unit Gaussian gradient back from its last layer."""
    layers = network(scheme, activation, seed)
    outputs = _through(layers, inputs(seed))
    for output in outputs:
        output.retain_grad()
    generator = Bench.generator(2 * _INPUT + seed)
    outputs[-1].backward(torch.randn(EXAMPLES, UNITS, generator=generator))  # type: ignore[no-untyped-call]
    return Signals(
        [output.detach() for output in outputs],
        [gradient for output in outputs if (gradient := output.grad) is not None],
        [gradient for layer in list(layers)[::2] if (gradient := layer.get_parameter("weight").grad) is not None],
    )


@torch.no_grad()
def spreads(scheme: str, activation: str, seeds: Sequence[int]) -> Tensor:
    """Standard deviations of the activations of ``NETWORKS`` networks a seed, ``(networks, LAYERS)`` in float64."""
    drawn = [NETWORKS * seed + number for seed in seeds for number in range(NETWORKS)]
    rows = [[output.double().std() for output in _through(network(scheme, activation, s), inputs(s))] for s in drawn]
    return torch.tensor(rows, dtype=torch.float64)


def findings(scheme: str, activation: str, seed: int) -> list[Finding]:
    """What the rules say of the first steps of training this net on Gaussian examples, of ten classes in turn."""
    x = inputs(seed)[: _STEPS * _BATCH]
    y = torch.arange(len(x)) % 10
    network = build(_config(scheme, activation), seed)
    return list(fit(network, (x, y), epochs=1, batch_size=_BATCH, seed=seed, threads=1).findings)


def unnamed(found: Sequence[Sequence[Finding]]) -> Measure:
    """That no rule of the first weights (INI) finds anything in any of several trainings."""
    return true("no INI rule says anything", [not any(f.code.startswith("INI") for f in of_one) for of_one in found])


def growth(part: Sequence[Tensor]) -> float:
    """By how much the standard deviation changes from a layer to the next: the geometric mean."""
    return float((part[-1].std() / part[0].std()).item() ** (1 / (len(part) - 1)))


def per_layer(deviations: Tensor, expected: float) -> Measure:
    """The mean over networks of :func:`growth`, to three of its standard errors beside what theory says.

    Args:
        deviations: As :func:`spreads` gives them.
        expected: The factor.
    """
    found = (deviations[:, -1] / deviations[:, 0]) ** (1 / (deviations.shape[1] - 1))
    error = _deviation(found.tolist()) / math.sqrt(len(found))
    return near("std of a layer / of the one before", found.mean().item(), expected, within=ERRORS * error)


def beside_printed(layer: int, values: Tensor, low: str, high: str = "") -> Measure:
    """The standard deviation of a layer beside a printed figure, which is that of one network more.

    Networks differ: their standard deviations scatter with s around a mean that n of them tell to s/√n. A further one
    of the same kind lies within t·s·√(1 + 1/n) of the mean found here, with Student's t for n − 1 degrees of freedom,
    as s is known from these n only; and a printed figure is rounded by half its last digit.

    Args:
        layer: Its number, from 1.
        values: Of n networks.
        low: The printed figure, or the lower end of a printed range, such as ``"0.0476"``.
        high: The upper end.

    Example:
        >>> measure = beside_printed(1, torch.tensor([0.5, 0.6]), "0.58")
        >>> measure.expected, measure.holds
        ('0.58 ± 276', True)
    """
    found = tuple(values.tolist())
    within = _quantile(len(found) - 1) * _deviation(found) * math.sqrt(1 + 1 / len(found)) + half_digit(low)
    lowest, highest = float(low), float(high or low)
    holds = lowest - within <= statistics.fmean(found) <= highest + within
    printed = f"{low} … {high}" if high else low
    return Measure(f"std of the activations, layer {layer}", found, f"{printed} ± {within:.3g}", holds)


def beside_table(deviations: Tensor, printed: Sequence[str]) -> list[Measure]:
    """Layer by layer beside the printed figures.

    Args:
        deviations: As :func:`spreads` gives them.
        printed: A figure a layer.
    """
    return [beside_printed(layer + 1, deviations[:, layer], figure) for layer, figure in enumerate(printed)]


def agreeing(layers: Sequence[Measure]) -> Measure:
    """How many of the layers are as printed; all of them should be."""
    return near("layers whose std is as printed", sum(layer.holds is True for layer in layers), len(layers), within=0)


def half_digit(printed: str) -> float:
    """What rounding may have changed in a printed figure.

    Example:
        >>> half_digit("0.0476"), half_digit("2.9e-7")
        (5e-05, 5e-09)
    """
    return float(Decimal(5).scaleb(int(Decimal(printed).as_tuple().exponent) - 1))


def _quantile(freedom: int) -> float:
    """Student's t that is exceeded to either side with the probability ``DOUBT`` together."""
    from scipy import stats  # half a second that only this needs

    return float(stats.t.ppf(1 - DOUBT / 2, freedom))


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.inf


def _config(scheme: str, activation: str) -> MLPConfig:
    return MLPConfig((UNITS,), 10, hidden=(UNITS,) * LAYERS, activation=activation, init=scheme)


def _through(layers: nn.Sequential, x: Tensor) -> list[Tensor]:
    """The output of every activation."""
    outputs = []
    for layer in layers.children():
        x = layer(x)
        outputs.append(x)
    return outputs[1::2]

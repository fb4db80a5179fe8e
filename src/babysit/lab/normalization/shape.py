"""D8: shifting and scaling leaves a distribution's shape, an order and a correlation as they were."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from babysit.lab.drawing import BLUE, GREY, RED
from babysit.lab.measures import above, below, near, told, true
from babysit.lab.normalization.formula import layer_of
from babysit.lab.normalization.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = 5_000
SHAPES = ("Gaussian", "uniform", "exponential", "two groups")


def drawn(seed: int) -> Tensor:
    """A column a shape, with a level and a spread that has to go; the last goes with the first."""
    generator = Bench.generator(seed)
    normal = torch.randn(EXAMPLES, 3, generator=generator, dtype=torch.float64)
    flat = torch.rand(EXAMPLES, 3, generator=generator, dtype=torch.float64)
    groups = torch.where(flat[:, 0] < 0.3, -3.0, 3.0) + 0.5 * normal[:, 1] + 0.5 * normal[:, 0]
    return torch.stack([3 + 2 * normal[:, 0], 10 * flat[:, 1], -4 * flat[:, 2].log(), groups], dim=1)


def skew(x: Tensor) -> Tensor:
    """Third standardised moment of each column: 0 of what is symmetric.

    Example:
        >>> skew(torch.tensor([[-1.0], [0.0], [1.0]])).item()
        0.0
    """
    return _standardised(x).pow(3).mean(0)


def excess_kurtosis(x: Tensor) -> Tensor:
    """Fourth standardised moment of each column less 3, that of a Gaussian.

    Example:
        >>> excess_kurtosis(torch.tensor([[-1.0], [1.0]])).item()
        -2.0
    """
    return _standardised(x).pow(4).mean(0) - 3


def _standardised(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / x.std(0, correction=0)


@SECTION.claim(
    "D8",
    "Shifting and scaling loses no structure; the result is not a Gaussian unless the input was one.",
    expected="skew and kurtosis unchanged by the normalisation",
)
def structure_is_kept(bench: Bench) -> Outcome:
    """Normalise features of four shapes, and compare shape, order and correlation before and after.

    Example:
        >>> x = -torch.rand(1000, 1, generator=torch.Generator().manual_seed(0)).log()
        >>> for values in (x, torch.nn.BatchNorm1d(1)(x).detach()):
        ...     z = (values - values.mean()) / values.std()
        ...     print(f"mean {values.mean().abs():.2f}, skew {z.pow(3).mean():.2f}")
        mean 1.01, skew 2.24
        mean 0.00, skew 2.24
    """
    before = [drawn(seed) for seed in bench.seeds]
    with torch.no_grad():
        after = [layer_of("mlp", len(SHAPES)).double()(x) for x in before]
    pairs = list(zip(before, after, strict=True))
    last = {name: index for index, name in enumerate(SHAPES)}
    return Outcome(
        [
            # rounding alone: the standardised moments do not know of ε either
            below("change of the skew", [_most(skew(x) - skew(z)) for x, z in pairs], 1e-9),
            below("change of the kurtosis", [_most(excess_kurtosis(x) - excess_kurtosis(z)) for x, z in pairs], 1e-9),
            true("order of the examples kept", [torch.equal(x.argsort(0), z.argsort(0)) for x, z in pairs]),
            below("change of the correlations", [_most(x.T.corrcoef() - z.T.corrcoef()) for x, z in pairs], 1e-9),
            above("exponential, normalised: skew", [skew(z)[last["exponential"]].item() for z in after], 1.5),
            # five standard errors, √(24/n)
            near("Gaussian, normalised: kurtosis − 3", [excess_kurtosis(z)[0].item() for z in after], 0, within=0.35),
            told("uniform, normalised: kurtosis − 3", [excess_kurtosis(z)[1].item() for z in after]),
            told("two groups, normalised: kurtosis − 3", [excess_kurtosis(z)[3].item() for z in after]),
        ],
        [
            Drawing(
                "shapes",
                f"Mean 0 and standard deviation 1 make no Gaussian: the exponential keeps its skew of "
                f"{skew(after[0])[last['exponential']]:.1f}, and two groups stay two",
                partial(_draw, values={"before": before[0], "after": after[0]}),
                size=(7.6, 3.8),
            )
        ],
        note="The lecture first says that the result is Gaussian, and takes it back two questions later.",
    )


def _most(difference: Tensor) -> float:
    return difference.abs().max().item()


def _draw(figure: Figure, values: Mapping[str, Tensor]) -> None:
    rows = figure.subplots(len(values), len(SHAPES))
    bell = np.linspace(-4, 4, 200)
    for row, (when, columns) in zip(rows, values.items(), strict=True):
        for axes, name, column in zip(row, SHAPES, columns.T, strict=True):
            axes.hist(column.numpy(), bins=60, density=True, color=BLUE, alpha=0.6, linewidth=0)
            if when == "after":
                axes.plot(bell, np.exp(-(bell**2) / 2) / np.sqrt(2 * np.pi), color=RED, linewidth=1, linestyle="--")
                axes.set(xlim=(-4, 4), xlabel="value, normalised")
            else:
                axes.set_title(name, loc="left")
                axes.set_xlabel("value")
            axes.axvline(0, color=GREY, linewidth=0.8)
            axes.set_yticks([])
        row[0].set_ylabel(f"density, {when}")

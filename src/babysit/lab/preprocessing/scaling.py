"""B1, B2: centring, scaling, decorrelating, whitening, on a cloud of two features and on all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from babysit.data import Dataset, ReadOptions, read
from babysit.lab.drawing import BLUE, GREY, SIGNS
from babysit.lab.measures import above, below, near, told
from babysit.lab.preprocessing.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.preprocessing import fit_preprocessing
from babysit.nn.preprocessing.projection import Whiten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALCOHOL, PROLINE = 0, 12
"""Two features of the wines that go together, in per cent by volume and in mg/l."""


def columns(dataset: Dataset, *chosen: int) -> Dataset:
    """A data set of some features alone."""
    names = tuple(dataset.feature_names[index] for index in chosen)
    return dataclasses.replace(dataset, x=np.ascontiguousarray(dataset.x[:, list(chosen)]), feature_names=names)


def transformed(spec: str, dataset: Dataset, split: str = "train") -> Tensor:
    """A split after steps that were fitted on the training split, in float64 as what is measured of it is to be."""
    x: Tensor = fit_preprocessing(spec, dataset)(torch.from_numpy(dataset.inputs(split)))
    return x.double()


def covariance(x: Tensor) -> Tensor:
    """Of the columns, divided by the number of rows."""
    return torch.cov(x.flatten(1).T, correction=0)


@dataclasses.dataclass(frozen=True)
class Cloud:
    """The same examples after some step: two columns, what they are, and how far the axes go."""

    name: str
    points: Tensor
    x: str
    y: str
    reach: float


def _draw_clouds(figure: Figure, clouds: Sequence[Cloud]) -> None:
    """Panels side by side; both axes of each have one scale, as distances count in both directions alike."""
    for axes, cloud in zip(figure.subplots(1, len(clouds)), clouds, strict=True):
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.scatter(*cloud.points.T.numpy(), s=7, color=BLUE, alpha=0.55, linewidths=0)
        axes.set(xlim=(-cloud.reach, cloud.reach), ylim=(-cloud.reach, cloud.reach), aspect="equal")
        axes.set_title(cloud.name, loc="left")
        axes.set(xlabel=cloud.x, ylabel=cloud.y)
        axes.locator_params(nbins=5)


@SECTION.claim(
    "B1",
    "Zero-mean the data, and usually divide them by their standard deviation, so that all features count alike.",
    expected="after fitting and transforming: mean 0 and standard deviation 1 of every feature",
)
def mean_zero_and_unit_deviation(bench: Bench) -> Outcome:
    """Standardise thirteen measurements of wines, whose units have nothing in common.

    Example:
        >>> from babysit.nn.preprocessing import fit_preprocessing
        >>> wine = read("wine")
        >>> x = fit_preprocessing("standardize", wine)(torch.from_numpy(wine.inputs("train")))
        >>> bool(x.mean(dim=0).abs().max() < 1e-5), bool((x.std(dim=0, correction=0) - 1).abs().max() < 1e-5)
        (True, True)
    """
    wines = [read("wine", ReadOptions(seed=seed)) for seed in bench.seeds]
    raw = [torch.from_numpy(wine.inputs("train")).double() for wine in wines]
    scaled = [transformed("standardize", wine) for wine in wines]
    held_out = [transformed("standardize", wine, "validation") for wine in wines]
    shares = [_largest_share(x) for x in raw]
    spreads = [x.std(0, correction=0) for x in raw]
    uneven = [(spread.max() / spread.min()).item() for spread in spreads]
    two = columns(wines[0], ALCOHOL, PROLINE)
    deviations = ("alcohol (std)", "proline (std)")
    clouds = (
        Cloud("raw", torch.from_numpy(two.inputs("train")), "alcohol (% by volume)", "proline (mg/l)", 1800),
        Cloud("centred", transformed("center", two), "alcohol − mean (%)", "proline − mean (mg/l)", 1000),
        Cloud("centred and scaled", transformed("standardize", two), *deviations, 4),
    )
    ratio = float(spreads[0][PROLINE] / spreads[0][ALCOHOL])
    return Outcome(
        [
            # float32 keeps a mean of 750 to 4e-5, an eight-millionth of its standard deviation of 310
            below("farthest mean of a feature from 0", [x.mean(0).abs().max().item() for x in scaled], 1e-5),
            below("farthest deviation from 1", [(x.std(0, correction=0) - 1).abs().max().item() for x in scaled], 1e-5),
            near("largest feature's share of all variance", map(_largest_share, scaled), 1 / 13, within=1e-5, unit="%"),
            above("that share before", shares, 0.99, unit="%"),
            told("largest deviation / smallest, before", uneven),
            told("farthest mean, validation split", [x.mean(0).abs().max().item() for x in held_out]),
        ],
        [
            Drawing(
                "cloud",
                f"Raw, the wines are a line: proline spreads {ratio:,.0f} times as far as alcohol. Centred and scaled, "
                "both count alike",
                lambda figure: _draw_clouds(figure, clouds),
                size=(7.6, 3.1),
            )
        ],
        note="The validation split gets the training split's numbers, so its own mean is near 0 and not at it.",
    )


def _largest_share(x: Tensor) -> float:
    variances = x.var(0, correction=0)
    return (variances.max() / variances.sum()).item()


@SECTION.claim(
    "B2",
    "PCA decorrelates the features and whitening gives them covariance I; neither is common for images, whose pixels "
    "lose their places.",
    expected="correlation 0; covariance I, but for the documented ε",
)
def decorrelated_and_white(bench: Bench) -> Outcome:
    """Rotate digits to their principal axes, and divide by the spread along each.

    Example:
        >>> from babysit.nn.preprocessing import fit_preprocessing
        >>> wine = read("wine")
        >>> x = fit_preprocessing("standardize,whiten", wine)(torch.from_numpy(wine.inputs("train")))
        >>> bool((torch.cov(x.T, correction=0) - torch.eye(13)).abs().max() < 1e-3)
        True
    """
    sets = [read("digits", ReadOptions(seed=seed)) for seed in bench.seeds]
    raw = [covariance(torch.from_numpy(digits.inputs("train")).double()) for digits in sets]
    turned = [covariance(transformed("center,pca:64", digits)) for digits in sets]
    white = [covariance(transformed("center,whiten", digits)) for digits in sets]
    wanted = [_documented_variances(matrix) for matrix in raw]
    strong = [kept.diag()[documented > 0.99] for kept, documented in zip(white, wanted, strict=True)]
    two = columns(read("wine"), ALCOHOL, PROLINE)
    clouds = (
        Cloud("centred and scaled", transformed("standardize", two), "alcohol (std)", "proline (std)", 3.6),
        Cloud("decorrelated", transformed("standardize,pca:2", two), "1st axis", "2nd axis", 3.6),
        Cloud("whitened", transformed("standardize,whiten", two), "1st axis (std)", "2nd axis (std)", 3.6),
    )
    correlation = float(covariance(clouds[0].points)[0, 1])
    return Outcome(
        [
            # sums of 1257 products in float32, of numbers up to the largest variance
            below("PCA: largest covariance / largest variance", map(_off_diagonal, turned), 1e-5),
            below("whitened: farthest from the documented covariance", map(_distance, white, wanted), 1e-3),
            near("whitened: median variance", [part.median().item() for part in strong], 1, within=0.01),
            told("directions damped below 0.99 by ε", [64 - len(part) for part in strong]),
            told("mean correlation of neighbouring pixels", map(_neighbours, raw)),
            near("of neighbouring outputs, whitened", map(_neighbours, white), 0, within=1e-3),
        ],
        [
            Drawing(
                "cloud",
                f"Alcohol and proline go together ({correlation:.2f}); turned to its principal axes the cloud is "
                "uncorrelated, whitened it is round",
                lambda figure: _draw_clouds(figure, clouds),
                size=(7.6, 3.1),
            ),
            Drawing(
                "covariances",
                f"Covariances of the 64 pixels of digits: neighbours correlate by {_neighbours(raw[0]):.2f} on "
                "average; PCA leaves only the diagonal, whitening makes it 1",
                lambda figure: _draw_covariances(figure, {"centred": raw[0], "PCA": turned[0], "whitened": white[0]}),
                size=(7.6, 3.0),
            ),
        ],
        note=f"ε is {Whiten.default_value:g} of the largest variance; some pixels of digits are always black.",
    )


def _documented_variances(matrix: Tensor) -> Tensor:
    """What :class:`Whiten` says: λ / (λ + ε·λ_max), from the largest λ down."""
    variances = torch.linalg.eigvalsh(matrix).flip(0).clamp(min=0)
    damped: Tensor = variances / (variances + (Whiten.default_value or 0.0) * variances[0])
    return damped


def _off_diagonal(matrix: Tensor) -> float:
    return ((matrix - matrix.diag().diag()).abs().max() / matrix.diag().max()).item()


def _distance(matrix: Tensor, variances: Tensor) -> float:
    return (matrix - variances.diag()).abs().max().item()


def _neighbours(matrix: Tensor) -> float:
    """Mean correlation of horizontal neighbours in an image of 8 × 8, those that vary."""
    left = torch.tensor([row * 8 + column for row in range(8) for column in range(7)])
    varying = matrix.diag().sqrt()
    both = varying[left] * varying[left + 1]
    used = both > 1e-3 * varying.max() ** 2
    return (matrix[left, left + 1] / both)[used].mean().item()


def _draw_covariances(figure: Figure, matrices: dict[str, Tensor]) -> None:
    axes: Axes
    for axes, (name, matrix) in zip(figure.subplots(1, len(matrices)), matrices.items(), strict=True):
        reach = matrix.abs().max().item()
        image = axes.imshow(matrix.numpy(), cmap=SIGNS, vmin=-reach, vmax=reach, rasterized=True)
        axes.grid(visible=False)
        axes.set_title(name, loc="left")
        axes.set_xlabel("pixel" if name == "centred" else "principal axis")
        figure.colorbar(image, ax=axes, shrink=0.7)

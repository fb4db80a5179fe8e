"""B3, B5: what is subtracted from images, and how many of them it takes to know it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

import babysit as bs
from babysit.data import Dataset
from babysit.lab.drawing import BLUE, GREY, RED, SHADES, SIGNS
from babysit.lab.measures import below, near, told
from babysit.lab.preprocessing.examples import Pair, pictures, prepared, stood_in, suited
from babysit.lab.preprocessing.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.lab.subsets import fewer
from babysit.nn.models import MLPConfig, build
from babysit.nn.preprocessing import fit_preprocessing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWS = 20
"""Samples whose errors are averaged; one alone lies up to a half beside the expected error."""


def mean_of(spec: str, dataset: Dataset) -> Tensor:
    """What ``mean-image`` or ``channel-mean`` subtracts."""
    return fit_preprocessing(spec, dataset).ordered_steps()[0].get_buffer("mean").double()


@SECTION.claim(
    "B3",
    "Images lose the mean image (AlexNet) or one mean a channel (VGG); pixels are not divided.",
    expected="both offered; 32×32×3 numbers or 3 on CIFAR-10",
    cost=20,
)
def mean_image_or_channel_means(bench: Bench) -> Outcome:
    """Fit both ways of centring, look at what they subtract, and train the same network after each.

    Example:
        >>> from babysit.data import read
        >>> from babysit.nn.preprocessing import fit_preprocessing
        >>> for spec in ("mean-image", "channel-mean"):
        ...     print(fit_preprocessing(spec, read("digits")).describe())
        subtract the mean image (1×8×8)
        subtract the channel means (4.89)
    """
    dataset = pictures(bench)
    shape = dataset.example_shape
    image, channels = mean_of("mean-image", dataset), mean_of("channel-mean", dataset)
    raw = torch.from_numpy(dataset.inputs("train")).double()
    by_pixel, by_channel = (prepared(spec, dataset)[0][0].double() for spec in ("mean-image", "channel-mean"))
    spread = raw.std(correction=0).item()
    # divided by one number in both cases, so that one rate suits
    pairs = [prepared(f"{spec},scale", dataset) for spec in ("mean-image", "channel-mean")]
    accuracies = [[_accuracy(*pair, seed, bench) for seed in bench.seeds] for pair in pairs]
    difference = [one - other for one, other in zip(*accuracies, strict=True)]
    return Outcome(
        [
            near("numbers in the mean image", image.numel(), math.prod(shape), within=0),
            near("numbers in the channel means", channels.numel(), shape[0], within=0),
            below("farthest mean of a pixel / std", by_pixel.mean(0).abs().max().item() / spread, 1e-5),
            below("farthest mean of a channel / std", by_channel.mean((0, 2, 3)).abs().max().item() / spread, 1e-5),
            # not divided: the differences between examples are what they were
            near("std of a pixel, after / before", _spread_kept(by_pixel, raw), 1, within=1e-5),
            told("mean image's distance from the channel means / std", _distance(image, channels) / spread),
            told("accuracy, mean image", accuracies[0], unit="%"),
            told("accuracy, mean image − channel means", difference, unit="%"),
        ],
        [
            Drawing(
                "means",
                f"{image.numel():,} numbers in the mean image, {channels.numel()} in the channel means; they lie "
                f"{_distance(image, channels) / spread:.2f} standard deviations of a pixel apart",
                lambda figure: _draw_means(figure, image, channels, raw[:1], int(raw.max())),
                size=(7.2, 2.35),
            )
        ],
        note=stood_in(bench),
    )


def _accuracy(train: Pair, validation: Pair, seed: int, bench: Bench) -> float:
    """Of the lecture's 50 hidden units."""
    model = build(MLPConfig(tuple(train[0].shape[1:]), 10, hidden=(50,)), seed)
    epochs, rate = bench.pick(5, 10), suited(0.05, train[0])
    return bs.fit(model, train, validation=validation, lr=rate, epochs=epochs, seed=seed, watch=False).best.score


def _spread_kept(after: Tensor, before: Tensor) -> float:
    return (after.std(0, correction=0).mean() / before.std(0, correction=0).mean()).item()


def _distance(image: Tensor, channels: Tensor) -> float:
    return (image - channels).square().mean().sqrt().item()


def _draw_means(figure: Figure, image: Tensor, channels: Tensor, example: Tensor, top: int) -> None:
    """What is subtracted above what is left of one example."""
    panels: list[tuple[str, Tensor, bool]] = [
        ("mean image", image, False),
        ("channel means", channels.expand_as(image), False),
        ("an example", example[0], False),
        ("less mean image", example[0] - image, True),
        ("less channel means", example[0] - channels, True),
    ]
    axes: Axes
    for axes, (name, values, signed) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.set_title(name, loc="left", fontsize=8.5)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        _show(axes, values, top, signed=signed)
        axes.set_xlabel(f"{values.min():.0f} … {values.max():.0f}".replace("-", "−"))


def _show(axes: Axes, values: Tensor, top: int, *, signed: bool) -> None:
    """An image; of what has signs, the mean over the channels."""
    if signed:
        axes.imshow(values.mean(0).numpy(), cmap=SIGNS, vmin=-top, vmax=top, rasterized=True)
    elif len(values) == 3:
        axes.imshow((values / top).clamp(0, 1).movedim(0, -1).numpy(), rasterized=True)
    else:
        axes.imshow(values[0].numpy(), cmap=SHADES, vmin=0, vmax=top, rasterized=True)


@dataclass(frozen=True)
class SampleErrors:
    """How far the mean of a sample lies from that of all training examples.

    Attributes:
        sizes: Of the samples.
        measured: Root mean square over draws, a row a seed, relative to the standard deviation of the pixels.
        expected: By the formula σ/√n, for samples drawn without returning.
    """

    sizes: tuple[int, ...]
    measured: tuple[tuple[float, ...], ...]
    expected: tuple[float, ...]

    def at(self, size: int) -> list[float]:
        """Of one size, for every seed."""
        return [row[self.sizes.index(size)] for row in self.measured]


def sample_errors(spec: str, dataset: Dataset, sizes: Sequence[int], seeds: Sequence[int]) -> SampleErrors:
    """Fit on samples of the training split and compare with what the whole split gives."""
    whole = mean_of(spec, dataset)
    raw = torch.from_numpy(dataset.inputs("train")).double()
    count, spread = len(raw), raw.std(correction=0).item()
    axes = (2, 3) if spec == "channel-mean" else ()
    averaged = raw.mean(axes, keepdim=True) if axes else raw  # a channel's mean averages over the pixels of an image
    variance = averaged.var(0, correction=0).mean().item()
    expected = tuple(math.sqrt(variance / n * (count - n) / (count - 1)) / spread for n in sizes)

    def error(size: int, seed: int) -> float:
        # a large sample costs as many examples, and hardly differs from the next one
        draws = max(2, min(DRAWS, 4_000 // size))
        samples = (fewer(dataset, size, seed=1_000 * seed + draw) for draw in range(draws))
        squares = [(mean_of(spec, sample) - whole).square().mean().item() for sample in samples]
        return math.sqrt(float(np.mean(squares))) / spread

    return SampleErrors(tuple(sizes), tuple(tuple(error(size, seed) for size in sizes) for seed in seeds), expected)


@SECTION.claim(
    "B5",
    "A sample of the training set estimates the mean well enough.",
    expected="the error falls as 1/√n: about a tenth of a standard deviation at 100 examples",
    cost=15,
)
def a_sample_knows_the_mean(bench: Bench) -> Outcome:
    """Fit the mean on ever larger samples, and compare it with the mean of all training examples.

    Example:
        >>> from babysit.data import read
        >>> x = torch.from_numpy(read("digits").inputs("train")).float()
        >>> sample = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:100]]
        >>> round(((sample.mean(0) - x.mean(0)).square().mean().sqrt() / x.std()).item(), 2)
        0.06
    """
    dataset = pictures(bench)
    count = len(dataset.splits.train)
    sizes = [size for size in (10, 30, 100, 300, 1000, 3000) if size < count]
    by_image = sample_errors("mean-image", dataset, sizes, bench.seeds)
    by_channel = sample_errors("channel-mean", dataset, sizes, bench.seeds)
    at = sizes.index(100)
    return Outcome(
        [
            below("error of the mean image, 100 examples", by_image.at(100), 0.15, unit="std"),
            # the mean of 20 draws of few independent directions is known to 6 %
            near("measured / σ/√n", [e / by_image.expected[at] for e in by_image.at(100)], 1, within=0.25),
            near(
                "slope of log error over log n, 10 to 300",
                [math.log(row[3] / row[0]) / math.log(30) for row in by_image.measured],
                math.log(by_image.expected[3] / by_image.expected[0]) / math.log(30),
                within=0.1,
            ),
            told("error of the channel means, 100 examples", by_channel.at(100), unit="std"),
            told("error of the mean image, 1000 examples", by_image.at(1000), unit="std"),
        ],
        [
            Drawing(
                "samples",
                f"A hundred of {count:,} examples know the mean image to {by_image.at(100)[0]:.2f} standard deviations "
                f"of a pixel, the channel means to {by_channel.at(100)[0]:.3f}",
                partial(_draw_errors, by_image=by_image, by_channel=by_channel),
            )
        ],
        note=stood_in(bench),
    )


def _draw_errors(figure: Figure, by_image: SampleErrors, by_channel: SampleErrors) -> None:
    axes = figure.subplots()
    for errors, name, colour, mark in ((by_image, "mean image", BLUE, "o"), (by_channel, "channel means", RED, "s")):
        for number, row in enumerate(errors.measured):
            label = f"{name}, a mark a seed" if number == 0 else None
            axes.plot(errors.sizes, row, mark, color=colour, markersize=5, alpha=0.7, linestyle="", label=label)
        axes.plot(errors.sizes, errors.expected, color=GREY if colour == BLUE else colour, linewidth=1.1,
                  linestyle="-" if colour == BLUE else "--", label=f"σ/√n, {name}")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="examples in the sample", ylabel="error (standard deviations)")
    axes.legend()

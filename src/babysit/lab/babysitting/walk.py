"""What the steps of the walk share: raw pixels less their mean image, the net of 50 hidden units, and its training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from babysit.data.batches import TensorBatches
from babysit.fit import FitResult, fit
from babysit.lab.section import Bench
from babysit.lab.subsets import fewer
from babysit.nn import MLPConfig, build, initialize
from babysit.preflight.overfit import EXAMPLES
from babysit.recipe.prepared import prepare

HIDDEN = 50
STD = 1e-4
"""Of all first weights: what the lecture's 3.07 of E2 follows from."""

LENGTH = 3502.0
"""Root mean square length of the 45,000 training images of CIFAR-10 less their mean image."""
SCORES = STD * math.sqrt(HIDDEN / 2) * STD * LENGTH
"""Standard deviation of the first scores: of N(0, (σ·length)²) before a ReLU half the square is left behind it."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images on the scale of raw pixels, less their mean image.

    Attributes:
        x: Training inputs ``(N, C, H, W)``.
        y: Their classes ``(N,)``.
        validation: Inputs and classes to evaluate on.
        few: Inputs and classes of twenty training examples, two a class.
        batch_size: Examples a step.
        note: Which data they are.
    """

    x: Tensor
    y: Tensor
    validation: tuple[Tensor, Tensor]
    few: tuple[Tensor, Tensor]
    batch_size: int
    note: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an example."""
        return tuple(self.x.shape[1:])

    def batches(self, count: int, seed: int) -> list[tuple[Tensor, Tensor]]:
        """The first batches of a training."""
        source = TensorBatches(self.x, self.y, self.batch_size, seed)
        return [source.batch(step) for step in range(count)]


def pixels(bench: Bench) -> Pixels:
    """A part of CIFAR-10, or digits brought to its scale, so that the lecture's learning rates mean the same.

    A step's size grows with the square of the inputs' length, which is 100 times that of digits for CIFAR-10. Digits
    are therefore multiplied by the one number that makes them as long in the mean square.
    """
    dataset = bench.images()
    prepared = prepare(fewer(dataset, 10_000, validation=2_000, test=0), "mean-image")
    x, validation = (part.inputs(slice(None)) for part in (prepared.train, prepared.validation))
    few, classes = prepared.few(EXAMPLES)
    given = bench.cifar10 is not None
    factor = 1.0 if given else LENGTH / x.flatten(1).square().sum(dim=1).mean().sqrt().item()
    note = (
        f"{len(x):,} training images of CIFAR-10."
        if given
        else f"Digits stand in for CIFAR-10, their pixels times {factor:.3g}: as long as CIFAR-10's, so that the "
        "lecture's learning rates mean the same."
    )
    return Pixels(
        x * factor,
        prepared.train.y,
        (validation * factor, prepared.validation.y),
        (few * factor, classes),
        100 if given else 32,
        note,
    )


def network(shape: tuple[int, ...], seed: int, std: float = STD) -> nn.Sequential:
    """The lecture's two layers: 50 hidden ReLU units and a softmax over ten classes.

    Args:
        shape: Of an example.
        seed: Of the weights.
        std: Of all of them.

    Example:
        >>> sum(weight.numel() for weight in network((3, 32, 32), 0).parameters() if weight.dim() > 1)
        154100
    """
    layers = build(MLPConfig(shape, 10, hidden=(HIDDEN,)), seed)
    initialize(layers, f"normal:{std!r}", generator=Bench.generator(seed))
    return layers


def train(images: Pixels, seed: int, *, lr: float, epochs: int) -> FitResult:
    """A training with momentum and a constant learning rate, watched."""
    return fit(
        network(images.shape, seed),
        (images.x, images.y),
        validation=images.validation,
        lr=lr,
        schedule="constant",
        epochs=epochs,
        batch_size=images.batch_size,
        seed=seed,
        threads=1,
    )

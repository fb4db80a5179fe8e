"""What the experiments of this section train: small networks on images, and which of their units are off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from babysit.data import Dataset, read
from babysit.fit.evaluation import Examples, evaluate
from babysit.fit.losses import CLASSIFICATION
from babysit.lab.section import Bench
from babysit.nn import MLPConfig, build, default_spec, fit_preprocessing

BATCH = 64

Split = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Images:
    """Preprocessed images, flat, of one mean zero and of variance one.

    Attributes:
        name: Of the data set.
        train: Inputs ``(N, features)`` and classes ``(N,)``; likewise the others.
        validation: Chooses.
        test: Is reported.
    """

    name: str
    train: Split
    validation: Split
    test: Split

    @property
    def features(self) -> int:
        """Pixels of an image, times its channels."""
        return self.train[0].shape[1]

    @property
    def steps(self) -> int:
        """Of an epoch, in batches of :data:`BATCH`; an incomplete last batch is left out."""
        return len(self.train[0]) // BATCH


def percent(share: float, digits_: int = 2) -> str:
    """A share for a title, with so many digits.

    Example:
        >>> percent(0.8449), percent(0.9816, 3), percent(1.0), percent(0.00123)
        ('84 %', '98.2 %', '100 %', '0.12 %')
    """
    return f"{float(f'{100 * share:.{digits_}g}'):g} %"


@lru_cache(maxsize=1)
def digits() -> Images:
    """scikit-learn's digits, as `babysit train` would preprocess them."""
    return _prepared(read("digits"), most=10_000)


def images(bench: Bench, most: int) -> Images:
    """CIFAR-10 or digits, at most ``most`` examples of each split, drawn at random."""
    return digits() if bench.cifar10 is None else _prepared(bench.images(), most)


def mlp(data: Images, activation: str, hidden: tuple[int, ...], seed: int, *, bias: float = 0.0) -> nn.Sequential:
    """A network for these images with He's initialisation for its activation."""
    return build(MLPConfig((data.features,), 10, hidden, activation, bias=bias), seed)


def accuracy(model: nn.Module, split: Split) -> float:
    """Share of a split that the model gets right."""
    return evaluate(model, Examples(*split), CLASSIFICATION).score


def descend(
    model: nn.Module, optimizer: torch.optim.Optimizer, data: Split, *, steps: int, seed: int, batch: int = BATCH
) -> Iterator[tuple[int, float]]:
    """Train as a user's own loop does.

    Yields:
        Steps taken so far, and the loss that the last of them was taken for.
    """
    x, y = data
    generator = Bench.generator(seed)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(1, steps + 1):
        if len(order) < batch:
            order = torch.randperm(len(x), generator=generator)
        rows, order = order[:batch], order[batch:]
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield step, loss.item()


@torch.no_grad()
def layer_outputs(model: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    """What each named layer of a sequential network gives on some inputs."""
    given: dict[str, Tensor] = {}
    for name, layer in model.named_children():
        x = layer(x)
        given[name] = x
    return given


def _prepared(dataset: Dataset, most: int) -> Images:
    preprocess = fit_preprocessing(default_spec(dataset.kind, "mlp"), dataset)

    def split(name: str) -> Split:
        rows = dataset.splits.of(name)
        if len(rows) > most:  # the splits lie sorted by class in some sources
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:most])
        return preprocess(torch.from_numpy(dataset.x[rows])).flatten(1), torch.from_numpy(dataset.y[rows])

    return Images(dataset.name, split("train"), split("validation"), split("test"))

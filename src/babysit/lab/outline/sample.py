"""Images to train on and to judge by: few or hard enough that regularising and averaging have something to do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from babysit.data import Dataset, Splits, read
from babysit.fit.evaluation import Examples, Result, evaluate
from babysit.fit.losses import CLASSIFICATION
from babysit.nn import MLPConfig, build, fit_preprocessing

SPEC = "mean-image,scale"
WRONG = 0.2
"""Share of the training labels that are made wrong where noise is wanted."""

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Sample:
    """Preprocessed images, divided at random.

    Attributes:
        about: What they are, for the reader.
        train: To train on.
        held_out: To judge by; none of them is trained on.
        lr: A rate that suits a network for them, with momentum 0.9 and batches of 50.
    """

    about: str
    train: Examples
    held_out: Examples
    lr: float

    @property
    def pair(self) -> Pair:
        """What is trained on, as ``bs.fit`` takes it."""
        return torch.as_tensor(self.train.x), self.train.y

    @property
    def held_out_pair(self) -> Pair:
        """What is judged by, likewise."""
        return torch.as_tensor(self.held_out.x), self.held_out.y

    @property
    def note(self) -> str:
        """How much of what, in a sentence."""
        return f"{self.about}: {len(self.train):,} examples to train on, {len(self.held_out):,} held out."

    def network(self, seed: int, hidden: tuple[int, ...] = (100,), dropout: float = 0.0) -> nn.Sequential:
        """A network of ReLU units for these images."""
        return build(MLPConfig(tuple(self.train.x.shape[1:]), 10, hidden=hidden, dropout=dropout), seed)

    def judge(self, model: nn.Module) -> Result:
        """Loss and accuracy on what is held out."""
        return evaluate(model, self.held_out, CLASSIFICATION)


def draw(images: Dataset, seed: int, *, train: int, held_out: int, wrong: float = 0.0) -> Sample:
    """Draw examples without replacement; the mean image and the scale are those of the ones to train on.

    Args:
        images: Such as digits.
        seed: Of the drawing.
        train: How many to train on.
        held_out: How many to judge by, at most.
        wrong: Share of the training examples that get a label of another class.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(images.x))
    rows = order[:train], order[train : train + held_out]
    drawn = dataclasses.replace(images, splits=Splits(np.sort(rows[0]), np.sort(rows[1]), order[:0]))
    preprocess = fit_preprocessing(SPEC, drawn)

    def examples(split: str) -> Examples:
        with torch.no_grad():
            inputs = preprocess(torch.from_numpy(drawn.inputs(split)))
        return Examples(inputs, torch.from_numpy(drawn.targets(split)))

    known = examples("train")
    spoiled = torch.from_numpy(random.permutation(train)[: round(wrong * train)])
    shift = torch.from_numpy(random.integers(1, images.classes, len(spoiled)))
    known.y[spoiled] = (known.y[spoiled] + shift) % images.classes
    about = f"{images.name}, {wrong:.0%} of the training labels made wrong" if wrong else images.name
    return Sample(about, known, examples("validation"), 0.05 if images.x[0].size < 1000 else 0.004)


def few(seed: int, *, noisy: bool = False) -> Sample:
    """So few digits that a network learns all of them by heart.

    Args:
        seed: Of the drawing.
        noisy: Make some training labels wrong, so that there is something better not learnt.
    """
    return draw(read("digits"), seed, train=300, held_out=1400, wrong=WRONG if noisy else 0.0)


def hard(seed: int) -> Sample:
    """So many, and so hard, that a small network does not learn them by heart: its weights never come to rest."""
    return draw(read("digits"), seed, train=1000, held_out=797, wrong=WRONG)

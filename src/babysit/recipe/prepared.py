"""A data set made ready for training: preprocessed once where that fits in memory, batch by batch where not."""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from babysit.data import Dataset
from babysit.data.augment import augmented
from babysit.data.batches import ArrayBatches, Batches, TensorBatches
from babysit.data.memory import available_memory
from babysit.errors import InputError
from babysit.fit.evaluation import BATCH, Examples
from babysit.fit.losses import Task, task_named
from babysit.nn import Preprocessing, TargetScaling, fit_preprocessing, fit_target_scaling

MEMORY_SHARE = 1 / 3
"""Of the memory that is to be had, for the preprocessed examples."""
TRAIN_SAMPLE = 5_000
"""Training examples that are evaluated every epoch, so that both accuracies are measured alike."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A data set ready to train on.

    Attributes:
        dataset: As it was read.
        task: Loss and score.
        preprocess: Fitted on the training split.
        target_scaling: Of a regression.
        train: All training examples.
        train_sample: A fixed part of them.
        validation: The validation split.
        in_memory: Whether the inputs of these are preprocessed already; otherwise :meth:`around` does it.
    """

    dataset: Dataset
    task: Task
    preprocess: Preprocessing
    target_scaling: TargetScaling | None
    train: Examples
    train_sample: Examples
    validation: Examples
    in_memory: bool

    @property
    def can_augment(self) -> bool:
        """Whether the network sees images, centred and in memory."""
        return self.in_memory and len(self.preprocess.output_shape) == 3

    def batches(self, batch_size: int, seed: int, augment: str = "none") -> Batches:
        """Shuffled batches of the training split.

        Raises:
            InputError: Augmentation was asked for where :attr:`can_augment` is false.
        """
        if augment != "none" and not self.can_augment:
            raise InputError(
                "--augment",
                expected="images that fit in memory, preprocessed without pca or whiten",
                found=self.preprocess.describe(),
                todo="leave it out",
            )
        if isinstance(self.train.x, Tensor):
            return augmented(TensorBatches(self.train.x, self.train.y, batch_size, seed), augment, seed)
        return ArrayBatches(self.train.x, self.train.y, batch_size, seed, self.train.rows)

    def around(self, network: nn.Module) -> nn.Module:
        """What takes the examples as they are held here: the network, or preprocessing and network."""
        if self.in_memory:
            return network
        return nn.Sequential(OrderedDict([("preprocess", self.preprocess), ("network", network)]))

    def sample(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Inputs, as the network takes them, and targets of some training examples."""
        inputs = self.train.inputs(slice(None)) if self.in_memory else None
        index = torch.from_numpy(rows)
        if inputs is not None:
            return inputs[index], self.train.y[index]
        raw = self.dataset.x[self.dataset.splits.train[rows]]
        return self.preprocess(torch.from_numpy(np.asarray(raw, dtype=np.float32))), self.train.y[index]

    def few(self, count: int) -> tuple[Tensor, Tensor]:
        """The first training examples of each class in turn (classification), or the first ones."""
        return self.sample(np.sort(self._in_turn[:count]))

    @functools.cached_property
    def _in_turn(self) -> np.ndarray:
        """The training examples in the order :meth:`few` takes them; every trial's network asks for some."""
        y = self.train.y.numpy()
        if self.task.name != "classification":
            return np.arange(len(y))
        return np.argsort(_rank_in_class(y), kind="stable")


def prepare(dataset: Dataset, spec: str, in_memory: Callable[[bool], bool] = bool) -> Prepared:
    """Fit the preprocessing on the training split and apply it to training and validation.

    The test split is not touched.

    Args:
        dataset: As it was read.
        spec: Preprocessing steps, such as ``"mean-image,scale"``.
        in_memory: Receives whether the preprocessed examples fit in memory and says whether they shall be held
            there, so that a resumed run does as it did before.

    Raises:
        InputError: The steps do not fit the data.
    """
    preprocess = fit_preprocessing(spec, dataset)
    preprocess.eval()
    scaling = fit_target_scaling(dataset) if dataset.task == "regression" else None
    splits = dataset.splits
    held = in_memory(_fits(len(splits.train) + len(splits.validation), preprocess.output_shape))
    train = _examples(dataset, splits.train, preprocess, scaling, held)
    count = min(len(train), max(TRAIN_SAMPLE, len(splits.validation)))
    part = np.random.default_rng(0).permutation(len(train))[:count]
    part.sort()
    return Prepared(
        dataset=dataset,
        task=task_named(dataset.task),
        preprocess=preprocess,
        target_scaling=scaling,
        train=train,
        train_sample=_some(train, part),
        validation=_examples(dataset, splits.validation, preprocess, scaling, held),
        in_memory=held,
    )


def held_out(dataset: Dataset, split: str, preprocess: Preprocessing, scaling: TargetScaling | None) -> Examples:
    """A split that was kept aside, as the network takes it."""
    return _examples(dataset, dataset.splits.of(split), preprocess, scaling, in_memory=True)


def _examples(
    dataset: Dataset, rows: np.ndarray, preprocess: Preprocessing, scaling: TargetScaling | None, in_memory: bool
) -> Examples:
    y = torch.from_numpy(np.ascontiguousarray(dataset.y[rows]))
    if scaling is not None:
        y = scaling.encode(y.unsqueeze(1)).squeeze(1)
    if not in_memory:
        return Examples(dataset.x, y, rows)
    return Examples(_preprocessed(dataset.x, rows, preprocess), y)


@torch.no_grad()
def _preprocessed(x: np.ndarray, rows: np.ndarray, preprocess: Preprocessing) -> Tensor:
    result = torch.empty(len(rows), *preprocess.output_shape)
    for start in range(0, len(rows), BATCH):
        taken = torch.from_numpy(x[rows[start : start + BATCH]])
        result[start : start + BATCH] = preprocess(taken)
    return result


def _some(examples: Examples, rows: np.ndarray) -> Examples:
    index = torch.from_numpy(rows)
    if isinstance(examples.x, Tensor):
        return Examples(examples.x[index], examples.y[index])
    assert examples.rows is not None
    return Examples(examples.x, examples.y[index], examples.rows[rows])


def _rank_in_class(y: np.ndarray) -> np.ndarray:
    """How many examples of the same class came before each."""
    rank = np.empty(len(y), dtype=np.int64)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        rank[rows] = np.arange(len(rows))
    return rank


def _fits(examples: int, shape: tuple[int, ...]) -> bool:
    return examples * math.prod(shape) * 4 <= MEMORY_SHARE * available_memory()

"""What `bs.fit` may be given as data, made into batches to train on and examples to evaluate on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from babysit.data import Dataset
from babysit.data.batches import ArrayBatches, Batches, LoaderBatches, TensorBatches, as_inputs, pair_of
from babysit.errors import InputError
from babysit.fit.data_marks import data_marks
from babysit.fit.evaluation import Examples
from babysit.fit.settings import TrainSettings

Arrays = tuple[Tensor | np.ndarray, Tensor | np.ndarray]
Ready = Examples | Iterable[tuple[Tensor, Tensor]]
"""Examples that lie ready, or a user's own loader."""
Data = Dataset | Arrays | Ready
TRAIN_SAMPLE = 5_000
"""Training examples evaluated every epoch, so that both accuracies are measured alike."""


@dataclass(frozen=True, eq=False)
class Sources:
    """What is trained on and what is evaluated.

    Attributes:
        batches: To train on.
        examples: ``"train"`` (a part of it) and ``"validation"`` to evaluate on; empty without a validation split.
        targets: All training targets; ``None`` where only a loader knows them.
        marks: What the data look like, by :func:`~babysit.fit.data_marks.data_marks`.
    """

    batches: Batches
    examples: dict[str, Examples]
    targets: Tensor | None
    marks: list[float]


@dataclass(frozen=True, eq=False)
class Given:
    """Data of any kind as they lie ready, whatever the batch size and the order.

    Attributes:
        train: Examples, or a user's own loader.
        validation: ``None`` where there is no such split.
    """

    train: Ready
    validation: Examples | None

    @property
    def targets(self) -> Tensor | None:
        """All training targets; ``None`` where only a loader knows them."""
        return self.train.y if isinstance(self.train, Examples) else None


def given(data: Data, validation: Data | None, device: torch.device, dtype: torch.dtype = torch.float32) -> Given:
    """Whatever data there are, on a device.

    Arrays are held in memory, memory maps are read batch by batch; a loader is read when it is trained on, and at once
    where it is for validation.

    Args:
        data: To train on.
        validation: None where a data set brings its own, or there is none.
        device: Of the model.
        dtype: Of the model's parameters.

    Raises:
        InputError: No examples, inputs and targets of different length, or arrays that hold no numbers.
    """
    reader = _Reader(device, dtype)
    held = reader.validation(validation)
    if isinstance(data, Dataset):
        train, own = (reader.split(data, split) for split in ("train", "validation"))
        return Given(train, held or (own if len(own) else None))
    return Given(reader.train(data), held)


def batches_of(train: Ready, settings: TrainSettings, device: torch.device) -> Batches:
    """Shuffled batches of training examples: in the settings' size and the order of their seed."""
    if not isinstance(train, Examples):
        return LoaderBatches(train, settings.seed, device)
    if isinstance(train.x, Tensor):
        return TensorBatches(train.x, train.y, settings.batch_size, settings.seed)
    return ArrayBatches(train.x, train.y, settings.batch_size, settings.seed, train.rows, device, train.dtype)


def sources(
    data: Data,
    validation: Data | None,
    settings: TrainSettings,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Sources:
    """Batches and examples of whatever data there are, as the model takes them.

    Args:
        data: As :func:`given` takes them, like all but the settings.
        validation: Likewise.
        settings: Batch size and seed.
        device: Of the model.
        dtype: Of the model's parameters.

    Raises:
        InputError: As :func:`given` does.
    """
    known = given(data, validation, device, dtype)
    seen = {"validation": known.validation} if known.validation else {}
    if seen and isinstance(known.train, Examples):
        seen = {"train": _part_of(known.train), **seen}
    marks = data_marks([known.train, known.validation])
    return Sources(batches_of(known.train, settings, device), seen, known.targets, marks)


@dataclass(frozen=True)
class _Reader:
    """Makes examples of data, on the device and in the number type of the model."""

    device: torch.device
    dtype: torch.dtype

    def train(self, data: Arrays | Ready) -> Ready:
        if isinstance(data, Examples):
            return self.moved(data)
        return self.examples(*_pair(data)) if isinstance(data, tuple) else data

    def validation(self, data: Data | None) -> Examples | None:
        if data is None:
            return None
        if isinstance(data, Dataset):
            return self.split(data, "validation")
        if isinstance(data, Examples):
            return self.moved(data)
        x, y = _pair(data) if isinstance(data, tuple) else _read(data)
        return self.examples(x, y) if len(x) else None

    def split(self, data: Dataset, split: str) -> Examples:
        targets = self.targets(data.targets(split))
        if isinstance(data.x, np.memmap):
            return Examples(data.x, targets, data.splits.of(split), self.dtype)
        return Examples(self.inputs(data.inputs(split)), targets)

    def examples(self, x: Tensor | np.ndarray, y: Tensor | np.ndarray) -> Examples:
        if len(x) != len(y) or not len(x):
            raise InputError(
                "data",
                expected="as many targets as inputs, and at least one",
                found=f"{len(x)} and {len(y)}",
                todo="check them",
            )
        targets = self.targets(y)
        return Examples(x if isinstance(x, np.memmap) else self.inputs(x), targets, dtype=self.dtype)

    def moved(self, data: Examples) -> Examples:
        """What lies ready as it is; an array is read batch by batch and moves then."""
        x = self.inputs(data.x) if isinstance(data.x, Tensor) else data.x
        return Examples(x, self.targets(data.y), data.rows, self.dtype)

    def inputs(self, values: Tensor | np.ndarray) -> Tensor:
        if not isinstance(values, Tensor):
            return as_inputs(_numbers(values), self.dtype).to(self.device)
        # halves stay what they are, for autocast; integers are tokens, but for pixels
        ours = values.dtype in (torch.uint8, torch.float32, torch.float64)
        return values.to(self.device, self.dtype if ours else values.dtype)

    def targets(self, values: Tensor | np.ndarray) -> Tensor:
        y = values if isinstance(values, Tensor) else torch.from_numpy(np.require(_numbers(values), None, ("C", "W")))
        if not y.is_floating_point():
            return y.long().to(self.device)
        wide = torch.float64 in (y.dtype, self.dtype)
        return y.to(self.device, _targets_type(self.dtype) if wide else y.dtype)


def _targets_type(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _pair(data: tuple[Any, ...]) -> Arrays:
    if len(data) == 2:
        return data
    raise InputError(
        "data",
        expected="a pair (x, y)",
        found=f"{len(data)} value{'s' * (len(data) != 1)}",
        todo="pass inputs and targets, the validation split as validation=(x, y)",
    )


def _read(loader: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """All batches of a loader, whose order is its own business: it shall not draw from the caller's random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        pairs = [pair_of(batch) for batch in loader]
    if not pairs:
        return torch.empty(0), torch.empty(0)
    return torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])


def _numbers(values: np.ndarray) -> np.ndarray:
    if np.asarray(values).dtype.kind not in "biuf":
        raise InputError(
            "data",
            expected="arrays of numbers",
            found=f"values of type {np.asarray(values).dtype}",
            todo="encode them as numbers, classes as 0, 1, 2, …",
        )
    return np.asarray(values)


def _part_of(train: Examples) -> Examples:
    rows = np.sort(np.random.default_rng(0).permutation(len(train))[:TRAIN_SAMPLE])
    index = torch.from_numpy(rows)
    if isinstance(train.x, Tensor):
        return Examples(train.x[index.to(train.x.device)], train.y[index.to(train.y.device)])
    kept = rows if train.rows is None else train.rows[rows]
    return Examples(train.x, train.y[index.to(train.y.device)], kept, train.dtype)

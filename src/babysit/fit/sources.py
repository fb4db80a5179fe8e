"""What `bs.fit` may be given as data, made into batches to train on and examples to evaluate on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from babysit.data import Dataset
from babysit.data.batches import ArrayBatches, Batches, LoaderBatches, TensorBatches, as_inputs
from babysit.errors import InputError
from babysit.fit.evaluation import Examples
from babysit.fit.settings import TrainSettings

Arrays = tuple[Tensor | np.ndarray, Tensor | np.ndarray]
Data = Dataset | Arrays | Examples | Iterable[tuple[Tensor, Tensor]]
TRAIN_SAMPLE = 5_000
"""Training examples evaluated every epoch, so that both accuracies are measured alike."""


@dataclass(frozen=True, eq=False)
class Sources:
    """What is trained on and what is evaluated.

    Attributes:
        batches: To train on.
        examples: ``"train"`` (a part of it) and ``"validation"`` to evaluate on; empty without a validation split.
        targets: All training targets; ``None`` where only a loader knows them.
    """

    batches: Batches
    examples: dict[str, Examples]
    targets: Tensor | None


@dataclass(frozen=True, eq=False)
class Given:
    """Data of any kind as they lie ready, whatever the batch size and the order.

    Attributes:
        train: Examples, or a user's own loader.
        validation: ``None`` where there is no such split.
    """

    train: Examples | Iterable[tuple[Tensor, Tensor]]
    validation: Examples | None

    @property
    def targets(self) -> Tensor | None:
        """All training targets; ``None`` where only a loader knows them."""
        return self.train.y if isinstance(self.train, Examples) else None


def given(data: Data, validation: Data | None, device: torch.device) -> Given:
    """Whatever data there are, on a device.

    Arrays are held in memory, memory maps are read batch by batch; a loader is read when it is trained on, and at once
    where it is for validation.

    Raises:
        InputError: No examples, inputs and targets of different length, or arrays that hold no numbers.
    """
    held = _validation(validation, device)
    if isinstance(data, Dataset):
        train, own = (_split(data, split, device) for split in ("train", "validation"))
        return Given(train, held or (own if len(own) else None))
    if isinstance(data, tuple):
        x, y = data
        return Given(_examples(x, y, device), held)
    return Given(_on(data, device) if isinstance(data, Examples) else data, held)


def batches_of(
    train: Examples | Iterable[tuple[Tensor, Tensor]], settings: TrainSettings, device: torch.device
) -> Batches:
    """Shuffled batches of training examples: in the settings' size and the order of their seed."""
    if not isinstance(train, Examples):
        return LoaderBatches(train, settings.seed, device)
    if isinstance(train.x, Tensor):
        return TensorBatches(train.x, train.y, settings.batch_size, settings.seed)
    return ArrayBatches(train.x, train.y, settings.batch_size, settings.seed, train.rows, device)


def sources(data: Data, validation: Data | None, settings: TrainSettings, device: torch.device) -> Sources:
    """Batches and examples of whatever data there are, on the model's device.

    Raises:
        InputError: As :func:`given` does.
    """
    known = given(data, validation, device)
    seen = {"validation": known.validation} if known.validation else {}
    if seen and isinstance(known.train, Examples):
        seen = {"train": _part_of(known.train), **seen}
    return Sources(batches_of(known.train, settings, device), seen, known.targets)


def _validation(data: Data | None, device: torch.device) -> Examples | None:
    if data is None:
        return None
    if isinstance(data, Dataset):
        return _split(data, "validation", device)
    if isinstance(data, Examples):
        return _on(data, device)
    x, y = data if isinstance(data, tuple) else _read(data)
    return _examples(x, y, device) if len(x) else None


def _read(loader: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    pairs = list(loader)
    if not pairs:
        return torch.empty(0), torch.empty(0)
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(part, Tensor) for part in pair)):
            raise InputError(
                "validation",
                expected="a loader of (x, y), both tensors",
                found=f"a batch that is a {type(pair).__name__}",
                todo="let it give such pairs",
            )
    return torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])


def _on(examples: Examples, device: torch.device) -> Examples:
    """What lies ready as it is; an array is read batch by batch and moves then."""
    x = examples.x.to(device) if isinstance(examples.x, Tensor) else examples.x
    return Examples(x, examples.y.to(device), examples.rows)


def _split(data: Dataset, split: str, device: torch.device) -> Examples:
    targets = _targets(data.targets(split)).to(device)
    if isinstance(data.x, np.memmap):
        return Examples(data.x, targets, data.splits.of(split))
    return Examples(_inputs(data.inputs(split)).to(device), targets)


def _examples(x: Tensor | np.ndarray, y: Tensor | np.ndarray, device: torch.device) -> Examples:
    if len(x) != len(y) or not len(x):
        raise InputError(
            "data",
            expected="as many targets as inputs, and at least one",
            found=f"{len(x)} and {len(y)}",
            todo="check them",
        )
    targets = _targets(y).to(device)
    return Examples(x if isinstance(x, np.memmap) else _inputs(x).to(device), targets)


def _inputs(values: Tensor | np.ndarray) -> Tensor:
    if isinstance(values, Tensor):
        return values.float() if values.dtype in (torch.uint8, torch.float64) else values
    return as_inputs(_numbers(values))


def _targets(values: Tensor | np.ndarray) -> Tensor:
    y = values if isinstance(values, Tensor) else torch.from_numpy(np.require(_numbers(values), None, ("C", "W")))
    if not y.is_floating_point():
        return y.long()
    return y.float() if y.dtype == torch.float64 else y


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
    return Examples(train.x, train.y[index.to(train.y.device)], rows if train.rows is None else train.rows[rows])

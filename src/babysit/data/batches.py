"""Fast batches: data held in memory is sliced, not collated example by example.

The order of the examples is a function of (seed, epoch), so a training that goes on after a kill sees exactly the
batches it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from babysit.errors import InputError

_SHUFFLE_STREAM = 0x5EED


class Batches(Protocol):
    """What a trainer trains on: batches by number of the step."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the data."""

    @property
    def batch_size(self) -> int:
        """Examples in a batch."""

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the ``step``-th step, counted from 0 over all epochs."""


def permutation(examples: int, seed: int, epoch: int) -> Tensor:
    """The order of the examples in one epoch, a function of its arguments alone.

    Example:
        >>> bool((permutation(10, 0, 1) == permutation(10, 0, 1)).all())
        True
    """
    generator = np.random.Generator(np.random.PCG64([_SHUFFLE_STREAM, seed, epoch]))
    return torch.from_numpy(generator.permutation(examples))


class TensorBatches:
    """Shuffled batches of tensors in memory.

    All batches have ``batch_size`` examples; what is left over at an epoch's end is dropped, and as every epoch is
    shuffled anew no example is left out for good. With fewer examples than that there is one batch of them all.

    Args:
        x: Inputs ``(N, …)``.
        y: Targets ``(N, …)``.
        batch_size: Examples a step.
        seed: Of the order of the examples.

    Raises:
        InputError: No examples, or inputs and targets of different length.
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, seed: int) -> None:
        if len(x) != len(y) or len(x) == 0:
            raise InputError(
                "data",
                expected="as many targets as inputs, and at least one",
                found=f"{len(x)} inputs and {len(y)} targets",
                todo="pass x and y of equal length",
            )
        self.x, self.y = x, y
        self.batch_size = max(1, min(batch_size, len(x)))
        self.steps_per_epoch = len(x) // self.batch_size
        self._seed = seed
        self._order: tuple[int, Tensor] | None = None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the ``step``-th step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, permutation(len(self.x), self._seed, epoch).to(self.x.device))
        rows = self._order[1][position * self.batch_size : (position + 1) * self.batch_size]
        return self.x.index_select(0, rows), self.y.index_select(0, rows)


class ArrayBatches:
    """Shuffled batches of an array that may be larger than memory, such as a memory map.

    Rows are read in ascending order, for the disk's sake, and converted to float32.

    Args:
        x: Inputs ``(N, …)``, any NumPy array.
        y: Targets ``(N, …)``.
        batch_size: Examples a step.
        seed: Of the order of the examples.
        rows: The rows to use, such as a training split; all by default.
    """

    def __init__(self, x: np.ndarray, y: Tensor, batch_size: int, seed: int, rows: np.ndarray | None = None) -> None:
        self._x = x
        self._rows = np.arange(len(x)) if rows is None else rows
        self._numbers = TensorBatches(torch.arange(len(self._rows)), y, batch_size, seed)
        self.batch_size = self._numbers.batch_size
        self.steps_per_epoch = self._numbers.steps_per_epoch

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the ``step``-th step."""
        numbers, targets = self._numbers.batch(step)
        rows = self._rows[numbers.numpy()]
        order = np.argsort(rows, kind="stable")
        taken = np.asarray(self._x[rows[order]], dtype=np.float32)
        return torch.from_numpy(taken), targets[torch.from_numpy(order)]


class LoaderBatches:
    """Batches of a user's own DataLoader (or any sized iterable of ``(x, y)`` pairs), in its own order.

    Steps have to be asked for in order; going on from a later step passes over the batches before it.

    Args:
        loader: Gives ``(x, y)`` pairs and has a length.
    """

    def __init__(self, loader: Iterable[tuple[Tensor, Tensor]]) -> None:
        self._loader = loader
        self.steps_per_epoch = len(loader)  # type: ignore[arg-type]  # a loader without a length raises here
        self.batch_size = int(getattr(loader, "batch_size", 0) or 0)
        self._next_step = 0
        self._batches: Iterator[tuple[Tensor, Tensor]] = iter(())

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the ``step``-th step."""
        while True:
            if self._next_step % self.steps_per_epoch == 0:
                self._batches = iter(self._loader)
            x, y = next(self._batches)
            self._next_step += 1
            if self._next_step > step:
                return x, y

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

    Rows are read in ascending order, for the disk's sake, a batch at a time.

    Args:
        x: Inputs ``(N, …)``, any NumPy array.
        y: Targets ``(N, …)``.
        batch_size: Examples a step.
        seed: Of the order of the examples.
        rows: The rows to use, such as a training split; all by default.
        device: Where the batches are wanted.
        dtype: Of the inputs, unless they are tokens.

    Raises:
        InputError: No examples, or inputs and targets of different length.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: Tensor,
        batch_size: int,
        seed: int,
        rows: np.ndarray | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._x = x
        self._device = device
        self._dtype = dtype
        self._rows = np.arange(len(x)) if rows is None else rows
        self._numbers = TensorBatches(torch.arange(len(self._rows)), y.cpu(), batch_size, seed)
        self.batch_size = self._numbers.batch_size
        self.steps_per_epoch = self._numbers.steps_per_epoch

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the ``step``-th step."""
        numbers, targets = self._numbers.batch(step)
        rows = self._rows[numbers.numpy()]
        order = np.argsort(rows, kind="stable")
        inputs = as_inputs(self._x[rows[order]], self._dtype)
        return inputs.to(self._device), targets[torch.from_numpy(order)].to(self._device)


def as_inputs(values: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
    """What a model takes for some rows of an array: floats of its own type, also for pixels; tokens as int64.

    Args:
        values: Integers are tokens, but for uint8, which are pixels.
        dtype: Of the model.

    Example:
        >>> as_inputs(np.array([1, 2], np.uint8)).dtype, as_inputs(np.array([1, 2], np.int32)).dtype
        (torch.float32, torch.int64)
    """
    if values.dtype.kind in "iu" and values.dtype != np.uint8:
        return torch.from_numpy(np.require(values, np.int64, ("C", "W")))
    floats = np.float64 if dtype == torch.float64 else np.float32
    return torch.from_numpy(np.require(values, floats, ("C", "W"))).to(dtype)


class LoaderBatches:
    """Batches of a user's own DataLoader (or any sized iterable of ``(x, y)`` pairs).

    A loader that shuffles by torch's global random numbers has an order that is a function of (seed, epoch); one with
    a generator of its own goes on with it. Steps are meant to be asked for in order: going on from a later step passes
    over the batches before it, going back begins anew.

    Args:
        loader: Gives ``(x, y)`` pairs and has a length.
        seed: Of the order of the examples.
        device: Where the batches are wanted.

    Raises:
        InputError: The loader has no length, or no batches.
    """

    def __init__(
        self, loader: Iterable[tuple[Tensor, Tensor]], seed: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        self._loader = loader
        self.steps_per_epoch = _length(loader)
        self.batch_size = int(getattr(loader, "batch_size", 0) or 0)
        self._seed = seed
        self._device = device
        self._next_step = 0
        self._last: tuple[Tensor, Tensor] | None = None
        self._batches: Iterator[tuple[Tensor, Tensor]] = iter(())

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the ``step``-th step.

        Raises:
            InputError: The loader ended before its length.
        """
        if self._last is None or step != self._next_step - 1:
            self._pass_over(step)
            x, y = self._take()
            self._last = x.to(self._device), y.to(self._device)
        return self._last

    def _pass_over(self, step: int) -> None:
        if step < self._next_step:
            self._next_step = 0
        if step > self._next_step:
            with torch.random.fork_rng(devices=[]):
                while step > self._next_step:
                    self._take()

    def _take(self) -> tuple[Tensor, Tensor]:
        epoch, position = divmod(self._next_step, self.steps_per_epoch)
        try:
            batch = next(self._batches) if position else self._begin(epoch)
        except StopIteration:
            raise InputError(
                "data",
                expected=f"a loader of {self.steps_per_epoch} batches, as its length says",
                found=str(position),
                todo="make its length agree; a generator can be read only once, a DataLoader every epoch",
            ) from None
        self._next_step += 1
        return pair_of(batch)

    def _begin(self, epoch: int) -> tuple[Tensor, Tensor]:
        """The first batch of an epoch: what the loader draws for its order, it draws by now."""
        (seed,) = np.random.SeedSequence([_SHUFFLE_STREAM, self._seed, epoch]).generate_state(1)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(seed))
            self._batches = iter(self._loader)
            return next(self._batches)


def pair_of(batch: object) -> tuple[Tensor, Tensor]:
    """What a loader gives, if it is a batch of inputs and targets.

    Raises:
        InputError: It is anything else, such as a single example of a data set that no loader is around.
    """
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    types = ", ".join(type(part).__name__ for part in parts)
    if len(parts) == 2 and all(isinstance(part, Tensor) for part in parts):
        x, y = parts
        if y.dim():
            return x, y
        types = "a single example"
    raise InputError(
        "data",
        expected="batches of two tensors, inputs and targets",
        found=types,
        todo="wrap a data set in a DataLoader that gives (x, y); pass arrays as (x, y)",
    )


def _length(loader: object) -> int:
    try:
        length = len(loader)  # type: ignore[arg-type]  # the loader of an IterableDataset has none
    except TypeError:
        length = 0
    if length == 0:
        raise InputError(
            "data",
            expected="a loader with a length and at least one batch",
            found="none",
            todo="pass a DataLoader of a sized data set, with fewer examples a batch or drop_last=False",
        )
    return length

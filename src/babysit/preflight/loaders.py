"""Further batches from the loader of a script: its data may be files, or be made when they are asked for."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Sequence, Sized
from types import FrameType
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

from babysit.preflight.batch import Batch, tensors_of
from babysit.preflight.frames import values_of
from babysit.preflight.randomness import generators_kept, randomness_kept

Rows = NDArray[np.int64]

DRAWING = 1.0
"""Seconds that it may take, as files are read for it."""
_ALIKE = 2.0
"""Batches of the same data have deviations within this factor of each other, and means no further apart than these; a
script that scales or shifts what its loader gives is not followed (heuristic)."""


def draw_batches(
    batch: Batch, frame: FrameType | None, count: int, further: int = 0, seconds: float = DRAWING
) -> list[list[Tensor]]:
    """Draw batches like a script's first one from the loader that it has, without its workers.

    Args:
        batch: The first one, as it was recorded; its inputs and targets are tuples of tensors.
        frame: Of whoever asks; the frames of the script are those around it.
        count: How many, spread evenly over the data; fewer where time is short.
        further: How many more, of the data in any order.
        seconds: That this may take.

    Returns:
        The inputs and then the targets of each, of the first batch's shapes and kinds; what is no example a row, as the
        weights of classes, is the first batch's own. Nothing where it is not clear what of a loader's is what of them.
    """
    until = time.monotonic() + seconds
    for loader in sorted(_loaders(frame), key=lambda item: not isinstance(item.sampler, RandomSampler)):
        if loader.batch_size != batch.size or isinstance(loader.dataset, IterableDataset):
            continue
        # a data set may be of any kind, and draw random numbers
        with contextlib.suppress(Exception), randomness_kept(), generators_kept(loader.dataset):
            total = len(cast(Sized, loader.dataset))  # one without a length raises, and is left
            if total <= batch.size:
                continue
            rows = [*spread(total, count, batch.size), *passes(total, further, batch.size)]
            found = list(_batches_of(loader, batch, rows, until))
            if found:
                return found
    return []


def spread(total: int, count: int, size: int) -> list[Rows]:
    """The rows of so many batches, evenly over all of the data."""
    places = np.linspace(0, total - 1, count * size).astype(np.int64)
    return np.split(np.random.default_rng(0).permutation(places), count)


def passes(total: int, count: int, size: int) -> list[Rows]:
    """The rows of so many batches, when all of the data are gone through in any order, and again.

    Example:
        >>> sorted(row for rows in passes(6, 3, 2) for row in rows.tolist())
        [0, 1, 2, 3, 4, 5]
    """
    draw = np.random.default_rng(1)
    once = total // size
    epochs = [np.split(draw.permutation(total)[: once * size], once) for _ in range(math.ceil(count / once))]
    return [rows for epoch in epochs for rows in epoch][:count]


def _batches_of(loader: DataLoader[Any], batch: Batch, rows: Sequence[Rows], until: float) -> Iterator[list[Tensor]]:
    parts = [*batch.inputs, *batch.targets]
    places: list[int] | None = None
    data = _apart(loader.dataset)
    for indices in rows:
        drawn = _drawn(loader, data, indices.tolist())
        places = _places(parts, drawn, batch.size) if places is None else places
        if places is None:
            return
        yield [_as(part, drawn[at]) if at >= 0 else part for part, at in zip(parts, places, strict=True)]
        if time.monotonic() > until:
            return


def _loaders(frame: FrameType | None) -> Iterator[DataLoader[Any]]:
    for value in values_of(frame):
        if isinstance(value, DataLoader):
            yield value


def _drawn(loader: DataLoader[Any], data: Any, indices: Sequence[int]) -> list[Tensor]:
    assert loader.collate_fn is not None
    return tensors_of(loader.collate_fn([data[index] for index in indices]))


def _apart(data: Any) -> Any:
    """The same data as objects of their own, of which what they count while they are read is not the script's."""
    apart = copy.copy(data)
    for name, value in list(getattr(apart, "__dict__", {}).items()):
        if isinstance(value, Dataset):
            apart.__dict__[name] = _apart(value)
    return apart


def _places(parts: Sequence[Tensor], drawn: Sequence[Tensor], size: int) -> list[int] | None:
    """Which of the loader's tensors each part was, −1 where it is none of examples; they come in the same order."""
    places: list[int] = []
    for number, part in enumerate(parts):
        if not part.dim() or len(part) != size:
            places.append(-1)
            continue
        same = next((before for before in range(number) if _is_same(parts[before], part)), None)
        if same is not None:
            places.append(places[same])
            continue
        place = next((p for p, item in enumerate(drawn) if p not in places and _is_alike(part, item)), None)
        if place is None:
            return None
        places.append(place)
    return places if any(place >= 0 for place in places) else None


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.numel() == other.numel() and torch.equal(one.reshape(-1).double(), other.reshape(-1).double())


def _is_alike(part: Tensor, drawn: Tensor) -> bool:
    """Whether two tensors may hold the same kind of numbers of as many examples."""
    if not drawn.dim() or len(drawn) != len(part) or drawn.numel() != part.numel() or part.is_complex():
        return False
    if drawn.is_floating_point() and not part.is_floating_point():
        return False
    one, other = (item.detach().reshape(-1).double().cpu() for item in (part, drawn))
    one, other = one[one.isfinite()], other[other.isfinite()]
    if len(one) < 2 or len(other) < 2:
        return False
    deviations = float(one.std()), float(other.std())
    if max(deviations) > _ALIKE * min(deviations):
        return False
    return abs(float(one.mean() - other.mean())) <= max(max(deviations), 1e-6 * abs(float(one.mean())))


def _as(part: Tensor, drawn: Tensor) -> Tensor:
    return drawn.detach().reshape(part.shape).to(part.device, part.dtype)

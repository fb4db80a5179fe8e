"""The data that a script's first batch was taken from: found by its rows among what the script holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from babysit.preflight.batch import Batch
from babysit.preflight.frames import values_of
from babysit.preflight.loaders import Rows, draw_batches, passes, spread
from babysit.watch.batches import fingerprints

BATCHES, FURTHER = 15, 48
"""Batches that are spread over all data, and how many more there are to be for trainings that are tried for longer: by
sixteen batches that come again and again another rate is found best than by all (simulated, see docs/check.md)."""
MOST_BYTES = 1 << 28
"""That further batches may take."""
_MOST_HELD = 8
_MOST_NUMBERS = 1 << 27
_MOST_WINDOWED = 1 << 24


@dataclass(frozen=True)
class MoreData:
    """Further batches of a script's training data.

    Attributes:
        batches: Spread evenly over the data, of the first batch's size.
        further: More of them, as they come when the data are gone through in any order.
        extreme: A batch with the rows that are not finite, or have the smallest and the largest targets.
    """

    batches: tuple[Batch, ...]
    further: tuple[Batch, ...]
    extreme: Batch


def find_more(batch: Batch, frame: FrameType | None) -> MoreData | None:
    """Look in the variables of the script for the tensors that a batch's rows come from, or for a loader like it.

    Args:
        batch: The first one, as it was recorded; its inputs and targets are tuples of tensors.
        frame: Of whoever asks; the frames of the script are those around it.

    Returns:
        ``None`` where any part of the batch is not found, row by row, among the script's tensors, and no loader of the
        script gives batches of such parts.
    """
    parts = _among_tensors(batch, frame)
    further = min(FURTHER, MOST_BYTES // max(1, batch.nbytes))
    if parts is not None:
        recorded = (*batch.inputs, *batch.targets)
        total = next(len(part) for part, own in zip(parts, recorded, strict=True) if _is_of_examples(own, batch))
        return _more(batch, parts, spread(total, BATCHES, batch.size), passes(total, further, batch.size))
    drawn = draw_batches(batch, frame, BATCHES, further)
    if not drawn:
        return None
    joined = [
        torch.cat(several) if _is_of_examples(several[0], batch) else several[0] for several in zip(*drawn, strict=True)
    ]
    rows = np.split(np.arange(len(drawn) * batch.size), len(drawn))
    return _more(batch, joined, rows[:BATCHES], rows[BATCHES:])


def _among_tensors(batch: Batch, frame: FrameType | None) -> list[Tensor] | None:
    """The whole of each part of a batch, inputs first; what is no example a row, as classes' weights, is as it is."""
    held = [item for item in _held(frame) if item.dim() and len(item) > batch.size and item.numel() <= _MOST_NUMBERS]
    held.sort(key=len)  # the training data have fewer rows than what they were split from
    rows = _rows(batch, held)
    if rows is None:
        return None
    total, places = rows
    parts = [
        _source(part, held, total, places) if _is_of_examples(part, batch) else part
        for part in (*batch.inputs, *batch.targets)
    ]
    found = [part for part in parts if part is not None]
    return found if len(found) == len(parts) else None


def _is_of_examples(part: Tensor, batch: Batch) -> bool:
    return part.dim() > 0 and len(part) == batch.size


def _more(batch: Batch, parts: Sequence[Tensor], rows: Sequence[Rows], further: Sequence[Rows]) -> MoreData:
    """Batches of these rows of the data that the parts of a batch were taken from."""
    recorded = (*batch.inputs, *batch.targets)
    count = len(batch.inputs)

    def taken(indices: Rows) -> Batch:
        chosen = torch.from_numpy(indices)
        found = [
            part[chosen] if _is_of_examples(own, batch) else part for part, own in zip(parts, recorded, strict=True)
        ]
        return Batch(tuple(found[:count]), tuple(found[count:]), len(indices))

    whole = [part for part, own in zip(parts, recorded, strict=True) if _is_of_examples(own, batch)]
    targets = [part for part, own in zip(parts[count:], batch.targets, strict=True) if _is_of_examples(own, batch)]
    return MoreData(tuple(map(taken, rows)), tuple(map(taken, further)), taken(_extreme(whole, targets, batch.size)))


def find_held(batch: Batch, frame: FrameType | None) -> tuple[Batch, ...]:
    """Batches of other data of the same kind, as a script holds for its evaluation when it draws training data anew.

    Args:
        batch: The first one, as it was recorded.
        frame: Of whoever asks.

    Returns:
        Batches spread evenly over it; none where it is not clear which tensors belong together.
    """
    wanted = (*batch.inputs, *batch.targets)
    if not batch.inputs or not batch.targets or any(not part.dim() or len(part) != batch.size for part in wanted):
        return ()
    held = [item for item in _held(frame) if item.dim() and len(item) >= batch.size and item.device == wanted[0].device]
    for total in sorted({len(item) for item in held if len(item) > batch.size}, reverse=True):
        found = [[item for item in held if len(item) == total and _is_kind(item, part)] for part in wanted]
        if all(len(items) == 1 for items in found):
            inputs = tuple(items[0] for items in found[: len(batch.inputs)])
            targets = tuple(items[0] for items in found[len(batch.inputs) :])
            count = min(_MOST_HELD, total // batch.size)
            order = torch.linspace(0, total - 1, count * batch.size).long().reshape(count, -1)
            return tuple(
                Batch(tuple(item[rows] for item in inputs), tuple(item[rows] for item in targets), batch.size)
                for rows in order
            )
    return ()


def _is_kind(item: Tensor, part: Tensor) -> bool:
    return item.dtype == part.dtype and item.shape[1:] == part.shape[1:]


def _rows(batch: Batch, held: Sequence[Tensor]) -> tuple[int, Rows] | None:
    """How many examples there are, and which of them the batch holds."""
    for part in batch.inputs:
        wanted = fingerprints(part).tolist() if len(part) == batch.size else []
        if len(set(wanted)) < max(2, batch.size // 2):  # too much alike to be told apart
            continue
        for item in _like(part, held):
            known = {code: place for place, code in enumerate(fingerprints(item).tolist())}
            if all(code in known for code in wanted):
                return len(item), np.array([known[code] for code in wanted])
    return None


def _like(part: Tensor, held: Iterable[Tensor]) -> Iterator[Tensor]:
    """Those of the tensors that rows of this shape and kind can come from, whole or all but one end of each row."""
    if not part.dim():
        return
    for item in held:
        if item.is_floating_point() != part.is_floating_point() or item.device != part.device:
            continue
        if item[0].numel() == part[0].numel():
            yield item.detach().reshape(len(item), *part.shape[1:]).to(part.dtype)
        elif part.dim() > 1:
            # a model of sequences is given all but the last, and shall answer with all but the first
            longer = _windows(item.detach(), part.shape[1] + 1) if item.dim() == 1 else item.detach()
            if longer.dim() == part.dim() and longer.shape[1:] == (part.shape[1] + 1, *part.shape[2:]):
                yield from (ends.to(part.dtype) for ends in (longer[:, :-1], longer[:, 1:]))


def _windows(text: Tensor, length: int) -> Tensor:
    """All stretches of one long row of tokens."""
    fits = length <= len(text) and len(text) * length <= _MOST_WINDOWED and not text.is_floating_point()
    return text.unfold(0, length, 1) if fits else text


def _source(part: Tensor, held: Sequence[Tensor], total: int, places: Rows) -> Tensor | None:
    chosen = torch.from_numpy(places)
    return next((item for item in _like(part, held) if len(item) == total and torch.equal(item[chosen], part)), None)


def _extreme(parts: Sequence[Tensor], targets: Sequence[Tensor], size: int) -> Rows:
    broken: set[int] = set()
    for part in parts:
        if part.is_floating_point():
            bad = ~part.reshape(len(part), -1).isfinite().all(dim=1)
            broken |= set(bad.nonzero().flatten()[: max(1, size // 2)].tolist())
    ends = [int(place) for item in targets for place in _ends(item)]
    total = len(parts[0])
    rows = [*ends, *sorted(broken), *np.linspace(0, total - 1, size).astype(int).tolist()]
    return np.array(rows[:size], dtype=np.int64)


def _ends(target: Tensor) -> tuple[Tensor, Tensor]:
    each = target.reshape(len(target), -1)
    return each.amin(dim=1).argmin(), each.amax(dim=1).argmax()


def _held(frame: FrameType | None) -> list[Tensor]:
    """The tensors in the variables of a script, in its data sets, and in those of its loaders."""
    return list({id(item): item for value in values_of(frame) for item in _tensors(value)}.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.layout is torch.strided and not value.requires_grad:
            yield value
    elif isinstance(value, DataLoader):
        yield from _tensors(value.dataset)
    elif isinstance(value, Subset):
        yield from (item[torch.as_tensor(value.indices)] for item in _tensors(value.dataset))
    elif isinstance(value, TensorDataset):
        yield from value.tensors
    elif isinstance(value, Dataset):
        yield from (item for item in vars(value).values() if isinstance(item, Tensor))
    elif isinstance(value, tuple | list) and len(value) <= 16:
        yield from (item for item in value if isinstance(item, Tensor))
    elif isinstance(value, dict) and len(value) <= 16:
        yield from (item for item in value.values() if isinstance(item, Tensor))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim and value.flags.writeable:
        with np.errstate(all="ignore"):
            yield torch.from_numpy(value)

"""The data that a script's first batch was taken from: found by its rows among what the script holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from babysit.preflight.batch import Batch
from babysit.watch.batches import fingerprints

BATCHES = 15
_MOST_HELD = 8
_MOST_NUMBERS = 1 << 27
_FOREIGN = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class MoreData:
    """Further batches of a script's training data.

    Attributes:
        batches: Spread evenly over the data, of the first batch's size.
        extreme: A batch with the rows that are not finite, or have the smallest and the largest targets.
    """

    batches: tuple[Batch, ...]
    extreme: Batch


def find_more(batch: Batch, frame: FrameType | None) -> MoreData | None:
    """Look in the variables of the script for the tensors that a batch's rows come from.

    Args:
        batch: The first one, as it was recorded; its inputs and targets are tuples of tensors.
        frame: Of whoever asks; the frames of the script are those around it.

    Returns:
        ``None`` where any part of the batch is not found, row by row, among the script's tensors.
    """
    held = [item for item in _held(frame) if item.dim() and len(item) > batch.size and item.numel() <= _MOST_NUMBERS]
    rows = _rows(batch, held)
    if rows is None:
        return None
    total, places = rows
    of_data = [item for item in held if len(item) == total]
    parts = [[_source(part, of_data, places) for part in group] for group in (batch.inputs, batch.targets)]
    inputs, targets = ([part for part in group if part is not None] for group in parts)
    if len(inputs) < len(batch.inputs) or len(targets) < len(batch.targets):
        return None

    def taken(indices: Rows) -> Batch:
        chosen = torch.from_numpy(indices)
        return Batch(tuple(item[chosen] for item in inputs), tuple(item[chosen] for item in targets), len(indices))

    order = np.random.default_rng(0).permutation(np.linspace(0, total - 1, BATCHES * batch.size).astype(np.int64))
    batches = tuple(taken(part) for part in np.split(order, BATCHES))
    return MoreData(batches, taken(_extreme([*inputs, *targets], targets, batch.size)))


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
    """Those of the tensors that rows of this shape and kind can come from."""
    if not part.dim():
        return
    for item in held:
        is_alike = item.is_floating_point() == part.is_floating_point() and item.device == part.device
        if is_alike and item[0].numel() == part[0].numel():
            yield item.detach().reshape(len(item), *part.shape[1:]).to(part.dtype)


def _source(part: Tensor, of_data: Sequence[Tensor], places: Rows) -> Tensor | None:
    chosen = torch.from_numpy(places)
    return next((item for item in _like(part, of_data) if torch.equal(item[chosen], part)), None)


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
    found: dict[int, Tensor] = {}
    seen: set[int] = set()
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_FOREIGN):
            for space in (frame.f_locals, frame.f_globals):
                if id(space) not in seen:
                    seen.add(id(space))
                    for value in list(space.values()):
                        found |= {id(item): item for item in _tensors(value)}
        frame = frame.f_back
    return list(found.values())


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

"""What a model was given: its inputs in numbers, which examples they were, and the mode it was in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from babysit.measure.record import Forward, Numbers
from babysit.watch.gather import Gather
from babysit.watch.numbers import put_numbers
from babysit.watch.values import as_real

MOST_REMEMBERED = 1 << 17
"""Training examples whose fingerprints are kept, 8 bytes each."""

MOST_LOOKED_AT = 512
"""Examples of a batch that are fingerprinted."""

_COLUMNS = 256
_MULTIPLIER = 0x9E3779B97F4A7C15

Codes = NDArray[np.int64]
Inputs = tuple[Numbers | None, Codes]


@dataclass(frozen=True)
class Modes:
    """The mode a model was in: see the fields of the same names in :class:`~babysit.measure.record.Forward`."""

    norms: int = 0
    norms_training: int = 0
    norms_fresh: int = 0
    dropouts: int = 0
    dropouts_training: int = 0


class SeenExamples:
    """Fingerprints of the examples that training batches held."""

    def __init__(self) -> None:
        self._codes: set[int] = set()
        self._last: frozenset[int] = frozenset()

    @property
    def last(self) -> frozenset[int]:
        """Those of the last training batch."""
        return self._last

    def __len__(self) -> int:
        return len(self._codes)

    def share_of(self, codes: Codes) -> int:
        """How many of these were in a training batch before."""
        return sum(code in self._codes for code in codes.tolist())

    def repeated(self, codes: Codes) -> int:
        """How many of these were in the training batch before."""
        return sum(code in self._last for code in codes.tolist())

    def add(self, codes: Codes) -> None:
        """Remember a training batch."""
        self._last = frozenset(codes.tolist())
        if len(self._codes) < MOST_REMEMBERED:
            self._codes.update(self._last)


def fingerprints(batch: Tensor) -> Tensor:
    """A 64-bit code of each example; equal values give equal codes, on any device and in any batch.

    Args:
        batch: ``(N, …)``.

    Returns:
        ``(N,)`` int64.

    Example:
        >>> codes = fingerprints(torch.tensor([[1.0, 2.0], [1.0, 2.5], [1.0, 2.0]]))
        >>> bool(codes[0] == codes[2]), bool(codes[0] == codes[1])
        (True, False)
    """
    rows = batch.detach().reshape(len(batch), -1)
    if rows.shape[1] > 2 * _COLUMNS:
        # different examples hardly ever agree in so many places; an odd step meets all columns of an image
        rows = rows[:, :: rows.shape[1] // _COLUMNS | 1]
    if rows.is_floating_point():
        # zeros of both signs are equal; integers add up to the same sum in any order
        rows = (rows.to(torch.float32) + 0.0).contiguous().view(torch.int32)
    weights = _weights(rows.shape[1], rows.device)
    codes = rows.to(torch.int64) * weights
    return (codes ^ (codes >> 29)).sum(dim=1)


def measure_inputs(batch: Tensor, gather: Gather) -> Callable[[], Inputs]:
    """Numbers and fingerprints of a batch, once they were read; no numbers of integers.

    Args:
        batch: The first tensor that a model was given.
        gather: Takes the numbers.
    """
    some = as_real(batch.detach()[:MOST_LOOKED_AT] if batch.dim() else batch.detach().reshape(1))
    codes = gather.put_integers(fingerprints(some)) if some.numel() else None
    numbers = None
    if some.is_floating_point():
        numbers = put_numbers(some, gather)

    def read() -> Inputs:
        found = codes() if codes is not None else np.empty(0, dtype=np.int64)
        return (None if numbers is None else numbers()), found

    return read


def modes_of(model: nn.Module) -> Modes:
    """The mode that a model's normalisations and dropouts are in."""
    tracking: list[nn.modules.batchnorm._BatchNorm] = []
    dropouts: list[nn.Module] = []
    for item in model.modules():
        if isinstance(item, nn.modules.batchnorm._BatchNorm):
            if item.track_running_stats:
                tracking.append(item)
        elif _drops(item):
            dropouts.append(item)
    return Modes(
        norms=len(tracking),
        norms_training=sum(item.training for item in tracking),
        norms_fresh=sum(not item.training and _is_fresh(item) for item in tracking),
        dropouts=len(dropouts),
        dropouts_training=sum(item.training for item in dropouts),
    )


def available_beside(batch: Tensor) -> int:
    """Examples in the memory that a batch is a part of; 0 where it is no part of a larger tensor."""
    if batch.dim() < 1 or not len(batch) or batch._base is None:
        return 0
    size = batch.numel() // len(batch) * batch.element_size()
    return int(batch.untyped_storage().nbytes() // size) if size else 0


def normalised_values(module: nn.Module, inputs: Any) -> int | None:
    """How many values a batch normalisation in training mode takes each channel's statistics over."""
    if not isinstance(module, nn.modules.batchnorm._BatchNorm) or not isinstance(inputs, Tensor) or inputs.dim() < 2:
        return None
    if not module.training and module.track_running_stats:
        return None
    return inputs.numel() // max(inputs.shape[1], 1)


def resolve(forward: Forward, seen: SeenExamples, inputs: Inputs, phase: str) -> Forward:
    """Fill in what it was given, now that the phase is known; training examples are remembered."""
    numbers, codes = inputs
    if not len(codes):
        return replace(forward, phase=phase, inputs=numbers)
    training = phase == "train"
    filled = replace(
        forward,
        phase=phase,
        inputs=numbers,
        examples=len(codes),
        distinct=len(np.unique(codes)),
        repeated=seen.repeated(codes) if training else 0,
        seen=seen.share_of(codes),
    )
    if training:
        seen.add(codes)
    return filled


def fewest(values: Iterable[tuple[str, int]]) -> tuple[str, int | None]:
    """The normalisation with the fewest values."""
    return min(values, key=lambda item: item[1], default=("", None))


def _drops(module: nn.Module) -> bool:
    """Whether the module leaves something out in training mode: dropout, also inside recurrent nets and attention."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    return isinstance(module, nn.MultiheadAttention) and module.dropout > 0


def _is_fresh(norm: nn.modules.batchnorm._BatchNorm) -> bool:
    """Whether the running statistics are as they were made: mean 0, variance 1, no batch counted."""
    counted = norm.num_batches_tracked
    if norm.running_mean is None or norm.running_var is None or (counted is not None and int(counted) > 0):
        return False
    return not bool(norm.running_mean.any()) and bool((norm.running_var == 1).all())


_WEIGHTS: dict[tuple[int, str], Tensor] = {}


def _weights(size: int, device: torch.device) -> Tensor:
    key = size, str(device)
    if key not in _WEIGHTS:
        if len(_WEIGHTS) > 8:
            _WEIGHTS.clear()
        with np.errstate(over="ignore"):
            mixed = (np.arange(1, size + 1, dtype=np.uint64) * np.uint64(_MULTIPLIER)) | np.uint64(1)
        _WEIGHTS[key] = torch.from_numpy(mixed.view(np.int64).copy()).to(device)
    return _WEIGHTS[key]

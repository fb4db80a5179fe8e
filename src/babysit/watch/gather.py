"""Numbers of one recorded step on their way from the device to the host, in one copy a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babysit.watch.values import joined

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

_CARRIED: dict[torch.dtype, Any] = {torch.float64: np.float64, torch.int64: np.int64, torch.float32: np.float32}
"""What is carried bit for bit; the wide ones first, so that all are aligned in one buffer."""


class Gather:
    """Collects tensors while a step runs; nothing reaches the host before :meth:`read`, or before it is asked for.

    Example:
        >>> gather = Gather()
        >>> mean, codes = gather.put(torch.tensor(0.5)), gather.put_integers(torch.tensor([7, 2**62]))
        >>> gather.read()
        >>> mean().tolist(), codes().tolist()
        ([0.5], [7, 4611686018427387904])
    """

    def __init__(self) -> None:
        self._waiting: dict[torch.device, dict[torch.dtype, list[Tensor]]] = {}
        self._sizes: dict[tuple[torch.device, torch.dtype], int] = {}
        self._read: dict[tuple[torch.device, torch.dtype], NDArray[Any]] = {}

    def put(self, numbers: Tensor) -> Callable[[], Values]:
        """Take any numbers along; float32 and float64 as they are, all others as float32 or int64.

        Returns:
            What gives them as float64, flattened, once they were read.
        """
        if numbers.dtype not in _CARRIED:
            narrow = numbers.is_floating_point() or numbers.dtype is torch.bool
            numbers = numbers.to(torch.float32 if narrow else torch.int64)
        slice_of = self._take([numbers.detach()])
        return lambda: slice_of().astype(np.float64, copy=False)

    def put_all(self, numbers: Sequence[Tensor]) -> Callable[[], NDArray[Any]]:
        """Take several tensors of one device along, those of one dtype at the price of one.

        Args:
            numbers: Nobody writes to them before they are read.

        Returns:
            What gives all of them flattened, in a row, once they were read; of the dtype that they have, where it is
            float32 or float64.
        """
        if len({item.dtype for item in numbers}) > 1 or numbers[0].dtype not in _CARRIED:
            return self.put(torch.cat([item.reshape(-1) for item in numbers]))
        return self._take(numbers)

    def put_integers(self, numbers: Tensor) -> Callable[[], Codes]:
        """Take int64 along bit for bit."""
        return self._take([numbers.detach()])

    def read(self) -> None:
        """Copy everything to the host, once a device."""
        with torch.set_grad_enabled(False):
            for device, tensors in self._waiting.items():
                self._read_from(device, {kind: joined(tensors[kind]) for kind in _CARRIED if kind in tensors})
        self._waiting.clear()

    def _read_from(self, device: torch.device, parts: Mapping[torch.dtype, Tensor]) -> None:
        if len(parts) == 1:
            ((kind, part),) = parts.items()
            self._keep((device, kind), part.cpu().numpy())
            return
        copied = torch.cat([part.view(torch.uint8) for part in parts.values()]).cpu().numpy()
        start = 0
        for kind, part in parts.items():
            end = start + part.numel() * part.itemsize
            self._keep((device, kind), copied[start:end].view(_CARRIED[kind]))
            start = end

    def _keep(self, key: tuple[torch.device, torch.dtype], values: NDArray[Any]) -> None:
        before = self._read.get(key)
        self._read[key] = values if before is None else np.concatenate([before, values])

    def _take(self, tensors: Sequence[Tensor]) -> Callable[[], NDArray[Any]]:
        """Take tensors of one dtype on one device, as one stretch of what is read."""
        device, dtype = key = tensors[0].device, tensors[0].dtype
        start = self._sizes.get(key, 0)
        end = self._sizes[key] = start + sum(item.numel() for item in tensors)
        self._waiting.setdefault(device, {}).setdefault(dtype, []).extend(tensors)
        return lambda: self._slice(key, start, end)

    def _slice(self, key: tuple[torch.device, torch.dtype], start: int, end: int) -> NDArray[Any]:
        if end > len(self._read.get(key, ())):  # asked for before the step is over, as its phase turned out otherwise
            self.read()
        return self._read[key][start:end]

"""Numbers of one recorded step on their way from the device to the host, in one copy a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Values = NDArray[np.float64]
T = TypeVar("T")


class Gather:
    """Collects tensors while a step runs; nothing reaches the host before :meth:`read`, or before it is asked for.

    Example:
        >>> gather = Gather()
        >>> mean, codes = gather.put(torch.tensor(0.5)), gather.put_integers(torch.tensor([7, 2**62]))
        >>> gather.read()
        >>> mean().tolist(), codes().view(np.int64).tolist()
        ([0.5], [7, 4611686018427387904])
    """

    def __init__(self) -> None:
        self._tensors: dict[torch.device, list[Tensor]] = {}
        self._sizes: dict[torch.device, int] = {}
        self._read: dict[torch.device, Values] = {}

    def put(self, numbers: Tensor) -> Callable[[], Values]:
        """Take any numbers along, as float64 (float32 where the device has no float64).

        Returns:
            What gives them, flattened, once they were read.
        """
        wide = torch.float32 if numbers.device.type == "mps" else torch.float64
        return self._take(numbers.detach().reshape(-1).to(wide))

    def put_integers(self, numbers: Tensor) -> Callable[[], Values]:
        """Take int64 along bit for bit: view what comes back as int64."""
        return self._take(numbers.detach().reshape(-1).view(torch.float64))

    def read(self) -> None:
        """Copy everything to the host."""
        for device, tensors in self._tensors.items():
            values = (torch.cat(tensors) if len(tensors) > 1 else tensors[0]).cpu().numpy()
            before = self._read.get(device)
            self._read[device] = values if before is None else np.concatenate([before, values])
        self._tensors.clear()

    def _take(self, flat: Tensor) -> Callable[[], Values]:
        device = flat.device
        start = self._sizes.get(device, 0)
        end = self._sizes[device] = start + flat.numel()
        self._tensors.setdefault(device, []).append(flat)
        return lambda: self._slice(device, start, end)

    def _slice(self, device: torch.device, start: int, end: int) -> Values:
        if end > len(
            self._read.get(device, ())
        ):  # asked for before the step is over, as its phase turned out otherwise
            self.read()
        return self._read[device][start:end]

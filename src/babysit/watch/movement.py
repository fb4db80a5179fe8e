"""Trainings whose updates no hook sees: hand-written ones, other libraries' optimizers, compiled steps."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from torch import Tensor


class Movement:
    """Notices that parameters were written to, by their version counters."""

    def __init__(self) -> None:
        self._versions: dict[int, tuple[weakref.ref[Tensor], int]] = {}

    def __bool__(self) -> bool:
        return bool(self._versions)

    def note(self, parameters: Iterable[Tensor]) -> None:
        """Remember the parameters as they are now."""
        self._versions = {id(item): (weakref.ref(item), item._version) for item in parameters}

    @property
    def parameters(self) -> list[Tensor]:
        """Those that still exist."""
        return [item for reference, _ in self._versions.values() if (item := reference()) is not None]

    @property
    def happened(self) -> bool:
        """Whether any was written to since."""
        pairs = ((reference(), version) for reference, version in self._versions.values())
        return any(item is not None and item._version != version for item, version in pairs)

"""The loss of every step: in memory on its device for a few steps, then in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from babysit.measure.record import LossBlock, LossTail

_ON_DEVICE = 64
_LEAST = 64
_MOST = 4096


class LossLog:
    """Takes one loss a step.

    Blocks grow with the run, so that there are few of them; what is in no block yet is in the tail.

    Args:
        write: Receives the blocks.
        tail: Keeps what is in none, for a kill; none for a run in memory.
    """

    def __init__(self, write: Callable[[LossBlock], None], tail: LossTail | None = None) -> None:
        self._write = write
        self._tail = tail
        self._first = 0
        self._pending: list[float] = []
        self._unread: list[Tensor] = []

    @property
    def last(self) -> float:
        """The last loss that reached the host; NaN before any."""
        return self._pending[-1] if self._pending else self._latest

    _latest = math.nan

    def add(self, loss: float | Tensor) -> None:
        """Note the loss of the next step; a tensor stays on its device for a while."""
        if isinstance(loss, float):
            self._note(loss)
            return
        self._unread.append(loss)
        if len(self._unread) >= _ON_DEVICE:
            self.read()

    def read(self) -> None:
        """Bring all losses to the host."""
        if self._unread:
            losses = torch.stack([loss.float() for loss in self._unread]).tolist()
            self._unread.clear()
            for loss in losses:
                self._note(loss)

    def flush(self) -> None:
        """Write what is in no block yet."""
        self.read()
        self._write_block()

    def _note(self, loss: float) -> None:
        self._pending.append(loss)
        if self._tail is not None:
            self._tail.add(loss)
        if len(self._pending) >= min(_MOST, max(_LEAST, self._first // 16)):
            self._write_block()

    def _write_block(self) -> None:
        if not self._pending:
            return
        self._latest = self._pending[-1]
        self._write(LossBlock(self._first, tuple(self._pending)))
        self._first += len(self._pending)
        self._pending.clear()
        if self._tail is not None:
            self._tail.clear(self._first)

"""Parameters that are looked at together before and after a step, so that many cost hardly more calls than one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from babysit.watch.gather import Gather
from babysit.watch.values import as_real, is_plain, joined

WHOLE = 1 << 16
"""Parameters up to this size are compared whole before and after a step; of larger ones, about half to all of so many
numbers, in blocks of ``BLOCK``: their norms are known to a few per cent, and memory is hardly touched."""
BLOCK = 64


class Move(NamedTuple):
    """The norms of one parameter, of its gradient, and of its update, on the host."""

    weight: float
    gradient: float | None
    update: float


class Moves(NamedTuple):
    """What a step did to a bundle.

    Attributes:
        each: Of each parameter, in the bundle's order.
        downhill: Product of update and gradient over all of them; ``None`` without gradients, or where it was not
            taken.
    """

    each: list[Move]
    downhill: float | None


class _Share(NamedTuple):
    """Which numbers of a large parameter are compared: every ``step``-th of its blocks."""

    rows: int
    step: int
    factor: float
    """What the norm of these is to be multiplied by."""


class Bundle:
    """Parameters of one dtype on one device, all or none of them with a gradient that is not sparse.

    Args:
        parameters: As they are before the step.
        multiplied: What the gradients are still multiplied by.
    """

    def __init__(self, parameters: list[Tensor], multiplied: float = 1.0) -> None:
        self.parameters = parameters
        self._factors = [_factor(item) for item in parameters]
        self._multiplied = multiplied
        self._weights = torch._foreach_norm(parameters)
        # while the weights are in the processor's cache
        self._changes = _copies(_parts(parameters))
        gradients = [item.grad for item in parameters]
        self._has_gradient = [item is not None for item in gradients]
        dense = [_dense(item) for item in gradients if item is not None]
        self._gradients = torch._foreach_norm(dense) if dense else ()
        self._updates: Sequence[Tensor] = ()
        self._uphill: dict[float, Tensor] = {}

    def end(self, *, closely: bool) -> None:
        """Look at the parameters after the step; only the first time counts.

        Args:
            closely: Whether to multiply the update with the gradient, too.
        """
        if self._updates:
            return
        changes, self._changes = self._changes, []  # the copies are not needed any longer
        torch._foreach_sub_(changes, _parts(self.parameters))  # before minus after
        self._updates = torch._foreach_norm(changes)
        if closely:
            self._multiply(changes)

    def _multiply(self, changes: list[Tensor]) -> None:
        gradients = [item.grad for item in self.parameters if item.grad is not None and not item.grad.is_sparse]
        if len(gradients) == len(self.parameters):
            torch._foreach_mul_(changes, _parts(gradients))
            self._uphill = {factor: _sum(some) for factor, some in self._by_factor(changes).items()}

    def put(self, gather: Gather) -> Callable[[], Moves]:
        """Send the numbers to the host; the callable gives them once they were read."""
        read = gather.put_all([*self._weights, *self._gradients, *self._updates, *self._uphill.values()])

        def moves() -> Moves:
            numbers = iter(read().tolist())
            weights = [next(numbers) for _ in self._factors]
            gradients = [next(numbers) / self._multiplied if found else None for found in self._has_gradient]
            updates = [next(numbers) * factor for factor in self._factors]
            uphill = sum(factor**2 * next(numbers) for factor in self._uphill)
            each = list(map(Move, weights, gradients, updates))
            return Moves(each, -uphill / self._multiplied if self._uphill else None)

        return moves

    def _by_factor(self, tensors: Sequence[Tensor]) -> dict[float, list[Tensor]]:
        """Those together of which the same share is compared."""
        found: dict[float, list[Tensor]] = {}
        for factor, item in zip(self._factors, tensors, strict=True):
            found.setdefault(factor, []).append(item)
        return found


def bundled(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """Sort parameters by what those of a bundle have in common."""
    found: dict[object, list[Tensor]] = {}
    for item in parameters:
        gradient = item.grad
        has_rows = gradient is not None and not gradient.is_sparse
        alone = None if is_plain(item) else id(item)  # as distributed ones, which cannot be joined with others
        found.setdefault((item.dtype, item.device, has_rows, alone), []).append(item)
    return list(found.values())


@functools.lru_cache(maxsize=256)
def _share(size: int) -> _Share:
    """Which of so many numbers are compared."""
    blocks = size // BLOCK
    step = math.ceil(size / WHOLE) | 1  # an odd step meets every column of rows that are a power of two long
    rows = math.ceil(blocks / step)
    return _Share(rows, step, math.sqrt(size / (rows * BLOCK)))


def _factor(parameter: Tensor) -> float:
    """What the norm of what is compared of a parameter is to be multiplied by."""
    size = parameter.numel() * (2 if parameter.is_complex() else 1)
    return _share(size).factor if size > WHOLE else 1.0


def _parts(tensors: Sequence[Tensor]) -> list[Tensor]:
    """What is compared of each: all of a small one, of a large one every so-manieth block."""
    real = map(as_real, tensors) if tensors[0].is_complex() else tensors
    return [item if item.numel() <= WHOLE else _blocks(item) for item in real]


def _blocks(data: Tensor) -> Tensor:
    rows, step, _ = _share(data.numel())
    if data.is_contiguous() and is_plain(data):
        return data.as_strided((rows, BLOCK), (step * BLOCK, 1))
    blocks = data.numel() // BLOCK
    return data.flatten()[: blocks * BLOCK].view(blocks, BLOCK)[::step]


def _copies(parts: list[Tensor]) -> list[Tensor]:
    """Copies that differences and products can be written to without being rounded away."""
    if parts[0].itemsize < 4:
        return [part.to(torch.float32, copy=True) for part in parts]
    return [part.clone() for part in parts]


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    return (joined(tensors) if len(tensors) > 1 else tensors[0]).sum()


def _dense(gradient: Tensor) -> Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient

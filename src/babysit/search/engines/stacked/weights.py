"""The parameters of many networks in one buffer each, wide enough for the widest; what a narrower one lacks is zero.

Parameter after parameter, and trial after trial within a parameter: the first layer of all trials is then one matrix,
and what the optimizer does, it does to a few long vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from babysit.search.engines.stacked.plan import Plan

Named = tuple[str, Tensor | None]
CHUNK = 1 << 18
"""Values of a parameter that are updated at a time: they and what belongs to them stay in the cache meanwhile."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """A parameter of some neighbouring trials, as much as a cache holds.

    Attributes:
        trials: Which.
        value: ``(trials, *widest shape)``.
        grad: Likewise; shared with the other chunks of the parameter, so that it is to be used at once.
        slots: What the optimizer remembers, likewise.
        decayed: Weight decay touches it: it is a matrix.
    """

    trials: slice
    value: Tensor
    grad: Tensor
    slots: Mapping[str, Tensor]
    decayed: bool

    def each(self, values: Tensor) -> Tensor:
        """A number of each of all trials, to multiply the chunk with."""
        return values[self.trials].view(-1, *[1] * (self.value.dim() - 1))


@dataclass(frozen=True, eq=False)
class Block:
    """One parameter or buffer of all trials.

    Attributes:
        names: What it is called in the ``state_dict`` of each trial.
        shapes: Its shape in each trial.
        value: ``(K, *widest shape)``.
        slots: What the optimizer remembers, likewise.
        chunks: All of it, in parts.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    value: Tensor
    slots: Mapping[str, Tensor]
    chunks: tuple[Chunk, ...] = ()

    def read(self, target: Tensor, trial: int, source: Tensor) -> None:
        """Copy a trial's own tensor into its place in ``target``, one of this block's."""
        self._place(target, trial).copy_(source)

    def write(self, source: Tensor, trial: int) -> Tensor:
        """A trial's own tensor, copied out of ``source``."""
        return self._place(source, trial).clone(memory_format=torch.contiguous_format)

    def _place(self, tensor: Tensor, trial: int) -> Tensor:
        return tensor[trial][tuple(slice(size) for size in self.shapes[trial])]


class Weights:
    """All parameters and buffers of a stack.

    Args:
        plans: Of its networks, of one key.
        slots: Names of the tensors the optimizer remembers for every parameter.
    """

    def __init__(self, plans: Sequence[Plan], slots: Sequence[str]) -> None:
        self._parameters: dict[tuple[int, str], Block] = {}
        self._buffers: dict[tuple[int, str], Block] = {}
        for position in range(len(plans[0].pieces)):
            pieces = [plan.pieces[position] for plan in plans]
            if _is_max(pieces[0].module):
                continue
            for name in _named(pieces[0].module._parameters):
                own: list[Named] = [(piece.prefix + name, piece.module._parameters[name]) for piece in pieces]
                self._parameters[position, name] = _block(own, slots)
            for name in _named(pieces[0].module._buffers):
                own = [(piece.prefix + name, piece.module._buffers[name]) for piece in pieces]
                self._buffers[position, name] = _block(own)
        self._by_name = [{block.names[trial]: block for block in self.parameters} for trial in range(len(plans))]

    def parameter(self, position: int, name: str) -> Block | None:
        """A piece's parameter; ``None`` where it has none of that name."""
        return self._parameters.get((position, name))

    def buffer(self, position: int, name: str) -> Block:
        """A piece's buffer."""
        return self._buffers[position, name]

    def named(self, trial: int, name: str) -> Block:
        """A parameter by its name in a trial's network."""
        return self._by_name[trial][name]

    @property
    def parameters(self) -> list[Block]:
        """All parameters, in the order of the computation."""
        return list(self._parameters.values())

    def load(self, trial: int, model: Mapping[str, Tensor]) -> None:
        """Take a trial's parameters and buffers from its network's ``state_dict``."""
        for block in self._blocks():
            block.read(block.value, trial, model[block.names[trial]])

    def state_dict(self, trial: int) -> dict[str, Tensor]:
        """A trial's parameters and buffers, copied, by their names in its network."""
        return {block.names[trial]: block.write(block.value, trial) for block in self._blocks()}

    def _blocks(self) -> Iterator[Block]:
        yield from self._parameters.values()
        yield from self._buffers.values()


def _is_max(module: torch.nn.Module) -> bool:
    return bool(module._modules)  # of a Maxout layer, the parameters are those of the pieces before


def _named(tensors: Mapping[str, Tensor | None]) -> list[str]:
    return [name for name, tensor in tensors.items() if tensor is not None]


def _block(tensors: Sequence[Named], slots: Sequence[str] = ()) -> Block:
    own = [tensor for _, tensor in tensors if tensor is not None]
    widest = [max(sizes) for sizes in zip(*(tensor.shape for tensor in own), strict=True)]
    value = own[0].new_zeros((len(own), *widest), requires_grad=False)
    remembered = {slot: torch.zeros_like(value) for slot in slots}
    names, shapes = tuple(name for name, _ in tensors), tuple(tensor.shape for tensor in own)
    return Block(names, shapes, value, remembered, tuple(_chunks(value, remembered)))


def _chunks(value: Tensor, slots: Mapping[str, Tensor]) -> Iterator[Chunk]:
    size = min(len(value), max(1, CHUNK // max(1, value[0].numel())))
    grad = torch.zeros_like(value[:size])
    for begin in range(0, len(value), size):
        trials = slice(begin, min(begin + size, len(value)))
        own = {slot: tensor[trials] for slot, tensor in slots.items()}
        yield Chunk(trials, value[trials], grad[: trials.stop - begin], own, value.dim() > 2)

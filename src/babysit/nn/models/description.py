"""A table of a network's layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor, nn

from babysit.nn.activations import is_maxout


class LayerRow(NamedTuple):
    """One layer: its path, type, shape of one (first) output without the batch, and number of parameters."""

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int


@torch.no_grad()
def describe(module: nn.Module, input_shape: tuple[int, ...]) -> list[LayerRow]:
    """The layers a zero input passes, in order; a Maxout counts as one layer.

    The module runs once in evaluation mode, on its own device; its training flags are put back.

    Args:
        module: A network of one input.
        input_shape: Of one example, without the batch.

    Example:
        >>> for row in describe(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), (4,)):
        ...     print(*row)
        0 Linear (3,) 15
        1 ReLU (3,) 0
    """
    rows: list[LayerRow] = []
    flags = [(submodule, submodule.training) for submodule in module.modules()]
    anchor = next(module.parameters(), torch.empty(()))
    with ExitStack() as hooks:
        for name, layer in _layers(module):
            hooks.enter_context(layer.register_forward_hook(_Recorder(name, rows)))
        module.eval()
        try:
            module(torch.zeros(1, *input_shape, dtype=anchor.dtype, device=anchor.device))
        finally:
            for submodule, training in flags:
                submodule.training = training
    return rows


class _Recorder:
    """A forward hook that notes the call as a row."""

    def __init__(self, name: str, rows: list[LayerRow]) -> None:
        self._name = name
        self._rows = rows

    def __call__(self, layer: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        # a recurrent layer gives its state beside what it puts out
        first = (
            next((item for item in output if isinstance(item, Tensor)), None) if isinstance(output, tuple) else output
        )
        shape = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()
        self._rows.append(LayerRow(self._name, type(layer).__name__, shape, parameters))


def _layers(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules without children, and Maxout layers as a whole."""
    children = list(module.named_children())
    if not children or is_maxout(module):
        yield path, module
        return
    for name, child in children:
        yield from _layers(child, f"{path}.{name}" if path else name)

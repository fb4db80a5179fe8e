"""How a model's weights lie in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn


def put_channels_innermost(model: nn.Module) -> None:
    """Convolutions over images are faster so on a CPU; weights of five dimensions know no such layout."""
    sizes = {parameter.dim() for parameter in model.parameters()}
    if 4 in sizes and 5 not in sizes:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stubs lack this overload


@contextmanager
def channels_innermost(model: nn.Module) -> Iterator[None]:
    """The same inside the block only: what views or saves a model's weights afterwards may count on their layout."""
    plain = {name for name, tensor in _tensors(model) if tensor.is_contiguous()}
    put_channels_innermost(model)
    try:
        yield
    finally:
        for name, tensor in _tensors(model):
            if name in plain:
                tensor.data = tensor.data.contiguous()


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(model.named_parameters(), model.named_buffers())


def contiguous(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights, each in the usual layout."""
    return {name: tensor.contiguous() for name, tensor in weights.items()}

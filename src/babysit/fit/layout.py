"""How a model's weights lie in memory."""

from __future__ import annotations

import torch
from torch import nn


def put_channels_innermost(model: nn.Module) -> None:
    """Convolutions over images are faster so on a CPU; weights of five dimensions know no such layout."""
    sizes = {parameter.dim() for parameter in model.parameters()}
    if 4 in sizes and 5 not in sizes:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stubs lack this overload

"""Tensors that have no values to look at."""

from __future__ import annotations

import torch
from torch import Tensor


def has_no_values(tensor: Tensor) -> bool:
    """Whether a tensor has no values of its own: inside ``vmap``, on the meta device, or while something is traced.

    Example:
        >>> has_no_values(torch.ones(2)), has_no_values(torch.ones(2, device="meta"))
        (False, True)
    """
    kind = type(tensor)
    is_wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    is_fake = tensor.is_meta or (kind is not Tensor and kind.__name__ == "FakeTensor")
    return is_wrapped or is_fake or torch._C._is_tracing()

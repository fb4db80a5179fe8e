"""Tensors that have no values to look at, and those whose values are not in the usual order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_PLAIN = (Tensor, nn.Parameter)


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


def is_array(tensor: Tensor) -> bool:
    """Whether a tensor holds all its values in rows and columns: not where it is sparse or nested.

    Example:
        >>> is_array(torch.ones(2, 2)), is_array(torch.ones(2, 2).to_sparse())
        (True, False)
    """
    return tensor.layout is torch.strided and not tensor.is_nested


def as_real(tensor: Tensor) -> Tensor:
    """Complex numbers as pairs of real ones; anything else as it is.

    Example:
        >>> as_real(torch.tensor([1 + 2j])).tolist()
        [[1.0, 2.0]]
    """
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is torch's own, and not a distributed one or of another class that does less than all of them.

    Example:
        >>> is_plain(torch.ones(2))
        True
    """
    return type(tensor) in _PLAIN


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """A copy of all values of several tensors of one dtype on one device, in a row.

    Example:
        >>> joined([torch.ones(2), torch.zeros(1, 1)]).tolist()
        [1.0, 1.0, 0.0]
    """
    if len(tensors) == 1:
        return tensors[0].clone().flatten()
    # one call, where each tensor by itself would be some more
    flat: Tensor = torch._C._nn.flatten_dense_tensors(list(tensors))
    return flat

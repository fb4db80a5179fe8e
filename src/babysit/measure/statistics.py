"""Pure arithmetic on tensors: what is measured of activations, weights, gradients and updates.

Every function but :func:`histogram`, which is for the host, takes tensors and gives 0-dimensional tensors on the same
device, so that a caller can gather all of a step's numbers and copy them to the host once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SATURATION_MARGIN = 0.01
"""An output is saturated within this share of the activation's range from either limit (heuristic)."""
_MOST_UNITS, _MOST_WEIGHTS = 4096, 1 << 22


def mean_and_std(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation.

    Two plain passes: ``torch.std_mean`` is twenty times slower on the CPU where the memory is not contiguous.

    Args:
        outputs: Any shape, of floating point.

    Example:
        >>> [number.item() for number in mean_and_std(torch.tensor([1.0, 3.0]))]
        [2.0, 1.0]
    """
    if outputs.itemsize < 4:  # squares overflow in float16
        outputs = outputs.float()
    mean = outputs.mean()
    return mean, (outputs - mean).square_().mean().sqrt()


def zero_fraction(outputs: Tensor) -> Tensor:
    """Share of the outputs that are exactly zero.

    Args:
        outputs: Any shape.

    Example:
        >>> zero_fraction(torch.tensor([0.0, 0.0, 1.0, 2.0])).item()
        0.5
    """
    return 1 - torch.count_nonzero(outputs) / outputs.numel()


def alive_units(outputs: Tensor) -> Tensor:
    """Which units are not zero on every example (and every position, for feature maps).

    Args:
        outputs: ``(N, C)`` or ``(N, C, …)``; dimension 1 counts the units.

    Returns:
        ``(C,)`` bool.

    Example:
        >>> alive_units(torch.tensor([[0.0, 1.0], [0.0, 0.0]])).tolist()
        [False, True]
    """
    others = [dimension for dimension in range(outputs.dim()) if dimension != 1]
    return outputs.abs().amax(dim=others) != 0


def dead_fraction(alive: Tensor) -> Tensor:
    """Share of units that are alive in none of several batches.

    Args:
        alive: ``(batches, C)`` bool, what :func:`alive_units` found in each.

    Example:
        >>> dead_fraction(torch.tensor([[False, True], [False, False]])).item()
        0.5
    """
    return 1 - alive.any(dim=0).float().mean()


def saturated_fraction(outputs: Tensor, low: float, high: float) -> Tensor:
    """Share of a bounded activation's outputs within 1 % of its range from a limit.

    Args:
        outputs: Any shape.
        low: The activation's lower limit, such as −1 for tanh.
        high: Its upper limit.

    Example:
        >>> saturated_fraction(torch.tensor([-0.999, 0.0, 0.5, 0.995]), -1, 1).item()
        0.5
    """
    margin = SATURATION_MARGIN * (high - low)
    return ((outputs < low + margin) | (outputs > high - margin)).float().mean()


def has_comparable_units(parameter: Tensor) -> bool:
    """Whether a parameter has rows to compare, and not so many that comparing them takes time.

    Example:
        >>> has_comparable_units(torch.zeros(10, 3)), has_comparable_units(torch.zeros(10))
        (True, False)
    """
    return parameter.dim() > 1 and 2 <= len(parameter) <= _MOST_UNITS and 0 < parameter.numel() < _MOST_WEIGHTS


def identical_units(parameter: Tensor) -> Tensor:
    """Share of the rows of a weight that equal another row exactly.

    Args:
        parameter: ``(units, …)``.

    Example:
        >>> identical_units(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])).item()
        0.66...
    """
    weights = parameter.detach()
    rows = (torch.view_as_real(weights) if weights.is_complex() else weights).flatten(1)
    # a fixed projection tells rows apart without comparing all pairs
    direction = torch.sin(torch.arange(1, rows.shape[1] + 1, device=rows.device, dtype=torch.float32)).to(rows.dtype)
    order = (rows * direction).sum(dim=1).argsort()
    equal = (rows[order[1:]] == rows[order[:-1]]).all(dim=1)
    either = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    either[order[1:]] |= equal
    either[order[:-1]] |= equal
    return either.float().mean()


def joint_norm(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norm of several tensors taken as one long vector.

    Example:
        >>> joint_norm([torch.tensor([3.0]), torch.tensor([[4.0]])]).item()
        5.0
    """
    norms: list[Tensor] = [torch.linalg.vector_norm(tensor) for tensor in tensors]
    if len(norms) == 1:
        return norms[0]
    joint: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return joint


def histogram(values: Tensor, bins: int) -> tuple[Tensor, float, float]:
    """Counts over equal bins between the smallest and the largest finite value.

    Args:
        values: Any shape.
        bins: Number of bins.

    Returns:
        Counts ``(bins,)``, float32 on the CPU, the lower end of the first and the upper end of the last bin. Values
        that are all equal are counted in the middle bin, and both ends are that value; without any all is 0.

    Example:
        >>> histogram(torch.tensor([0.0, 0.1, 1.0]), 2)
        (tensor([2., 1.]), 0.0, 1.0)
    """
    # float64, as in float32 the width of a wide range overflows and counts stop growing at 2**24
    finite = values.detach().flatten().cpu().double()
    finite = finite[torch.isfinite(finite)]
    if finite.numel() == 0:
        return torch.zeros(bins), 0.0, 0.0
    low, high = finite.min().item(), finite.max().item()
    return torch.histc(finite, bins=bins, min=low, max=high).float(), low, high

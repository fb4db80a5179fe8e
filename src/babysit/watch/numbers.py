"""A tensor in a few numbers: mean, spread, ends, and how much of it is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from babysit.measure.record import Numbers
from babysit.watch.gather import Gather


def put_numbers(values: Tensor, gather: Gather) -> Callable[[], Numbers]:
    """Measure the finite values of a tensor; the callable gives the numbers once they were read.

    Example:
        >>> gather = Gather()
        >>> numbers = put_numbers(torch.tensor([1.0, 3.0, math.nan, 2.0]), gather)
        >>> gather.read()
        >>> numbers().mean, numbers().low, numbers().high, numbers().nonfinite
        (2.0, 1.0, 3.0, 0.25)
    """
    if values.numel() == 0:
        return lambda: Numbers(math.nan, math.nan, math.nan, math.nan)
    finite = values.isfinite()
    count = finite.sum()
    clean = torch.where(finite, values, 0)
    mean = clean.sum() / count
    variance = torch.where(finite, clean - mean, 0).square().sum() / count
    low = torch.where(finite, values, math.inf).amin()
    high = torch.where(finite, values, -math.inf).amax()
    read = gather.put(torch.stack([mean, variance.sqrt(), low, high, 1 - count / values.numel()]))

    def build() -> Numbers:
        first, std, least, most, nonfinite = (float(value) for value in read())
        return Numbers(first, std, least, most, nonfinite)

    return build

"""A tensor in a few numbers: mean, spread, ends, and how much of it is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from babysit.measure.record import Numbers
from babysit.watch.gather import Gather, Values

MOST = 1 << 14
"""Of larger tensors so many values or fewer are averaged: means are known to 1 % of the spread; ends are exact."""


def put_numbers(values: Tensor, gather: Gather) -> Callable[[], Numbers]:
    """Measure the finite values of a tensor; the callable gives the numbers once they were read.

    Args:
        values: Any shape and dtype but complex.
        gather: Takes them along.

    Example:
        >>> gather = Gather()
        >>> numbers = put_numbers(torch.tensor([1.0, 3.0, math.nan, 2.0]), gather)
        >>> gather.read()
        >>> numbers().mean, numbers().low, numbers().high, numbers().nonfinite
        (2.0, 1.0, 3.0, 0.25)
    """
    flat = values.detach().reshape(-1)
    if flat.numel() <= MOST:
        whole = gather.put(flat.clone())
        return lambda: _numbers(whole())
    size, step = flat.numel(), flat.numel() // MOST | 1
    some = gather.put(flat[::step].clone())
    # NaN and infinities anywhere show in the ends
    ends = gather.put(torch.stack(flat.aminmax()))

    def build() -> Numbers:
        low, high = (float(value) for value in ends())
        numbers = _numbers(some())
        if math.isfinite(high - low):
            return replace(numbers, low=low, high=high)
        return replace(numbers, nonfinite=max(numbers.nonfinite, 1 / size))

    return build


def _numbers(values: Values) -> Numbers:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Numbers(math.nan, math.nan, math.nan, math.nan, 1.0 if len(values) else 0.0)
    mean, std = float(finite.mean()), float(finite.std())
    return Numbers(mean, std, float(finite.min()), float(finite.max()), 1 - len(finite) / len(values))

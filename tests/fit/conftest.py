from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

Data = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Bit-for-bit comparisons, and no quarrel about cores."""
    torch.set_num_threads(1)


@pytest.fixture
def data() -> Data:
    """Forty examples of three classes that a linear rule all but separates."""
    draw = torch.Generator().manual_seed(11)
    x = torch.randn(40, 6, generator=draw)
    y = (x @ torch.randn(6, 3, generator=draw) + 0.3 * torch.randn(40, 3, generator=draw)).argmax(dim=1)
    return x, y


@pytest.fixture
def network() -> Callable[[], nn.Sequential]:
    """A small network with everything that has a state: batch norm, dropout; always the same initial weights."""

    def build() -> nn.Sequential:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))

    return build


@pytest.fixture
def same() -> Callable[[object, object], bool]:
    """Whether two nested structures are equal, tensors bit for bit."""

    def equal(left: object, right: object) -> bool:
        if isinstance(left, Tensor) and isinstance(right, Tensor):
            return left.dtype == right.dtype and torch.equal(left, right)
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
        if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
            return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
        return left == right or (left != left and right != right)

    return equal

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

Data = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Bit-for-bit comparisons, and no quarrel about cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


@pytest.fixture
def clouds() -> Data:
    """Three clouds that a linear rule separates, and a healthy amount of them."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(600) % 3
    centres = torch.tensor([[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])
    return centres[y] + torch.randn(600, 4, generator=draw) - 0.5, y


@pytest.fixture
def nothing_of_the_caller_changes() -> Iterator[None]:
    """Whatever a test does with ``fit``: threads, handlers, gradient mode and NumPy's random numbers stay."""

    def state() -> list[object]:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        return [torch.get_num_threads(), torch.is_grad_enabled(), str(np.random.get_state(legacy=False)), handlers]

    before = state()
    yield
    assert state() == before

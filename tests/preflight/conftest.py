from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

Data = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Data:
    """Pixels about zero, ``(1797, 64)`` in −8…8, and classes."""
    x, y = load_digits(return_X_y=True)
    return torch.from_numpy(x).float() - 8, torch.from_numpy(y).long()


@pytest.fixture
def two_layers() -> Callable[..., nn.Sequential]:
    """The lecture's network: one hidden layer of 50 ReLUs, small random weights, no biases to begin with."""

    def build(inputs: int, std: float, hidden: int = 50, classes: int = 10) -> nn.Sequential:
        model = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))
        generator = torch.Generator().manual_seed(0)
        for layer in (model[0], model[2]):
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=std, generator=generator)
            nn.init.zeros_(layer.bias)
        return model

    return build

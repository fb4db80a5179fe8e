from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.preflight.determinism import probe_determinism
from babysit.preflight.subject import Subject

Build = Callable[[ModuleType], Subject]


def attention(dropout: float) -> Callable[[Tensor], Tensor]:
    def between(h: Tensor) -> Tensor:
        x = h.reshape(len(h), 1, 8, 4)
        return F.scaled_dot_product_attention(x, x, x, dropout_p=dropout).reshape(h.shape)

    return between


class MonteCarlo(nn.Sequential):
    def train(self, mode: bool = True) -> MonteCarlo:
        super().train(mode)
        self[1].train()
        return self


RANDOM: dict[str, tuple[Build, float, float]] = {
    "dropout": (lambda s: s.table(s.MLP(lambda h: F.dropout(h, 0.2))), 1.0, 0.0),
    "dropout of torch's own": (lambda s: s.table(s.MLP(lambda h: torch.dropout(h, 0.2, True))), 1.0, 0.0),
    "dropout of maps": (lambda s: s.images(s.CNN(F.dropout2d)), 1.0, 0.0),
    "dropout of attention": (lambda s: s.table(s.MLP(attention(0.3))), 1.0, 0.0),
    "noise": (lambda s: s.table(s.MLP(lambda h: h + 0.1 * torch.randn_like(h))), 0.0, 0.0),
    "noise of NumPy's": (lambda s: s.table(s.MLP(lambda h: h * float(np.random.rand()))), 0.0, 0.0),
    "noise of Python's": (lambda s: s.table(s.MLP(lambda h: h * random.random())), 0.0, 0.0),
    "Monte Carlo": (
        lambda s: s.table(MonteCarlo(nn.Linear(10, 64), nn.Dropout(0.3), nn.Linear(64, 3))),
        1.0,
        1.0,
    ),
}

ALIKE: dict[str, Build] = {
    "mlp": lambda s: s.table(s.MLP()),
    "dropout that is off": lambda s: s.table(s.MLP(lambda h: F.dropout(h, 0.2, training=False))),
    "dropout of nothing": lambda s: s.table(s.MLP(lambda h: F.dropout(h, 0.0))),
    "attention": lambda s: s.table(s.MLP(attention(0.0))),
    "cnn": lambda s: s.images(s.CNN()),
    "gpt": lambda s: s.text(s.GPT()),
    "recurrent": lambda s: s.text(s.Recurrent()),
}


@pytest.mark.parametrize("name", RANDOM)
def test_randomness_is_seen_and_of_what_kind(name: str, subjects: ModuleType) -> None:
    build, dropout, forced = RANDOM[name]
    numbers = probe_determinism(build(subjects)).numbers
    assert numbers["difference"] > 1e-2
    assert numbers["repeat"] == 0.0
    assert (numbers["dropout"], numbers["forced"]) == (dropout, forced)


@pytest.mark.parametrize("name", ALIKE)
def test_evaluations_that_are_alike(name: str, subjects: ModuleType) -> None:
    numbers = probe_determinism(ALIKE[name](subjects)).numbers
    assert numbers["difference"] == numbers["repeat"] == 0.0


def test_the_difference_is_the_largest_over_the_largest(subjects: ModuleType) -> None:
    class Noise(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.rand(3).expand(len(x), 3)

    torch.manual_seed(0)
    draws = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        draws.append(torch.rand(3).double())
    expected = max(
        ((draws[0] - other).abs().max() / torch.stack([draws[0], other]).max()).item() for other in draws[1:]
    )
    assert probe_determinism(subjects.table(Noise())).numbers["difference"] == pytest.approx(expected)


def test_where_nothing_depends_on_the_mode_both_give_the_same_loss(subjects: ModuleType) -> None:
    assert probe_determinism(subjects.table(subjects.MLP())).numbers["mode_difference"] == 0.0

    class Louder(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (2 if self.training else 1)

    assert probe_determinism(subjects.table(Louder(10, 3))).numbers["mode_difference"] > 0.01
    found = probe_determinism(subjects.images(subjects.CNN()))
    assert "mode_difference" not in found.numbers
    assert found.texts["mode_layers"] == "BatchNorm2d"


def test_a_reason_where_nothing_can_be_compared(subjects: ModuleType) -> None:
    assert "failed" in probe_determinism(subjects.table(nn.Linear(7, 3))).texts["reason"]
    assert "not finite" in probe_determinism(subjects.table(subjects.MLP(lambda h: h / 0))).texts["reason"]
    labels = subjects.table(subjects.MLP(lambda h: h))
    integers = Subject(labels.model, labels.batch, lambda net, given: net(given.inputs).argmax(1), labels.loss)
    assert "no floating-point" in probe_determinism(integers).texts["reason"]

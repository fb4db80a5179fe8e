from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.measure.record import Probe
from babysit.preflight.initial_loss import probe_initial_loss

TwoLayers = Callable[..., nn.Sequential]


def probe(model: nn.Module, batches: list[tuple[Tensor, Tensor]], expected: float = math.log(10)) -> Probe:
    return probe_initial_loss(model, F.cross_entropy, batches, expected=expected, loss_name="cross_entropy")


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_outputs_of_zero_give_the_logarithm_of_the_number_of_classes(classes: int) -> None:
    model = nn.Linear(5, classes)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    batches = [(torch.randn(7, 5), torch.arange(7) % classes) for _ in range(3)]
    found = probe(model, batches)
    assert found.numbers["loss"] == pytest.approx(math.log(classes), rel=1e-6)
    assert found.numbers["spread"] == pytest.approx(0.0, abs=1e-6)


def test_e1_of_the_lecture(two_layers: TwoLayers) -> None:
    model = two_layers(3072, std=1e-4)
    pixels = torch.randint(0, 256, (50, 3072), generator=torch.Generator().manual_seed(0)).float() - 127.5
    found = probe(model, [(pixels, torch.arange(50) % 10)])
    assert found.numbers["loss"] == pytest.approx(2.3026, abs=5e-4)
    assert found.numbers["expected"] == pytest.approx(-math.log(1 / 10))


def test_e1_on_digits(two_layers: TwoLayers, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    found = probe(two_layers(64, std=1e-2), [(x[:64], y[:64]), (x[64:128], y[64:128])])
    assert found.numbers["loss"] == pytest.approx(2.3026, abs=5e-3)


def test_it_is_the_mean_over_batches_of_what_numpy_gives(two_layers: TwoLayers, digits: tuple[Tensor, Tensor]) -> None:
    model, (x, y) = two_layers(64, std=0.3), digits
    first, second = (np.asarray(p.detach(), dtype=np.float64) for p in model.parameters() if p.dim() > 1)
    losses = []
    for start in (0, 16, 32):
        logits = np.maximum(x[start : start + 16].double().numpy() @ first.T, 0) @ second.T
        wanted = logits[np.arange(16), y[start : start + 16].numpy()]
        losses.append(np.mean(np.log(np.exp(logits).sum(axis=1)) - wanted))
    found = probe(model, [(x[start : start + 16], y[start : start + 16]) for start in (0, 16, 32)])
    assert found.numbers["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found.numbers["spread"] == pytest.approx(np.std(losses), rel=1e-4)
    assert found.numbers["nearest"] == pytest.approx(min(losses, key=lambda loss: abs(loss - math.log(10))), rel=1e-5)
    assert found.numbers["batch_size"] == 16.0
    assert found.texts == {"loss_name": "cross_entropy"}


def test_it_is_taken_in_training_mode() -> None:
    linear = nn.Linear(2, 2)
    model = nn.Sequential(nn.BatchNorm1d(2), linear)
    model.eval()
    x, y = 100 + 50 * torch.randn(64, 2), torch.arange(64) % 2
    expected = F.cross_entropy(linear((x - x.mean(dim=0)) / x.std(dim=0, correction=0)), y).item()
    assert probe(model, [(x, y)]).numbers["loss"] == pytest.approx(expected, rel=1e-4)

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.measure.record import Probe
from babysit.preflight.regularization import STRENGTH, probe_regularization

TwoLayers = Callable[..., nn.Sequential]


def norm_of_weights(model: nn.Module) -> float:
    weights = [np.asarray(p.detach(), dtype=np.float64) for p in model.parameters() if p.dim() > 1]
    return float(np.sqrt(sum((weight**2).sum() for weight in weights)))


def test_e2_of_the_lecture(two_layers: TwoLayers) -> None:
    model = two_layers(3072, std=1e-4)
    pixels = torch.randint(0, 256, (50, 3072), generator=torch.Generator().manual_seed(0)).float() - 127.5
    numbers = probe_regularization(model, F.cross_entropy, pixels, torch.arange(50) % 10).numbers
    assert numbers["strength"] == 1e3
    assert numbers["loss_without"] == pytest.approx(2.30, abs=5e-3)
    assert numbers["loss_with"] == pytest.approx(3.07, abs=5e-3)


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e3])
def test_the_arithmetic_is_numpy_s(two_layers: TwoLayers, digits: tuple[Tensor, Tensor], strength: float) -> None:
    model, (x, y) = two_layers(64, std=0.2), digits
    numbers = probe_regularization(model, F.cross_entropy, x[:32], y[:32], strength=strength).numbers
    norm = norm_of_weights(model)
    assert numbers["penalty"] == pytest.approx(0.5 * strength * norm**2, rel=1e-5)
    assert numbers["loss_without"] == pytest.approx(F.cross_entropy(model(x[:32]), y[:32]).item(), rel=1e-6)
    assert numbers["loss_with"] == pytest.approx(numbers["loss_without"] + numbers["penalty"])
    assert numbers["weight_norm_before"] == pytest.approx(norm, rel=1e-6)
    # the rate is brought down to 0.1 / λ: one step of plain SGD takes a tenth of the weights away
    assert numbers["weight_norm_after"] == pytest.approx(0.9 * norm, rel=1e-5)


OPTIMIZERS: dict[str, Callable[[nn.Module, float], torch.optim.Optimizer]] = {
    "momentum": lambda model, l2: torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=l2),
    "nesterov": lambda model, l2: torch.optim.SGD(
        model.parameters(), lr=1.0, momentum=0.9, nesterov=True, weight_decay=l2
    ),
    "adam": lambda model, l2: torch.optim.Adam(model.parameters(), lr=1.0, weight_decay=l2),
    "adamw": lambda model, l2: torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=l2),
    "adagrad": lambda model, l2: torch.optim.Adagrad(model.parameters(), lr=1.0, weight_decay=l2),
}


def probe_with(model: nn.Module, make: Callable[[nn.Module, float], torch.optim.Optimizer]) -> Probe:
    return probe_regularization(model, F.cross_entropy, torch.randn(4, 64), torch.arange(4), make_optimizer=make)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_any_optimizer_that_decays_shrinks_the_weights(two_layers: TwoLayers, name: str) -> None:
    numbers = probe_with(two_layers(64, std=0.2), OPTIMIZERS[name]).numbers
    assert 0.5 * numbers["weight_norm_before"] < numbers["weight_norm_after"] < numbers["weight_norm_before"]


def test_an_optimizer_that_forgets_the_decay_is_seen(two_layers: TwoLayers) -> None:
    numbers = probe_with(
        two_layers(64, std=0.2), lambda model, _l2: torch.optim.SGD(model.parameters(), lr=1.0)
    ).numbers
    assert numbers["weight_norm_after"] == numbers["weight_norm_before"]


def test_a_model_without_weights_has_nothing_to_shrink() -> None:
    numbers = probe_regularization(nn.Flatten(), F.cross_entropy, torch.randn(4, 3), torch.arange(4) % 3).numbers
    assert (numbers["penalty"], numbers["weight_norm_before"], numbers["weight_norm_after"]) == (0.0, 0.0, 0.0)


def test_biases_and_frozen_layers_are_no_part_of_the_norm() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    nn.init.constant_(model[1].bias, 1e6)  # type: ignore[arg-type]
    model[0].requires_grad_(False)
    numbers = probe_regularization(model, F.cross_entropy, torch.randn(4, 3), torch.arange(4) % 3).numbers
    assert numbers["weight_norm_before"] == pytest.approx(norm_of_weights(model[1]), rel=1e-6)
    assert numbers["strength"] == STRENGTH

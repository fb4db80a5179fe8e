from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from babysit.errors import InputError
from babysit.nn.activations import Maxout
from babysit.nn.init import initialize


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SAMPLE = 40 * torch.randn(256, 30, generator=seeded(1)) + 5


def linear_outputs(model: nn.Sequential, x: torch.Tensor) -> list[float]:
    """Variance of what every linear layer gives, layer by layer, apart from the hooks."""
    found = []
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            found.append(float(x.detach().numpy().astype(np.float64).var()))
    return found


def test_every_layer_gets_unit_variance() -> None:
    layers = [layer for _ in range(6) for layer in (nn.Linear(30, 30), nn.ReLU(), nn.Dropout(0.5))]
    model = nn.Sequential(*layers, nn.Linear(30, 4))
    initialize(model, "lsuv", bias=0.01, generator=seeded(), sample=SAMPLE)
    np.testing.assert_allclose(linear_outputs(model.eval(), SAMPLE), 1, atol=0.02)


def test_weights_stay_orthogonal() -> None:
    model = nn.Sequential(nn.Linear(30, 20))
    initialize(model, "lsuv", generator=seeded(), sample=SAMPLE)
    weight = model[0].weight.detach().double().numpy()
    gram = weight @ weight.T
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(20), atol=1e-6 * gram[0, 0] + 1e-9)


def test_convolutions_and_maxout() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), Maxout(8 * 36, 10))
    sample = torch.rand(64, 3, 8, 8, generator=seeded(1))
    initialize(model, "lsuv", generator=seeded(), sample=sample)
    assert model[0](sample).var().item() == pytest.approx(1, abs=0.03)
    assert model[3].linear(model[:3](sample)).var().item() == pytest.approx(1, abs=0.03)


def test_order_of_use_counts_not_of_registration() -> None:
    class Reversed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(20, 20)
            self.unused = nn.Linear(20, 20)
            self.first = nn.Linear(30, 20)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.first(x).relu())

    model = Reversed()
    initialize(model, "lsuv", generator=seeded(), sample=SAMPLE)
    assert model(SAMPLE).var().item() == pytest.approx(1, abs=0.03)
    assert model.first(SAMPLE).var().item() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(model.unused.weight @ model.unused.weight.T, torch.eye(20), atol=1e-5, rtol=0)


def test_a_shared_layer_is_scaled_by_its_first_use() -> None:
    layer = nn.Linear(30, 30)
    initialize(nn.Sequential(layer, nn.ReLU(), layer), "lsuv", generator=seeded(), sample=SAMPLE)
    assert layer(SAMPLE).var().item() == pytest.approx(1, abs=0.03)


def test_nothing_else_changes() -> None:
    model = nn.Sequential(nn.Linear(30, 10), nn.BatchNorm1d(10), nn.Dropout(0.5), nn.Linear(10, 2))
    model[2].eval()
    initialize(model, "lsuv", generator=seeded(), sample=SAMPLE)
    assert [module.training for module in model] == [True, True, False, True]
    assert model[1].running_mean.tolist() == [0.0] * 10
    assert model[1].num_batches_tracked.item() == 0
    assert not any(module._forward_hooks for module in model)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_training_flags_come_back_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(30, 10))
    with pytest.raises(RuntimeError):
        initialize(model, "lsuv", generator=seeded(), sample=SAMPLE[:, :7])
    assert model.training
    assert not model[0]._forward_hooks


@pytest.mark.parametrize("sample", [torch.zeros(8, 30), torch.full((8, 30), torch.nan)])
def test_a_sample_without_variance_is_refused(sample: torch.Tensor) -> None:
    with pytest.raises(InputError, match="layer '0' vary"):
        initialize(nn.Sequential(nn.Linear(30, 10)), "lsuv", generator=seeded(), sample=sample)


def test_no_sample_is_refused() -> None:
    with pytest.raises(InputError, match="pass sample="):
        initialize(nn.Linear(3, 2), "lsuv", generator=seeded())

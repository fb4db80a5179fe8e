from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from babysit.recipe.activations import activation_probe


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_activations_are_described_layer_by_layer() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(4, 6), nn.Linear(6, 2)
    network = nn.Sequential(first, nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), second)
    network[3].eval()
    before, modes = state(network), [module.training for module in network.modules()]
    inputs = torch.randn(50, 4)
    probe = activation_probe("activations-initial", network, inputs)

    hidden = np.asarray(first(inputs).detach(), dtype=np.float64)
    assert probe.numbers["0:mean"] == pytest.approx(hidden.mean(), rel=1e-4)
    assert probe.numbers["0:std"] == pytest.approx(hidden.std(), rel=1e-4)
    assert (probe.numbers["0:low"], probe.numbers["0:high"]) == pytest.approx((hidden.min(), hidden.max()), rel=1e-4)
    counts, _ = np.histogram(hidden, bins=len(probe.series["0"]), range=(hidden.min(), hidden.max()))
    assert sum(probe.series["0"]) == 300
    assert np.abs(np.array(probe.series["0"]) - counts).sum() <= 2  # a value at a border may fall to either side
    assert list(probe.series) == ["0", "1", "2", "4"]
    assert probe.numbers["2:low"] == 0.0
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())

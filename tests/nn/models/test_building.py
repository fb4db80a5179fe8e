from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from babysit.errors import InputError
from babysit.nn.activations import ACTIVATIONS, gain
from babysit.nn.models import CNNConfig, MLPConfig, ModelConfig, build


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CONFIGS: list[ModelConfig] = [
    MLPConfig((3, 8, 8), 10),
    MLPConfig((20,), 3, hidden=(30, 30), activation="prelu", batch_norm=True, dropout=0.5),
    MLPConfig((20,), 1, hidden=()),
    CNNConfig((3, 9, 12), 10, channels=(8, 12), hidden=(20,)),
    CNNConfig((1, 8, 8), 4, channels=(4,), hidden=(), activation="maxout", pieces=3, batch_norm=False),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_same_seed_same_network_and_nothing_else_moves(config: ModelConfig) -> None:
    state = torch.get_rng_state()
    first, second, other = build(config, 7), build(config, 7), build(config, 8)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
        assert torch.isfinite(value).all()
    assert not torch.equal(first.output.weight, other.output.weight)


@pytest.mark.parametrize("config", CONFIGS)
def test_shapes_and_gradients(config: ModelConfig) -> None:
    network = build(config, 0)
    scores = network(torch.randn(5, *config.input_shape, generator=seeded()))
    assert scores.shape == (5, config.outputs)
    scores.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("init", ["he", "xavier", "normal:0.5", "zeros", "constant:0.1"])
def test_initial_loss_is_ln_c(activation: str, init: str) -> None:
    """E1."""
    config = MLPConfig((100,), 10, hidden=(50,), activation=activation, init=init)
    x, y = torch.randn(500, 100, generator=seeded()), torch.arange(500) % 10
    assert nn.functional.cross_entropy(build(config, 0)(x), y).item() == pytest.approx(math.log(10), abs=0.005)


def test_batch_norm_and_prelu_start_as_in_torch() -> None:
    network = build(MLPConfig((4,), 2, hidden=(3,), activation="prelu", batch_norm=True), 0)
    for name, expected in nn.BatchNorm1d(3).state_dict().items():
        torch.testing.assert_close(network.bn1.state_dict()[name], expected)
    assert network.act1.weight.item() == 0.25


def test_scheme_gain_and_bias_reach_the_hidden_layers() -> None:
    network = build(MLPConfig((600,), 5, hidden=(400,), activation="elu", bias=0.01), 0)
    assert network.fc1.weight.std().item() == pytest.approx(gain("elu") / math.sqrt(600), rel=0.02)
    assert network.fc1.bias.unique().tolist() == pytest.approx([0.01])
    assert network.output.weight.std().item() == pytest.approx(0.01 / math.sqrt(400), rel=0.1)
    assert network.output.bias.unique().tolist() == [0]


@pytest.mark.parametrize(("init", "value"), [("zeros", 0.0), ("constant:0.5", 0.5)])
def test_symmetric_schemes_stay_symmetric_to_the_output(init: str, value: float) -> None:
    assert build(MLPConfig((4,), 2, init=init), 0).output.weight.unique().tolist() == [value]


def test_lsuv_uses_the_sample() -> None:
    config = MLPConfig((30,), 5, hidden=(40, 40), init="lsuv")
    sample = 10 * torch.rand(200, 30, generator=seeded())
    network = build(config, 0, sample)
    assert network[:2](sample).var().item() == pytest.approx(1, abs=0.03)
    assert network[:4](sample).var().item() == pytest.approx(1, abs=0.03)
    with pytest.raises(InputError, match="batch of training inputs"):
        build(config, 0)


@pytest.mark.parametrize(
    "config",
    [
        MLPConfig((2,), 2, hidden=(32,)),
        MLPConfig((2,), 2, hidden=(32,), activation="maxout", batch_norm=True),
    ],
)
def test_a_built_network_learns_exclusive_or(config: MLPConfig) -> None:
    network = build(config, 0)
    x = torch.rand(256, 2, generator=seeded()) * 2 - 1
    y = (x[:, 0] * x[:, 1] > 0).long()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9)
    for _ in range(150):
        loss = nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network(x).argmax(1) == y).float().mean().item() > 0.97

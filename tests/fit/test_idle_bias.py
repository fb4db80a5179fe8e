from __future__ import annotations

import pytest
import torch
from torch import nn

from babysit.data.batches import TensorBatches
from babysit.fit.idle_bias import idle_biases
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer

DRAW = torch.Generator().manual_seed(3)


def trained(model: nn.Module, x: torch.Tensor, steps: int = 20, optimizer: str = "adam") -> Trainer:
    trainer = Trainer(
        model, CLASSIFICATION.loss, TensorBatches(x, torch.arange(len(x)) % 3, 16, 0),
        TrainSettings(optimizer=optimizer, lr=0.01, epochs=10), idle=idle_biases(model),
    )  # fmt: skip
    trainer.run(steps)
    return trainer


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def cnn() -> nn.Sequential:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    return nn.Sequential(block, nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


@pytest.mark.parametrize(("make", "shape"), [(mlp, (6,)), (cnn, (1, 6, 6))])
def test_an_idle_bias_stays_and_nothing_else_changes(make: type[nn.Sequential], shape: tuple[int, ...]) -> None:
    x = torch.randn(64, *shape, generator=DRAW)
    before = [idle.bias.detach().clone() for idle in idle_biases(make())]
    held = trained(make(), x, optimizer="momentum").model
    free = make()
    Trainer(
        free, CLASSIFICATION.loss, TensorBatches(x, torch.arange(64) % 3, 16, 0),
        TrainSettings(optimizer="momentum", lr=0.01, epochs=10),
    ).run(20)  # fmt: skip
    assert len(before) == 1
    assert torch.equal(idle_biases(held)[0].bias, before[0])
    x = torch.randn(5, *shape, generator=DRAW)
    torch.testing.assert_close(held.eval()(x), free.eval()(x), rtol=1e-4, atol=1e-5)


def test_adam_moves_what_has_no_gradient_and_here_does_not() -> None:
    x = torch.randn(64, 6, generator=DRAW)
    (before,) = idle_biases(mlp())
    free = mlp()
    Trainer(
        free, CLASSIFICATION.loss, TensorBatches(x, torch.arange(64) % 3, 16, 0),
        TrainSettings(optimizer="adam", lr=0.01, epochs=10),
    ).run(20)  # fmt: skip
    assert (idle_biases(free)[0].bias - before.bias).abs().max() > 0.01
    assert torch.equal(idle_biases(trained(mlp(), x).model)[0].bias, before.bias)


def test_units_that_are_no_channels_are_seen_by_their_gradient() -> None:
    """A batch norm over the second of three dimensions takes away nothing of a linear layer over the third."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    assert len(idle_biases(model)) == 1
    before = model[0].bias.detach().clone()
    trainer = trained(model, torch.randn(64, 8, 6, generator=DRAW))
    assert not trainer.idle
    assert (model[0].bias - before).abs().max() > 0.001


def shared() -> nn.Module:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.BatchNorm1d(4), layer)


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model[0].register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4)),
        nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4)),
        nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)),
        nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4)),
        shared(),
        hooked(),
        nn.ModuleList([nn.Linear(4, 4), nn.BatchNorm1d(4)]),
        nn.Linear(4, 4),
    ],
    ids=["none", "relu", "layer norm", "after", "shared", "hooked", "no sequence", "alone"],
)
def test_other_biases_are_left_alone(model: nn.Module) -> None:
    assert not idle_biases(model)

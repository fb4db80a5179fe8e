from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from babysit.diagnose import diagnose
from babysit.measure.record import Forward, LayerStats, LossBlock, RunRecord, StepRecord
from babysit.nn import CNNConfig, MLPConfig, build
from babysit.rules.act003_sigmoid_hidden_layers import SigmoidHiddenLayers

RULE = SigmoidHiddenLayers()


def mlp(depth: int, activation: type[nn.Module] = nn.Sigmoid, features: int = 64, outputs: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(features, 64), activation()]
        features = 64
    return nn.Sequential(*layers, nn.Linear(features, outputs))


def babysits_own(depth: int, **options: Any) -> nn.Module:
    return build(MLPConfig((64,), 10, (64,) * depth, activation="sigmoid", **options), seed=0)


def cnn(batch_norm: bool = False) -> nn.Module:
    config = CNNConfig((1, 8, 8), 10, (8, 16), (32,), activation="sigmoid", batch_norm=batch_norm, init="xavier")
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), build(config, seed=0))


@pytest.mark.parametrize(
    ("net", "options", "depth"),
    [
        (lambda: mlp(3), {"optimizer": "adam", "lr": 3e-3}, 3),
        (lambda: mlp(6), {"optimizer": "momentum", "lr": 0.1}, 6),
        (lambda: babysits_own(4, init="xavier"), {"optimizer": "adam", "lr": 3e-3}, 4),
        (lambda: babysits_own(3, init="xavier", dropout=0.2), {"lr": 0.1}, 3),
        (lambda: babysits_own(3), {"lr": 0.1}, 3),
        (cnn, {"optimizer": "adam", "lr": 3e-3}, 3),
        (lambda: mlp(3, features=10, outputs=1), {"data": "friedman", "optimizer": "adam", "lr": 3e-3}, 3),
    ],
    ids=["mlp-3", "mlp-6", "xavier", "dropout", "he", "cnn", "regression"],
)
def test_deep_stacks(
    fit: Callable[..., RunRecord], net: Callable[[], nn.Module], options: dict[str, Any], depth: int
) -> None:
    (finding,) = RULE.check(fit(net(), epochs=1, **options))
    layers, shrinking = finding.evidence
    assert layers.value == depth
    assert shrinking.value > shrinking.limit == 2
    assert "ReLU" in finding.remedies[0]


def test_tiny_updates_are_its_symptom(fit: Callable[..., RunRecord]) -> None:
    diagnosis = diagnose(fit(mlp(6), lr=0.1, epochs=10))
    assert "ACT003" in {finding.code for finding in diagnosis.findings}
    assert diagnosis.folded["UPD001"].code == "ACT003"


class Heads(nn.Module):
    """Ten sigmoid heads side by side, and a layer that reads them: in order of definition it looks like a stack."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Linear(64, 32)
        self.heads = nn.ModuleList([nn.Sequential(nn.Linear(32, 4), nn.Sigmoid()) for _ in range(10)])
        self.tail = nn.Linear(40, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).relu()
        out: Tensor = self.tail(torch.cat([head(hidden) for head in self.heads], dim=1))
        return out


class Gated(nn.Module):
    """Each layer passes through a sigmoid gate."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.gates = nn.ModuleList([nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(4)])
        self.values = nn.ModuleList([nn.Linear(64, 64) for _ in range(4)])
        self.last = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        for gate, value in zip(self.gates, self.values, strict=True):
            x = x + value(x).tanh() * gate(x)
        out: Tensor = self.last(x)
        return out


@pytest.mark.parametrize(
    "net",
    [
        lambda: mlp(1),
        lambda: mlp(2),
        lambda: mlp(6, nn.ReLU),
        lambda: mlp(6, nn.Tanh),
        lambda: nn.Sequential(mlp(3, nn.ReLU), nn.Sigmoid()),
        lambda: babysits_own(4, batch_norm=True),
        lambda: cnn(batch_norm=True),
        Heads,
        Gated,
    ],
    ids=["one", "two", "relu", "tanh", "output", "batch-norm", "cnn-batch-norm", "heads", "gates"],
)
def test_other_networks_are_silent(fit: Callable[..., RunRecord], net: Callable[[], nn.Module]) -> None:
    for seed in range(3):
        assert list(RULE.check(fit(net(), epochs=1, optimizer="adam", lr=3e-3, seed=seed))) == []


def recorded(*gradients: float | None) -> RunRecord:
    layers: list[LayerStats] = []
    for place, norm in enumerate(gradients):
        layers += [LayerStats(f"fc{place}", "Linear", weight_norm=1.0, gradient_norm=norm)]
        layers += [LayerStats(f"act{place}", "Sigmoid")]
    layers += [LayerStats("output", "Linear", weight_norm=1.0, gradient_norm=1.0)]
    return RunRecord(steps=(StepRecord(0, 2.3, 0.1, tuple(layers)),))


def test_each_condition_is_needed() -> None:
    (finding,) = RULE.check(recorded(0.01, 0.03, 0.09))
    assert finding.evidence[1].value == pytest.approx(3)
    assert list(RULE.check(recorded(0.01, 0.09))) == []
    assert list(RULE.check(recorded(0.03, 0.01, 0.3))) == []  # not from layer to layer
    assert list(RULE.check(recorded(0.01, 0.015, 0.03))) == []
    assert list(RULE.check(recorded(0.0, 0.03, 0.09))) == []
    assert list(RULE.check(recorded(0.01, None, 0.09))) == []  # unknown


def test_many_inputs_do_not_hide_the_layers_after_the_first(fit: Callable[..., RunRecord]) -> None:
    assert list(RULE.check(recorded(0.05, 0.01, 0.03))) == []  # two are too few to tell
    (finding,) = RULE.check(recorded(0.05, 0.01, 0.03, 0.09))
    assert finding.evidence[1].value == pytest.approx(3)
    assert "0.09 in fc3 and 0.01 in fc1" in finding.message
    assert list(RULE.check(recorded(0.05, 0.01, 0.03, 0.02))) == []
    # each pixel 64 times, as a photograph has thousands of them
    wide = nn.Sequential(Repeated(64), mlp(4, features=64 * 64))
    assert len(list(RULE.check(fit(wide, epochs=1, lr=0.01)))) == 1


class Repeated(nn.Module):
    """Every feature several times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(1, self.times)


def test_functions_are_seen_and_each_model_by_itself() -> None:
    def named(prefix: str) -> list[LayerStats]:
        found: list[LayerStats] = []
        for place in range(2):
            number = "" if place == 0 else "#2"
            norm = 0.03 * 10**place
            found += [LayerStats(f"{prefix}fc{place}", "Linear", weight_norm=1.0, gradient_norm=norm)]
            found += [LayerStats(f"{prefix}F.sigmoid{number}", "Sigmoid")]
        return [*found, LayerStats(f"{prefix}out", "Linear", weight_norm=1.0, gradient_norm=9.0)]

    steps = (StepRecord(0, 2.3, 0.1, (*named(""), *named("Other."))),)
    # one after the other they would be three in a row
    forwards = tuple(Forward(0, "train", model, training=True) for model in ("Net", "Other"))
    assert list(RULE.check(RunRecord(steps=steps, forwards=forwards))) == []
    assert len(list(SigmoidHiddenLayers(depth=2).check(RunRecord(steps=steps, forwards=forwards)))) == 1


def test_a_training_that_gets_nowhere_is_an_error() -> None:
    run = recorded(0.01, 0.03, 0.09)
    stuck = dataclasses.replace(run, blocks=(LossBlock(0, (2.3,) * 60),))
    assert [finding.severity for finding in RULE.check(stuck)] == ["error"]
    learns = dataclasses.replace(run, blocks=(LossBlock(0, (2.3, *[1.0] * 59)),))
    assert [finding.severity for finding in RULE.check(learns)] == ["warning"]

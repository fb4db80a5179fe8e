from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from babysit.diagnose import diagnose
from babysit.measure.record import DEAD_BATCHES, Forward, LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.nn import CNNConfig, MLPConfig, build
from babysit.rules import Severity
from babysit.rules.act001_dead_relu import DeadRelu

RULE = DeadRelu()
ENOUGH = RULE.min_samples + DEAD_BATCHES


def mlp(*widths: int, bias: float | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    features = 64
    for width in widths:
        layers += [nn.Linear(features, width), nn.ReLU()]
        if bias is not None:
            nn.init.constant_(layers[-2].bias, bias)
        features = width
    return nn.Sequential(*layers, nn.Linear(features, 10))


def cnn(bias: float | None = None, batch_norm: bool = False) -> nn.Module:
    net = build(CNNConfig((1, 8, 8), outputs=10, channels=(8, 16), hidden=(32,), batch_norm=batch_norm), seed=0)
    if bias is not None:
        [*_, second] = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
        nn.init.constant_(second.bias, bias)
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), net)


def recorded(*fractions: float, batch_size: int = 64, end: float = 1.0) -> RunRecord:
    steps = tuple(
        StepRecord(step, 2.0, 0.1, (LayerStats("1", "ReLU", dead_fraction=value),))
        for step, value in enumerate(fractions)
    )
    return RunRecord(RunHeader(batch_size=batch_size), (LossBlock(0, (2.0, *(end,) * (len(steps) - 1))),), steps)


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (lambda: mlp(100, 100), {"optimizer": "adam", "lr": 0.1}),
        (lambda: mlp(50), {"lr": 3.0}),
        (cnn, {"optimizer": "adam", "lr": 0.1}),
    ],
    ids=["mlp-adam", "mlp-sgd", "cnn"],
)
def test_units_that_died_of_too_high_a_rate(
    fit: Callable[..., RunRecord], net: Callable[[], nn.Module], options: dict[str, Any]
) -> None:
    (finding,) = RULE.check(fit(net(), **options))
    assert "died in training, the learning rate is too high" in finding.message
    assert finding.remedies[0].startswith("lower the learning rate")
    lately, start = finding.evidence
    assert lately.value > lately.limit == 0.7 > 0.3 > start.value


@pytest.mark.parametrize("net", [lambda: mlp(100, 100, bias=-4.0), lambda: cnn(bias=-20.0)], ids=["mlp", "cnn"])
def test_units_that_were_never_alive(fit: Callable[..., RunRecord], net: Callable[[], nn.Module]) -> None:
    run = fit(net(), lr=0.05, epochs=10)
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.ERROR
    assert "100 % from the start" in finding.message
    assert "biases" in finding.remedies[0]
    diagnosis = diagnose(run)
    assert [item.code for item in diagnosis.findings] == ["ACT001"]
    assert diagnosis.folded["LOS008"].code == "ACT001"  # nothing learnt, and this is why


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (lambda: mlp(50), {"lr": 0.1}),
        (lambda: mlp(64, 64, 64, 64, 64, 64, 64, 64), {"optimizer": "adam", "lr": 1e-3}),
        (lambda: mlp(16, 16, 16, 16, 16, 16), {"optimizer": "adam", "lr": 3e-3}),
        (lambda: mlp(100, 100, 100), {"optimizer": "momentum", "lr": 0.1, "schedule": "cosine"}),
        (lambda: mlp(100, 100, 100), {"optimizer": "adam", "lr": 0.01}),
        (lambda: mlp(50, 50), {"lr": 0.05, "batch_size": 8, "epochs": 2}),
        (lambda: mlp(50, 50), {"lr": 0.01, "batch_size": 1, "epochs": 1}),
        (
            lambda: build(MLPConfig((64,), 10, (64, 64), dropout=0.5), seed=0),
            {"optimizer": "adam", "lr": 3e-3},
        ),
        (cnn, {"optimizer": "adam", "lr": 2e-3}),
        (lambda: cnn(batch_norm=True), {"optimizer": "momentum", "lr": 0.05}),
    ],
    ids=["sgd", "deep", "deep-narrow", "cosine", "adam", "batch-8", "batch-1", "dropout", "cnn", "cnn-batch-norm"],
)
def test_healthy_trainings_are_silent(
    fit: Callable[..., RunRecord], net: Callable[[], nn.Module], options: dict[str, Any]
) -> None:
    assert list(RULE.check(fit(net(), **options))) == []


def test_the_limits() -> None:
    (finding,) = RULE.check(recorded(*[0.1] * ENOUGH, *[0.8] * RULE.min_samples))
    assert (finding.severity, finding.module, finding.first_step) == (Severity.WARNING, "1", ENOUGH)
    assert list(RULE.check(recorded(*[0.8] * (ENOUGH - 2)))) == []
    assert list(RULE.check(recorded(*[0.7] * 100))) == []
    assert list(RULE.check(recorded(*[0.9] * 60, *[0.2] * 60))) == []  # they came back
    assert list(RULE.check(recorded(*[0.9] * 100, batch_size=6))) == []
    assert len(list(RULE.check(recorded(*[0.9] * 100, batch_size=7)))) == 1


def test_a_training_that_gets_nowhere_is_an_error() -> None:
    (finding,) = RULE.check(recorded(*[0.1] * ENOUGH, *[0.8] * RULE.min_samples, end=2.0))
    assert finding.severity is Severity.ERROR


def test_units_that_answer_in_another_pass_are_alive() -> None:
    """A discriminator's units may be silent on every real example, and answer to the made ones."""

    def layers(other: float) -> tuple[LayerStats, ...]:
        linear, act = LayerStats("0", "Linear", weight_norm=1.0), LayerStats("1", "ReLU", dead_fraction=0.9)
        return linear, act, LayerStats("0#2", "Linear"), LayerStats("1#2", "ReLU", dead_fraction=other)

    for other, found in ((0.2, []), (0.8, ["1"])):
        steps = tuple(StepRecord(step, 1.4, layers=layers(other)) for step in range(100))
        forwards = tuple(Forward(step, "train", "Critic", training=True) for step in range(100) for _ in range(2))
        run = RunRecord(RunHeader(batch_size=64), steps=steps, forwards=forwards)
        assert [finding.module for finding in RULE.check(run)] == found

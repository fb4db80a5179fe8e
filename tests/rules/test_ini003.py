from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from babysit.diagnose import diagnose
from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.nn.models import CNNConfig, MLPConfig, build
from babysit.rules import Severity
from babysit.rules.ini003_growing_activations import GrowingActivations

RULE = GrowingActivations()
Fit = Callable[..., RunRecord]


def plain(depth: int, activation: type[nn.Module], std: float, *, normalise: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(64, 64), *([nn.BatchNorm1d(64)] if normalise else []), activation()]
    net = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
    return net


@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU], ids=["relu", "leaky"])
def test_real_training_whose_signal_grows(fit: Fit, activation: type[nn.Module]) -> None:
    run = fit(plain(6, activation, 0.5), lr=0.02, epochs=2)
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.ERROR
    # a rectifier passes half of the power: 0.5·√(64/2) a layer
    assert finding.evidence[0].value == pytest.approx(0.5 * 32**0.5, rel=0.15)
    assert finding.module == "10"
    assert diagnose(run).findings[0].code == "INI003"  # the cause; that the loss explodes is its symptom
    assert {"LOS001", "LOS002"} & set(diagnose(run).folded)


@pytest.mark.parametrize(("activation", "std"), [(nn.Tanh, 1.0), (nn.Sigmoid, 4.0)], ids=["tanh", "sigmoid"])
def test_real_training_saturated_from_the_start(fit: Fit, activation: type[nn.Module], std: float) -> None:
    run = fit(plain(6, activation, std), lr=0.02, epochs=10)
    (finding,) = RULE.check(run)
    assert "at their limits" in finding.message
    assert finding.evidence[0].value > (finding.evidence[0].limit or 1)
    assert "INI003" in {item.code for item in diagnose(run).findings}


@pytest.mark.parametrize(
    "config",
    [
        CNNConfig((1, 8, 8), 10, channels=(8, 16, 16), hidden=(64, 64), batch_norm=False),
        CNNConfig((1, 8, 8), 10, channels=(8, 16), hidden=(64,)),
        MLPConfig((64,), 10, hidden=(50,) * 10, dropout=0.5),
        MLPConfig((64,), 10, hidden=(8,) * 6),
        MLPConfig((64,), 10, hidden=(50,) * 12, activation="tanh", init="xavier"),
        MLPConfig((64,), 10, hidden=(50,) * 6, activation="maxout"),
    ],
    ids=["cnn", "cnn-bn", "mlp-dropout", "mlp-narrow", "mlp-tanh", "mlp-maxout"],
)
def test_babysits_own_models_are_silent(fit: Fit, config: CNNConfig | MLPConfig) -> None:
    net = build(config, seed=0)
    if isinstance(config, CNNConfig):
        net = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *net)
    assert list(RULE.check(fit(net, epochs=1))) == []


def test_batch_norm_makes_large_weights_harmless(fit: Fit) -> None:
    assert list(RULE.check(fit(plain(8, nn.ReLU, 0.5, normalise=True), epochs=1))) == []


def start(*stds: float, kind: str = "Linear") -> RunRecord:
    layers = tuple(LayerStats(str(place), kind, std=std, weight_norm=1.0) for place, std in enumerate(stds))
    return RunRecord(steps=(StepRecord(0, 2.3, 0.1, layers),))


def saturated(*shares: float | None) -> RunRecord:
    layers = tuple(LayerStats(str(place), "Tanh", saturated_fraction=share) for place, share in enumerate(shares))
    return RunRecord(steps=(StepRecord(0, 2.3, 0.1, layers),))


def test_each_condition_is_needed() -> None:
    assert [item.severity for item in RULE.check(start(1.0, 3.0, 9.0, 27.0, 81.0))] == [Severity.WARNING]
    assert list(RULE.check(start(1.0, 3.0, 30.0, 90.0))) == []  # three hidden layers
    assert list(RULE.check(start(0.01, 0.03, 0.1, 0.3, 1.0))) == []  # only as large as it should be
    assert list(RULE.check(start(1.0, 1.2, 1.5, 1.8, 2.0))) == []  # within the scatter of narrow layers
    assert list(RULE.check(start(1.0, 3.0, 2.0, 9.0, 5.0, 40.0, 1.0))) == []  # up and down
    assert list(RULE.check(start(1.0, 3.0, 9.0, 27.0, 81.0, kind="Embedding"))) == []


def test_saturation_of_several_layers_not_of_the_first_alone() -> None:
    assert len(list(RULE.check(saturated(0.2, 0.9, 0.9, 0.8)))) == 1
    assert list(RULE.check(saturated(1.0, 0.1, 0.1, 0.2))) == []  # the inputs are too large, not the weights
    assert list(RULE.check(saturated(0.9, 0.9, 0.9))) == []
    assert list(RULE.check(saturated(None, 0.9, 0.9, 0.9))) == []


def test_a_healthy_training_is_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def test_outputs_and_gates_may_be_at_their_limits() -> None:
    def run(*names: str) -> RunRecord:
        layers = tuple(
            LayerStats(
                name,
                kind,
                saturated_fraction=0.9 if kind in ("Tanh", "Sigmoid") else None,
                weight_norm=1.0 if kind == "Linear" else None,
            )
            for name, kind in (item.split(":") for item in names)
        )
        return RunRecord(steps=(StepRecord(0, 2.3, 0.1, layers),))

    stack = [part for n in range(4) for part in (f"fc{n}:Linear", f"F.tanh#{n}:Tanh")]
    assert len(list(RULE.check(run(*stack, "out:Linear")))) == 1
    assert list(RULE.check(run(*stack))) == []  # the last one is an output
    gates = [part for n in range(4) for part in (f"gate{n}:Linear", f"s{n}:Sigmoid", f"fc{n}:Linear", f"r{n}:ReLU")]
    assert list(RULE.check(run(*gates, "out:Linear"))) == []

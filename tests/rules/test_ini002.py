from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import nn

from babysit.diagnose import diagnose
from babysit.measure.record import Forward, LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.nn.models import CNNConfig, MLPConfig, build
from babysit.rules import Severity
from babysit.rules.ini002_shrinking_activations import ShrinkingActivations

RULE = ShrinkingActivations()


def plain(depth: int, activation: type[nn.Module], *, features: int = 64, normalise: bool = False) -> nn.Sequential:
    """Torch's own initialisation."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for place in range(depth):
        normalisation = [nn.BatchNorm1d(64)] if normalise else []
        layers += [nn.Linear(64 if place else features, 64), *normalisation, activation()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def small(net: nn.Sequential, std: float) -> nn.Sequential:
    for layer in net:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
    return net


def lecture(init: str, activation: str) -> RunRecord:
    """Ten layers of 500 units, unit-Gaussian input, a thousand examples: what step 0 would have recorded."""
    torch.manual_seed(0)
    net = build(MLPConfig((500,), 10, hidden=(500,) * 10, activation=activation, init=init), seed=0)
    x = torch.randn(1000, 500)
    layers = []
    for name, module in net.named_children():
        x = module(x)
        weight = float(module.weight.detach().norm()) if isinstance(module, nn.Linear) else None
        layers.append(LayerStats(name, type(module).__name__, std=float(x.detach().std()), weight_norm=weight))
    return RunRecord(steps=(StepRecord(0, 2.3, 0.1, tuple(layers)),))


def test_the_lectures_networks() -> None:
    (collapse,) = RULE.check(lecture("normal:0.01", "tanh"))
    assert collapse.severity is Severity.WARNING
    assert collapse.evidence[0].value == pytest.approx(0.2236, rel=0.03)  # 0.01·√500 a layer
    assert "xavier" in collapse.remedies[0]
    (faint,) = RULE.check(lecture("xavier", "relu"))
    assert faint.severity is Severity.INFO
    assert faint.evidence[0].value == pytest.approx(2**-0.5, rel=0.06)  # half of the power a layer
    assert "kaiming" in faint.remedies[0]
    assert list(RULE.check(lecture("xavier", "tanh"))) == []
    assert list(RULE.check(lecture("he", "relu"))) == []


@pytest.mark.parametrize(
    ("activation", "depth"), [(nn.Tanh, 8), (nn.ReLU, 5), (nn.GELU, 6)], ids=["tanh", "relu", "gelu"]
)
def test_real_training_of_a_deep_stack_of_small_weights(
    fit: Callable[..., RunRecord], activation: type[nn.Module], depth: int
) -> None:
    run = fit(small(plain(depth, activation), 0.03), lr=0.02, epochs=10)
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.ERROR
    assert finding.module == str(2 * depth - 2)  # the last hidden layer, not the output
    assert finding.evidence[1].value < (finding.evidence[1].limit or 0)
    first = diagnose(run).findings[0]
    assert first.code == "INI002"  # the cause, not that the loss hardly moves


def test_real_training_of_a_convolutional_net_of_small_weights(fit: Callable[..., RunRecord]) -> None:
    blocks = [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()]
    for _ in range(4):
        blocks += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    torch.manual_seed(0)
    (finding,) = RULE.check(fit(small(net, 0.01), epochs=2))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.ELU, nn.GELU, nn.Sigmoid])
@pytest.mark.parametrize("depth", [1, 3, 6, 10])
def test_torchs_own_start_is_silent(fit: Callable[..., RunRecord], activation: type[nn.Module], depth: int) -> None:
    assert list(RULE.check(fit(plain(depth, activation), epochs=1))) == []


def test_batch_norm_makes_small_weights_harmless(fit: Callable[..., RunRecord]) -> None:
    assert list(RULE.check(fit(small(plain(8, nn.ReLU, normalise=True), 0.01), epochs=1))) == []


def test_small_weights_are_fine_in_a_small_network(fit: Callable[..., RunRecord]) -> None:
    assert list(RULE.check(fit(small(plain(2, nn.ReLU), 0.01), epochs=1))) == []


@pytest.mark.parametrize(
    "config",
    [
        CNNConfig((1, 8, 8), 10, channels=(8, 16, 16), hidden=(64, 64), batch_norm=False),
        CNNConfig((1, 8, 8), 10, channels=(8, 16), hidden=(64,)),
        MLPConfig((64,), 10, hidden=(256, 128, 64, 32, 16), dropout=0.5),
        MLPConfig((64,), 10, hidden=(50,) * 12, activation="tanh", init="xavier"),
    ],
    ids=["cnn", "cnn-bn", "mlp-dropout", "mlp-tanh"],
)
def test_babysits_own_models_are_silent(fit: Callable[..., RunRecord], config: CNNConfig | MLPConfig) -> None:
    net = build(config, seed=0)
    if isinstance(config, CNNConfig):
        net = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *net)
    assert list(RULE.check(fit(net, epochs=1))) == []


def start(*stds: float) -> RunRecord:
    layers = tuple(LayerStats(str(place), "Linear", std=std, weight_norm=1.0) for place, std in enumerate(stds))
    return RunRecord(steps=(StepRecord(0, 2.3, 0.1, layers),))


def test_each_condition_is_needed() -> None:
    assert len(list(RULE.check(start(1.0, 0.1, 0.01, 0.001, 1e-4)))) == 1
    assert list(RULE.check(start(1.0, 0.1, 0.01, 0.001))) == []  # three hidden layers
    assert list(RULE.check(start(100.0, 20.0, 4.0, 0.8, 0.1))) == []  # only as large as it should be
    assert list(RULE.check(start(1.0, 0.1, 0.2, 0.02, 0.03, 0.001))) == []  # up and down
    late = dataclasses.replace(start(1.0, 0.1, 0.01, 0.001, 1e-4).steps[0], step=5)
    assert list(RULE.check(RunRecord(steps=(late,)))) == []


def test_a_healthy_training_is_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def compared(
    *spreads: float, losses: tuple[float, ...] = (2.3,) * 60, kind: str = "ReLU", update: float = 0.01
) -> RunRecord:
    """Layers whose plain spread is kept up by their biases."""
    layers: list[LayerStats] = []
    for place, spread in enumerate((*spreads, 0.1)):
        layers.append(
            LayerStats(f"fc{place}", "Linear", std=0.1, example_std=spread, weight_norm=1.0, update_norm=update)
        )
        layers.append(LayerStats(f"act{place}", kind))
    steps = tuple(StepRecord(step, loss, 0.1, tuple(layers)) for step, loss in enumerate(losses))
    return RunRecord(RunHeader(batch_size=64), (LossBlock(0, losses),), steps)


ALIKE = (0.4, 0.08, 0.016, 0.003, 6e-4)


def test_outputs_that_hardly_differ_between_examples() -> None:
    (finding,) = RULE.check(compared(*ALIKE))
    assert finding.severity is Severity.WARNING
    assert "have std 0.4 across the examples, those of fc4, 4 layers on, 0.0006" in finding.message
    early = (2.3,) * 5 + (1.0,) * 55
    assert [item.severity for item in RULE.check(compared(*ALIKE, losses=early))] == [Severity.INFO]
    late = (2.3,) * 30 + (1.0,) * 30
    assert [item.severity for item in RULE.check(compared(*ALIKE, losses=late))] == [Severity.WARNING]
    nothing = (0.4, 0.02, 1e-3, 5e-5, 2e-6)
    assert [item.severity for item in RULE.check(compared(*nothing, losses=early))] == [Severity.WARNING]


def test_a_rate_that_is_too_low_is_another_matter() -> None:
    learns_nothing = (2.3,) * 10 + (2.0,) * 50  # below 0.9 of its beginning, so not late
    assert [item.severity for item in RULE.check(compared(*ALIKE, losses=learns_nothing))] == [Severity.INFO]


def test_sigmoids_squeeze_examples_together_with_any_weights() -> None:
    assert list(RULE.check(compared(*ALIKE, kind="Sigmoid"))) == []


def test_batches_of_one_example_cannot_be_compared() -> None:
    assert list(RULE.check(compared(0.0, 0.0, 0.0, 0.0, 0.0))) == []


def test_two_models_are_two_signals() -> None:
    def names(*stds: float, prefix: str = "") -> list[LayerStats]:
        return [LayerStats(f"{prefix}{n}", "Linear", std=std, weight_norm=1.0) for n, std in enumerate(stds)]

    forwards = tuple(Forward(0, "train", model, training=True) for model in ("Encoder", "Decoder"))
    layers = (*names(1.0, 0.1, 0.01), *names(0.001, 1e-4, 1e-5, prefix="Decoder."))
    steps = (StepRecord(0, 2.3, 0.1, layers),)
    assert len(list(RULE.check(RunRecord(steps=steps)))) == 1
    assert list(RULE.check(RunRecord(steps=steps, forwards=forwards))) == []

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from babysit.diagnose import diagnose
from babysit.measure.record import Forward, LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.nn import CNNConfig, MLPConfig, build
from babysit.rules.act002_saturated_activation import SaturatedActivation

RULE = SaturatedActivation()


def mlp(
    activation: type[nn.Module], *widths: int, features: int = 64, outputs: int = 10, std: float | None = None
) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(features, width), activation()]
        features = width
    net = nn.Sequential(*layers, nn.Linear(features, outputs))
    for layer in net:
        if isinstance(layer, nn.Linear) and std is not None:
            nn.init.normal_(layer.weight, std=std)
    return net


def cnn(batch_norm: bool = False) -> nn.Module:
    config = CNNConfig((1, 8, 8), 10, (8, 16), (32,), activation="tanh", batch_norm=batch_norm, init="xavier")
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), build(config, seed=0))


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (lambda: mlp(nn.Tanh, 64, 64), {"optimizer": "adam", "lr": 0.3}),
        (lambda: mlp(nn.Sigmoid, 64, 64), {"optimizer": "adam", "lr": 0.1}),
        (cnn, {"optimizer": "adam", "lr": 0.1}),
        (lambda: mlp(nn.Tanh, 64, 64, features=10, outputs=1), {"data": "friedman", "optimizer": "adam", "lr": 0.3}),
    ],
    ids=["tanh", "sigmoid", "cnn", "regression"],
)
def test_driven_to_the_limits_by_too_high_a_rate(
    fit: Callable[..., RunRecord], net: Callable[[], nn.Module], options: dict[str, Any]
) -> None:
    (finding,) = RULE.check(fit(net(), **options))
    assert "the updates drove it there, the learning rate is too high" in finding.message
    assert finding.remedies[0].startswith("lower the learning rate")
    lately, start, loss = finding.evidence
    assert lately.value > lately.limit == 0.9 > 0.3 > start.value
    assert loss.value > loss.limit


@pytest.mark.parametrize("net", [(nn.Tanh, 500, 500, 500), (nn.Tanh, 64, 64, 64)], ids=["wide", "narrow"])
def test_saturated_by_the_initial_weights(fit: Callable[..., RunRecord], net: tuple[Any, ...]) -> None:
    # the lecture's 1.0·N(0, 1): 0.92 of 500 units beyond ±0.97; the limits here are ±0.98
    (finding,) = RULE.check(fit(mlp(*net, std=1.0), optimizer="adam", lr=1e-3, epochs=2))
    assert "from the start: the initial weights, or the inputs, are too large" in finding.message
    assert "Xavier" in finding.remedies[0]
    assert finding.first_step == 0


def test_a_plateau_of_the_loss_is_its_symptom(fit: Callable[..., RunRecord]) -> None:
    diagnosis = diagnose(fit(mlp(nn.Sigmoid, 64, 64), optimizer="adam", lr=0.2))
    assert [finding.code for finding in diagnosis.findings] == ["ACT002"]
    assert diagnosis.folded["LOS004"].code == "ACT002"


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (lambda: mlp(nn.Tanh, 64), {"lr": 0.5}),
        (lambda: mlp(nn.Tanh, 64, 64), {"optimizer": "adam", "lr": 0.01, "epochs": 10}),
        (lambda: mlp(nn.Tanh, 64, 64, 64, 64, 64), {"optimizer": "momentum", "lr": 0.05, "schedule": "cosine"}),
        (lambda: mlp(nn.Sigmoid, 64), {"optimizer": "adam", "lr": 0.01}),
        (lambda: mlp(nn.Sigmoid, 8, features=2, outputs=2), {"data": "moons", "optimizer": "adam", "lr": 0.03}),
        (lambda: mlp(nn.Tanh, 64, features=10, outputs=1), {"data": "friedman", "optimizer": "adam", "lr": 0.01}),
        (lambda: mlp(nn.Tanh, 64, 64), {"lr": 0.1, "batch_size": 8, "epochs": 2}),
        (cnn, {"optimizer": "adam", "lr": 2e-3}),
        (lambda: cnn(batch_norm=True), {"optimizer": "momentum", "lr": 0.05}),
        (
            lambda: build(MLPConfig((64,), 10, (64, 64), activation="sigmoid", batch_norm=True), seed=0),
            {"optimizer": "adam", "lr": 3e-3},
        ),
    ],
    ids=["sgd", "adam", "deep", "sigmoid", "tiny", "regression", "batch-8", "cnn", "cnn-batch-norm", "batch-norm"],
)
def test_healthy_trainings_are_silent(
    fit: Callable[..., RunRecord], net: Callable[[], nn.Module], options: dict[str, Any]
) -> None:
    assert list(RULE.check(fit(net(), **options))) == []


def test_raw_pixels_saturate_a_tanh_that_learns_all_the_same(fit: Callable[..., RunRecord]) -> None:
    class Raw(nn.Module):
        """Gives the network the digits' pixels as they are, 0 to 16."""

        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(nn.Tanh, 64, 64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.net(6.02 * x + 4.88)
            return out

    run = fit(Raw(), optimizer="adam", lr=3e-3, epochs=10)
    assert max(layer.saturated_fraction or 0 for _, layer in run.layer("net.1")) > 0.6
    assert list(RULE.check(run)) == []


def recorded(
    types: str, saturated: float = 0.9, start: float | None = None, steps: int = 30, loss: float = 1.0
) -> RunRecord:
    def layers(share: float) -> tuple[LayerStats, ...]:
        return tuple(
            LayerStats(
                str(place),
                kind,
                saturated_fraction=share if kind in ("Tanh", "Sigmoid") else None,
                weight_norm=1.0 if kind == "Linear" else None,
            )
            for place, kind in enumerate(types.split())
        )

    first = saturated if start is None else start
    return RunRecord(
        RunHeader(chance_loss=2.3, batch_size=64),
        (LossBlock(0, (2.3, *[loss] * (steps - 1))),),
        tuple(StepRecord(step, loss, 0.1, layers(saturated if step else first)) for step in range(steps)),
    )


@pytest.mark.parametrize(
    ("types", "found"),
    [
        ("Linear Tanh Linear", "1"),
        ("Linear Sigmoid Linear", "1"),
        ("Linear Tanh Linear Sigmoid", "1"),
        ("Linear ReLU Linear Sigmoid", ""),  # an output
        ("Linear ReLU Linear Sigmoid Linear", ""),  # a gate
        ("Linear ReLU Linear Tanh Linear", "3"),
    ],
)
def test_outputs_and_gates_may_saturate(types: str, found: str) -> None:
    assert [finding.module for finding in RULE.check(recorded(types))] == found.split()


def test_each_condition_is_needed() -> None:
    assert len(list(RULE.check(recorded("Linear Tanh Linear")))) == 1
    assert list(RULE.check(recorded("Linear Tanh Linear", saturated=0.75))) == []
    assert list(RULE.check(recorded("Linear Tanh Linear", saturated=0.8, start=0.1))) == []
    assert len(list(RULE.check(recorded("Linear Tanh Linear", saturated=0.95, start=0.1)))) == 1
    assert list(RULE.check(recorded("Linear Tanh Linear", steps=19))) == []
    assert list(RULE.check(recorded("Linear Tanh Linear", loss=0.1))) == []
    assert list(RULE.check(recorded("Linear Tanh Linear", loss=-3.0))) == []


def watched(names: str, saturated: dict[str, float], *models: str, loss_name: str = "cross_entropy") -> RunRecord:
    """A watched run of ``"path:Type …"``; the models are called in every step."""
    layers = tuple(
        LayerStats(
            path,
            kind,
            saturated_fraction=saturated.get(path, 0.1) if kind in ("Tanh", "Sigmoid") else None,
            weight_norm=1.0 if kind == "Linear" and "#" not in path else None,
        )
        for path, kind in (name.split(":") for name in names.split())
    )
    return RunRecord(
        RunHeader(chance_loss=2.3, batch_size=64, loss_name=loss_name),
        (LossBlock(0, (2.3,) * 30),),
        tuple(StepRecord(step, 2.3, 0.1, layers) for step in range(30)),
        forwards=tuple(Forward(step, "train", model, training=True) for step in range(30) for model in models),
    )


def test_functions_are_judged_like_modules() -> None:
    names = "fc1:Linear F.tanh:Tanh fc2:Linear F.tanh#2:Tanh fc3:Linear"
    (finding,) = RULE.check(watched(names, {"F.tanh#2": 0.95}, "Net"))
    assert finding.module == "F.tanh#2"


def test_the_end_of_a_generator_is_an_output_whatever_is_called_after_it() -> None:
    names = "0:Linear 1:ReLU 2:Linear F.tanh:Tanh Critic.0:Linear Critic.1:Tanh Critic.2:Linear Critic.0#2:Linear"
    models = ("Generator", "Critic", "Critic")
    assert list(RULE.check(watched(names, {"F.tanh": 0.95}, *models))) == []
    (finding,) = RULE.check(watched(names, {"Critic.1": 0.95}, *models))
    assert finding.module == "Critic.1"


def test_a_policys_action_before_the_head_of_its_value() -> None:
    names = "body:Linear F.tanh:Tanh actor:Linear F.tanh#2:Tanh critic:Linear"
    assert list(RULE.check(watched(names, {"F.tanh#2": 0.95}, "Policy", loss_name=""))) == []
    everywhere = {"F.tanh": 0.95, "F.tanh#2": 0.95}
    assert len(list(RULE.check(watched(names, everywhere, "Policy", loss_name="")))) == 1
    alone = "body:Linear F.tanh:Tanh out:Linear"
    assert len(list(RULE.check(watched(alone, {"F.tanh": 0.95}, "Net", loss_name="")))) == 1


def test_gates_of_cells_written_by_hand() -> None:
    names = "i:Linear F.sigmoid:Sigmoid c:Linear F.tanh:Tanh o:Linear F.sigmoid#2:Sigmoid head:Linear"
    assert list(RULE.check(watched(names, {"F.sigmoid": 0.95, "F.sigmoid#2": 0.95}, "Cell"))) == []
    glu = "value:Linear gate:Linear F.sigmoid:Sigmoid out:Linear"
    assert list(RULE.check(watched(glu, {"F.sigmoid": 0.95}, "Net"))) == []

"""A stacked trial is the same trial alone (contract 7)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import TensorBatches
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION, REGRESSION, LossFunction, Task
from babysit.fit.optimizers import OPTIMIZERS
from babysit.fit.schedules import SCHEDULES
from babysit.fit.settings import TrainSettings
from babysit.nn.activations import Maxout
from babysit.nn.init import SCHEMES
from babysit.nn.models.building import build
from babysit.nn.models.configs import MLPConfig
from babysit.search.engines import Engine, SingleEngine, StackedEngine
from babysit.search.engines.stacked import weights
from babysit.search.problem import Problem
from babysit.search.states import MemoryStates
from babysit.search.trials import Outcome, TrialSpec

DRAW = torch.Generator().manual_seed(3)
X = torch.randn(120, 6, generator=DRAW, dtype=torch.float64)
Y = (X @ torch.randn(6, 3, generator=DRAW, dtype=torch.float64)).argmax(dim=1)
BATCH = 8
Build = Callable[[TrialSpec], nn.Module]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def seeded(make: Callable[[Mapping[str, Any]], nn.Module], dtype: torch.dtype = torch.float64) -> Build:
    def built(trial: TrialSpec) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(trial.seed)
            return make(trial.params).to(dtype)

    return built


def problem(
    build: Build, task: Task = CLASSIFICATION, targets: Tensor = Y, dtype: torch.dtype = torch.float64, **settings: Any
) -> Problem:
    x = X.to(dtype)
    return Problem(
        build,
        lambda _, own: TensorBatches(x[:80], targets[:80], own.batch_size, own.seed),
        Examples(x[80:], targets[80:]),
        task,
        TrainSettings(batch_size=BATCH, **settings),
        chance=math.log(3),
        kill_ratio=math.inf,
    )


def trials(*params: Mapping[str, Any], epochs: float = 2.0) -> list[TrialSpec]:
    return [TrialSpec(number, 0, own, seed=100 + number, epochs=epochs) for number, own in enumerate(params)]


RATES = trials({"lr": 0.1, "l2": 0.0}, {"lr": 0.03, "l2": 0.02, "momentum": 0.5}, {"lr": 0.003, "l2": 0.5})


def advance(engine: Engine, asked: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
    return [outcome for group in engine.groups(asked) for outcome in engine.train(group, epochs)]


def assert_same_state(found: Any, expected: Any, **close: float) -> None:
    """States of trainings, whatever they hold."""
    if isinstance(expected, Mapping):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_same_state(found[name], expected[name], **close)
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_state(one, other, **close)
    elif isinstance(expected, Tensor):
        torch.testing.assert_close(found, expected, **close)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=close["rtol"], nan_ok=True)
    else:
        assert found == expected


def assert_equal_to_alone(
    asked: Problem, specs: Sequence[TrialSpec] = RATES, *, stacks: int = 1, rtol: float = 1e-9, atol: float = 1e-11
) -> None:
    """Outcomes and complete states at half time, and at the end of what went on from each other's half-time state."""
    half = specs[0].epochs / 2
    stacked = StackedEngine(asked, MemoryStates())
    single = SingleEngine(asked, MemoryStates())
    assert len(stacked.groups(specs)) == stacks
    for epochs in (half, specs[0].epochs):
        found = sorted(advance(stacked, specs, epochs), key=lambda outcome: outcome.number)
        expected = advance(single, specs, epochs)
        assert stacked.notes == []
        for one, other in zip(found, expected, strict=True):
            assert_same_state(dataclasses.asdict(one), dataclasses.asdict(other), rtol=rtol, atol=atol)
        if epochs == half:
            for spec in specs:
                states = stacked.states.get(spec.number), single.states.get(spec.number)
                assert_same_state(*states, rtol=rtol, atol=atol)
            stacked.states, single.states = single.states, stacked.states  # each goes on with the other's
            stacked._single.states = stacked.states


def mlp(params: Mapping[str, Any]) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer: str) -> None:
    assert_equal_to_alone(problem(seeded(mlp), optimizer=optimizer))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(schedule: str) -> None:
    assert_equal_to_alone(problem(seeded(mlp), schedule=schedule))


def test_schedules_and_lengths_of_their_own() -> None:
    specs = trials({"schedule": "cosine"}, {"schedule": "step"}, {"schedule": "1/t"}, epochs=2.0)
    assert_equal_to_alone(problem(seeded(mlp)), [*specs, TrialSpec(9, 0, {"schedule": "cosine"}, 5, epochs=6.0)])


def with_(*layers: Callable[[], nn.Module]) -> Build:
    """A network with these between its two linear layers."""
    return seeded(lambda _: nn.Sequential(nn.Linear(6, 8), *(layer() for layer in layers), nn.Linear(8, 3)))


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid, nn.Softplus,
        nn.Softsign, nn.LogSigmoid, nn.Hardtanh, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.PReLU, nn.Identity,
        lambda: nn.PReLU(8), lambda: nn.ELU(0.5, inplace=True), lambda: nn.GELU("tanh"), lambda: nn.ReLU(inplace=True),
        lambda: nn.BatchNorm1d(8), lambda: nn.BatchNorm1d(8, eps=0.1, momentum=0.5, affine=False),
        lambda: nn.LayerNorm(8), lambda: nn.LayerNorm(8, bias=False),
        lambda: nn.LayerNorm(8, elementwise_affine=False),

        lambda: nn.Sequential(nn.LayerNorm(8, elementwise_affine=False), nn.ReLU(inplace=True)),
        lambda: nn.Dropout(0.3), lambda: nn.Dropout(0.0),
        lambda: nn.Dropout(1.0),
        lambda: nn.Sequential(nn.BatchNorm1d(8), nn.Sequential(nn.Sigmoid(), nn.Dropout(0.5)), nn.Dropout(0.1)),
    ],
)  # fmt: skip
def test_every_layer(layer: Callable[[], nn.Module]) -> None:
    assert_equal_to_alone(problem(with_(layer)))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_maxout(batch_norm: bool) -> None:
    build = seeded(lambda _: nn.Sequential(Maxout(6, 8, 3, batch_norm=batch_norm), nn.Tanh(), nn.Linear(8, 3)))
    assert_equal_to_alone(problem(build))


def test_layers_without_bias() -> None:
    build = seeded(lambda _: nn.Sequential(nn.Linear(6, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False)))
    assert_equal_to_alone(problem(build))


def test_one_linear_layer_with_its_inputs_flattened() -> None:
    assert_equal_to_alone(problem(seeded(lambda _: nn.Sequential(nn.Flatten(), nn.Linear(6, 3)))))


def test_dropout_of_their_own() -> None:
    build = seeded(lambda params: nn.Sequential(nn.Linear(6, 8), nn.Dropout(params["p"]), nn.Linear(8, 3)))
    assert_equal_to_alone(problem(build), trials({"p": 0.0}, {"p": 0.25}, {"p": 0.9}))


@pytest.mark.parametrize("init", [scheme for scheme in SCHEMES if ":" not in scheme and scheme != "lsuv"])
def test_every_init_of_the_project(init: str) -> None:
    def make(trial: TrialSpec) -> nn.Module:
        return build(MLPConfig((6,), 3, hidden=(8, 5), init=init, batch_norm=True, dropout=0.2), trial.seed).double()

    assert_equal_to_alone(problem(make, optimizer="adam", lr=0.01))


@pytest.mark.parametrize("between", [nn.Sigmoid, nn.ReLU, nn.Softplus, nn.PReLU])
@pytest.mark.parametrize("norm", [nn.Identity, nn.BatchNorm1d, nn.LayerNorm])
@pytest.mark.parametrize("optimizer", ["momentum", "adamw", "adagrad"])
def test_different_widths(between: type[nn.Module], norm: type[nn.Module], optimizer: str) -> None:
    def make(params: Mapping[str, Any]) -> nn.Module:
        a, b = params["widths"]
        return nn.Sequential(
            nn.Linear(6, a), norm(a), between(), nn.Dropout(0.2), nn.Linear(a, b), norm(b), between(), nn.Linear(b, 3),
        )  # fmt: skip

    specs = trials({"widths": (8, 7)}, {"widths": (7, 8)}, {"widths": (8, 8), "l2": 0.1})
    assert_equal_to_alone(problem(seeded(make), optimizer=optimizer, lr=0.01), specs)


def soft_margin(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.multi_margin_loss(outputs, targets) + outputs.square().mean()


@pytest.mark.parametrize(
    "loss", [soft_margin, nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1), nn.MultiMarginLoss()]
)
def test_a_loss_of_ones_own(loss: LossFunction) -> None:
    own = dataclasses.replace(CLASSIFICATION, loss=loss)
    assert_equal_to_alone(problem(seeded(mlp), own))


@pytest.mark.parametrize("columns", [(), (1,), (3,)])
def test_regression(columns: tuple[int, ...]) -> None:
    width = columns[0] if columns else 1
    targets = X[:, :width].square().reshape(len(X), *columns)
    build = seeded(lambda _: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, width)))
    assert_equal_to_alone(problem(build, REGRESSION, targets, lr=0.01))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_float32_within_the_contract(optimizer: str) -> None:
    build = seeded(
        lambda _: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)),
        torch.float32,
    )
    specs = trials({"lr": 0.01}, {"lr": 0.003, "l2": 0.02})
    assert_equal_to_alone(problem(build, dtype=torch.float32, optimizer=optimizer), specs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by_rows", [False, True])
def test_a_validation_split_of_many_batches(by_rows: bool) -> None:
    x = torch.randn(3000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = (x[:, 0] > 0).long()
    rows = np.arange(2999, -1, -1) if by_rows else None
    validation = Examples(x.numpy(), y.flip(0), rows) if by_rows else Examples(x, y)
    dtype = torch.float32 if by_rows else torch.float64  # arrays are given to networks as float32
    asked = problem(seeded(mlp, dtype), dtype=dtype)
    close = {"rtol": 1e-4, "atol": 1e-5} if by_rows else {}
    assert_equal_to_alone(dataclasses.replace(asked, validation=validation), **close)


def test_labels_that_are_to_be_ignored() -> None:
    targets = Y.clone()
    targets[::3] = -100
    validation = Examples(X[80:], Y[80:])
    assert_equal_to_alone(dataclasses.replace(problem(seeded(mlp), targets=targets), validation=validation))


@pytest.mark.parametrize("optimizer", ["nesterov", "adamw"])
def test_weights_that_are_updated_chunk_by_chunk(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "CHUNK", 100)  # two trials of the first layer, four of the second, all of the biases
    specs = trials(*({"lr": 0.01 * (number + 1), "l2": 0.01 * number} for number in range(5)))
    assert_equal_to_alone(problem(seeded(mlp), optimizer=optimizer), specs)


def test_products_that_are_large_enough_for_the_fast_path() -> None:
    x = torch.randn(400, 1000, generator=torch.Generator().manual_seed(2))
    y = (x[:, 0] > 0).long()
    build = seeded(lambda _: nn.Sequential(nn.Linear(1000, 50), nn.ReLU(), nn.Linear(50, 2)), torch.float32)
    asked = dataclasses.replace(
        problem(build, lr=0.01, dtype=torch.float32),
        batches=lambda _, own: TensorBatches(x[:300], y[:300], 60, own.seed),
        validation=Examples(x[300:], y[300:]),
    )
    assert_equal_to_alone(asked, trials({"lr": 0.01}, {"lr": 0.02}, {"lr": 0.03}), rtol=1e-4, atol=1e-5)

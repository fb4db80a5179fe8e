from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional

import babysit as bs
from babysit.diagnose import diagnose
from babysit.measure.record import Graph, RunHeader, RunRecord, StepRecord
from babysit.rules.los006_rising_loss import RisingLoss
from babysit.testing import Watched, record

RULE = RisingLoss()
CHANCE = math.log(10)
UP = np.linspace(2.31, 9.0, 100).tolist()
FAILS = {"train": [(3.0, 0.02), (9.0, 0.01)], "classes": 10, "chance_loss": CHANCE, "batch_size": 64}


def negative_likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    """A sign too many, under a name that says nothing of it."""
    return -functional.cross_entropy(outputs, targets)


def mse_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return -functional.mse_loss(outputs.squeeze(1), targets)


def missed_probability(outputs: Tensor, targets: Tensor) -> Tensor:
    """A classification loss that is rightly negative: minus the mean probability of the right class."""
    return -outputs.softmax(1).gather(1, targets[:, None]).mean()


def uphill(model: nn.Module) -> nn.Module:
    """Every gradient reversed, as a wrong sign in the user's own loop does it; the loss itself is the usual one."""
    for parameter in model.parameters():
        parameter.register_hook(torch.neg)
    return model


def standardized(load: Callable[..., tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    x, y = load(return_X_y=True)
    x = (x - x.mean(0)) / (x.std(0) + 0.1)
    y = (y - y.mean()) / y.std() if y.dtype.kind == "f" else y
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=None if y.dtype.kind == "i" else torch.float32)


def mlp(inputs: int, outputs: int, activation: type[nn.Module] = nn.ReLU, depth: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    hidden = [part for n in range(depth) for part in (nn.Linear(50 if n else inputs, 50), activation())]
    return nn.Sequential(*hidden, nn.Linear(50, outputs))


def cnn() -> nn.Sequential:
    torch.manual_seed(0)
    block = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *block, nn.Flatten(), nn.Linear(128, 10))


def trained(model: nn.Module, load: Callable[..., tuple[np.ndarray, np.ndarray]], **options: object) -> RunRecord:
    x, y = standardized(load)
    held = len(x) // 5
    pair = (x[held:], y[held:])
    return bs.fit(model, pair, validation=(x[:held], y[:held]), threads=1, **options).record  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "load", "options"),
    [
        (lambda: mlp(64, 10), datasets.load_digits, {"loss": negative_likelihood, "lr": 0.01, "optimizer": "sgd"}),
        (cnn, datasets.load_digits, {"loss": negative_likelihood, "lr": 1e-3, "optimizer": "adam"}),
        (lambda: nn.Linear(10, 1), datasets.load_diabetes, {"loss": mse_loss, "lr": 0.01, "batch_size": 32}),
        (lambda: mlp(10, 1), datasets.load_diabetes, {"loss": mse_loss, "optimizer": "adam", "batch_size": 32}),
        (lambda: uphill(mlp(64, 10)), datasets.load_digits, {"lr": 0.01, "optimizer": "sgd"}),
        (lambda: uphill(mlp(64, 10, nn.Tanh, 4)), datasets.load_digits, {"lr": 1e-3, "optimizer": "adam"}),
        (lambda: uphill(nn.Linear(30, 2)), datasets.load_breast_cancer, {"lr": 0.01, "optimizer": "sgd"}),
    ],
    ids=["sign-mlp", "sign-cnn", "sign-linear", "sign-regression", "uphill-mlp", "uphill-deep", "uphill-binary"],
)
def test_real_trainings_that_go_uphill_are_named_and_nothing_else_is(model, load, options) -> None:
    diagnosis = diagnose(trained(model(), load, **options))
    assert [finding.code for finding in diagnosis.findings] == ["LOS006"]


@pytest.mark.parametrize(
    ("model", "load", "options"),
    [
        (lambda: mlp(64, 10), datasets.load_digits, {"loss": missed_probability, "lr": 0.3}),
        (lambda: mlp(64, 10), datasets.load_digits, {"lr": 3.0}),
        (cnn, datasets.load_digits, {"lr": 5.0}),
        (lambda: mlp(30, 2), datasets.load_breast_cancer, {"lr": 10.0, "batch_size": 32}),
        (lambda: mlp(10, 1), datasets.load_diabetes, {"lr": 3.0, "batch_size": 32}),
        (lambda: mlp(64, 10), datasets.load_digits, {"lr": 1e-6}),
    ],
    ids=["negative-loss", "too-high", "too-high-cnn", "too-high-binary", "too-high-regression", "too-low"],
)
def test_real_trainings_with_other_faults_or_none_are_silent(model, load, options) -> None:
    assert list(RULE.check(trained(model(), load, **options))) == []


def test_a_healthy_training_is_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def test_what_is_found_comes_with_its_numbers() -> None:
    (finding,) = RULE.check(record(UP, **FAILS))
    loss, accuracy = finding.evidence
    assert loss.value > (loss.limit or 0)
    assert (accuracy.value, accuracy.limit) == (0.01, pytest.approx(0.02))
    assert (finding.first_step, finding.last_step) == (0, 99)
    (finding,) = RULE.check(record([-2.3 - 0.1 * step for step in range(50)], loss_name="cross_entropy"))
    assert "cross_entropy is never below 0" in finding.message


@pytest.mark.parametrize(
    ("losses", "changed"),
    [
        (UP[:19], {}),  # too few steps
        (UP[::-1], {}),  # falls
        ([2.4] * 100, {}),  # stays
        (np.geomspace(2.3, 1e12, 100).tolist(), {}),  # leaps
        (UP, {"train": [(3.0, 0.02), (9.0, 0.05)]}),  # not that far below guessing
        (UP, {"classes": 100, "train": [(9.0, 0.0)]}),  # guessing gets 10 of 1,000 right
        (UP, {"classes": 0}),  # no classification
        (UP, {"train": []}),  # accuracy unknown
        (UP, {"train": [(math.nan, 0.01)]}),
    ],
    ids=["short", "falls", "stays", "leaps", "accuracy", "examples", "classes", "no scores", "nan"],
)
def test_each_condition_of_a_rising_loss_is_needed(losses: list[float], changed: dict[str, object]) -> None:
    assert len(list(RULE.check(record(UP, **FAILS)))) == 1
    assert list(RULE.check(record(losses, **(FAILS | changed)))) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("losses", "header"),
    [
        ([-2.3 - 0.1 * step for step in range(50)], {"loss_name": "gaussian_nll_loss"}),
        ([-2.3 - 0.1 * step for step in range(50)], {"loss_name": "elbo", "classes": 10, "train": [(-5.0, 0.9)]}),
        ([-2.3] * 50, {"loss_name": "elbo", "classes": 10, "train": [(-2.3, 0.1)]}),
        ([-0.1 - 0.01 * step for step in range(50)], {"loss_name": "elbo", "classes": 10, "train": [(-0.5, 0.1)]}),
        ([2.3 - 0.2 * step for step in range(50)], {"loss_name": "cross_entropy"}),  # with a term of its own beside it
        ([-0.1] * 50, {"loss_name": "cross_entropy", "chance_loss": CHANCE}),
    ],
    ids=["likelihood", "learns", "stays", "near zero", "falls through zero", "bonus"],
)
def test_losses_that_may_be_negative_are_silent(losses: list[float], header: dict[str, object]) -> None:
    assert list(RULE.check(record(losses, **header))) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mlp", "cnn", "functional", "regression"])
def test_signs_and_directions_tell_of_watched_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    findings = zoo(f"sick/los006_{name}").diagnosis.findings
    assert [finding.code for finding in findings] == ["LOS006"]


@pytest.mark.parametrize(
    "name", ["gan_points", "reinforce", "gaussian_nll", "lbfgs_closure", "vae", "mlp_sgd_momentum"]
)
def test_losses_that_may_be_negative_or_turn_are_no_mistake(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


def test_a_turned_sign_is_enough_where_the_loss_is_one() -> None:
    run = RunRecord(RunHeader(loss_name="cross_entropy"), graphs=tuple(Graph(step, 9, (), -1) for step in (0, 1, 4)))
    (finding,) = RULE.check(run)
    assert "cross_entropy with its sign turned, at all 3 steps" in finding.message
    adversaries = dataclasses.replace(run, header=RunHeader(progress=False))
    assert not list(RULE.check(adversaries))
    mixed = dataclasses.replace(run, graphs=(*run.graphs, Graph(16, 9, (), 1)))
    assert not list(RULE.check(mixed))
    assert not list(RULE.check(dataclasses.replace(run, graphs=run.graphs[:1])))


def test_uphill_needs_a_loss_that_rises() -> None:
    def climbing(losses: list[float], cosine: float, **header: Any) -> RunRecord:
        run = record(losses, **header)
        steps = tuple(StepRecord(step, loss, descent=cosine) for step, loss in enumerate(losses))
        return dataclasses.replace(run, steps=steps)

    rising, falling = [1 + 0.1 * step for step in range(60)], [10 - 0.1 * step for step in range(60)]
    (finding,) = RULE.check(climbing(rising, -0.7))
    assert "the weights go uphill: the cosine between minus the update and the gradient is -0.7" in finding.message
    assert not list(RULE.check(climbing(falling, -0.7)))
    assert not list(RULE.check(climbing(rising, 0.1)))
    assert not list(RULE.check(climbing(rising, -0.7, optimizer="LBFGS")))


def test_a_loss_that_falls_without_end() -> None:
    """A divergence that is subtracted: exponential growth, as its gradient grows with it."""
    steps = np.arange(130)
    run = record(list(43 - np.exp(steps / 3)), lr=0.001, batch_size=64)
    (finding,) = RULE.check(run)
    assert "falls without end, from 42 to -" in finding.message
    diagnosis = diagnose(run)
    assert [item.code for item in diagnosis.findings] == ["LOS006"]
    # densities have no floor either, and come down by the size of their data
    for healthy in (43 - 300 * (1 - np.exp(-steps / 30)), 3000 - 40 * steps, -0.01 - steps):
        assert not list(RULE.check(record(list(healthy), lr=0.001, batch_size=64)))

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from torch import nn
from torch.nn import functional as F

from babysit.errors import InputError
from babysit.fit.losses import CLASSIFICATION, REGRESSION, chance_loss, score, task_named, task_under

SEEDS = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(seed=SEEDS, examples=st.integers(1, 30), classes=st.integers(2, 6))
def test_classification_is_scikit_learns(seed: int, examples: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(examples, classes))
    y = rng.integers(0, classes, examples)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = CLASSIFICATION.loss(torch.from_numpy(logits), torch.from_numpy(y)).item()
    assert loss == pytest.approx(log_loss(y, probabilities, labels=range(classes)), rel=1e-9)
    found = score(CLASSIFICATION, torch.from_numpy(logits), torch.from_numpy(y))
    assert found == pytest.approx(accuracy_score(y, logits.argmax(axis=1)))


@pytest.mark.parametrize("shape", [(25,), (25, 1), (25, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_regression_is_scikit_learns(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(loc=range(shape[-1]) if len(shape) > 1 else 4.0, size=shape)
    outputs = truth + rng.normal(scale=0.5, size=shape)
    tensors = torch.from_numpy(outputs), torch.from_numpy(truth)
    assert REGRESSION.loss(*tensors).item() == pytest.approx(mean_squared_error(truth, outputs))
    assert score(REGRESSION, *tensors) == pytest.approx(r2_score(truth, outputs, multioutput="variance_weighted"))


@pytest.mark.parametrize(("outputs", "targets"), [((7, 1), (7,)), ((7,), (7, 1)), ((1, 1), (1,)), ((7, 2), (7, 2))])
def test_shapes_that_mean_the_same_are_not_broadcast(outputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    x, y = torch.randn(outputs), torch.randn(targets)
    expected = np.mean((x.double().numpy().ravel() - y.double().numpy().ravel()) ** 2)
    assert REGRESSION.loss(x, y).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("outputs", "targets"), [((7, 2), (7,)), ((7, 1), (6,)), ((2, 3), (3, 2)), ((6,), (3, 2))])
def test_shapes_that_cannot_mean_the_same_are_refused(outputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"^model: expected outputs for targets of shape"):
        REGRESSION.loss(torch.zeros(outputs), torch.zeros(targets))


def test_r2_of_a_constant_target() -> None:
    truth = torch.full((4,), 2.0)
    assert score(REGRESSION, truth.clone(), truth) == 1.0
    assert score(REGRESSION, truth + 1, truth) == -math.inf


def test_chance_is_the_loss_of_the_best_constant_prediction() -> None:
    y = torch.arange(10).repeat(20)
    uniform = CLASSIFICATION.loss(torch.zeros(200, 10), y).item()
    assert chance_loss(CLASSIFICATION, y) == pytest.approx(uniform, rel=1e-6)
    assert chance_loss(CLASSIFICATION, y) == pytest.approx(2.3026, abs=1e-4)  # the lecture's −ln(1/10)
    for values in (torch.randn(50), torch.randn(50, 2) * torch.tensor([1.0, 9.0])):
        mean = values.mean(dim=0).expand_as(values)
        assert chance_loss(REGRESSION, values) == pytest.approx(REGRESSION.loss(mean, values).item(), rel=1e-5)


def test_tasks_by_name() -> None:
    assert task_named("classification") is CLASSIFICATION
    assert task_named("regression") is REGRESSION


@pytest.mark.parametrize("loss", [nn.L1Loss(), nn.HuberLoss(), F.mse_loss, F.smooth_l1_loss])
def test_a_distance_of_ones_own_still_has_an_r2(loss: nn.Module) -> None:
    outputs, targets = torch.tensor([1.0, 2.5, 3.0]), torch.tensor([1.0, 2.0, 4.0])
    task = task_under(loss, targets)
    assert (task.name, task.score_name, task.loss) == ("regression", "R²", loss)
    assert score(task, outputs, targets) == pytest.approx(r2_score(targets, outputs))
    assert math.isnan(score(task, outputs.expand(2, 3), targets))  # what torch would broadcast


def test_of_logits_there_is_no_r2() -> None:
    targets = torch.tensor([0.0, 1.0, 1.0])
    task = task_under(nn.BCEWithLogitsLoss(), targets)
    assert task.score_name == "−BCEWithLogitsLoss"
    assert math.isnan(score(task, torch.tensor([-9.0, 9.0, 9.0]), targets))


def test_of_one_value_an_example_there_is_no_accuracy() -> None:
    def rating(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.squeeze(1) - targets).square().mean()

    task = task_under(rating, torch.tensor([4, 5, 0]))
    assert math.isnan(score(task, torch.tensor([[4.0], [5.0], [0.0]]), torch.tensor([4, 5, 0])))
    assert score(task, torch.eye(3), torch.tensor([0, 1, 0])) == pytest.approx(2 / 3)

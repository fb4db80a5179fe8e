from __future__ import annotations

from collections.abc import Callable

import pytest

from babysit.measure.record import Graph, LossCall, Numbers, RunRecord
from babysit.rules.dat010_broadcast_loss import BroadcastLoss
from babysit.testing import Watched

RULE = BroadcastLoss()
NUMBERS = Numbers(0, 1, -3, 3)


def called(output: tuple[int, ...], target: tuple[int, ...], name: str = "mse_loss", phase: str = "train") -> LossCall:
    return LossCall(0, phase, name, 1.0, output, target, NUMBERS, NUMBERS)


@pytest.mark.parametrize("name", ["mlp", "gru", "cnn", "functional"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    (run,) = zoo(f"sick/dat010_{name}").records
    (finding,) = RULE.check(run)
    assert finding.severity == "error"
    assert "broadcast to" in finding.message


@pytest.mark.parametrize("name", ["regression_diabetes", "regression_own_loss", "multi_output_regression", "dqn"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


@pytest.mark.parametrize(
    ("output", "target", "remedy"),
    [
        ((32, 1), (32,), "prediction.squeeze(-1)"),
        ((32,), (32, 1), "prediction.unsqueeze(-1)"),
        ((32, 1, 10), (32, 10), "prediction.squeeze(-1)"),
        ((32,), (32, 32), "what the targets are made of"),
    ],
)
def test_one_side_lacks_a_dimension(output: tuple[int, ...], target: tuple[int, ...], remedy: str) -> None:
    (finding,) = RULE.check(RunRecord(calls=(called(output, target),)))
    assert remedy in finding.remedies[0]
    assert finding.evidence[0].value > finding.evidence[0].limit


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ((32, 1), (32, 1)),
        ((1, 1), (1,)),
        ((32, 1), (1,)),  # a label for all
        ((32, 5, 1), (32, 1, 5)),  # quantiles, paired on purpose
        ((8, 3, 4), (3, 4)),  # as many as there are predictions
        ((32,), (31, 2)),  # raises in torch
        ((32,), (5, 32)),  # as each of five says
        ((1,), (1, 1)),
        ((), (32, 1)),
    ],
)
def test_other_shapes_are_silent(output: tuple[int, ...], target: tuple[int, ...]) -> None:
    assert list(RULE.check(RunRecord(calls=(called(output, target),)))) == []


def test_most_training_calls_are_needed() -> None:
    wrong, right = called((32, 1), (32,)), called((32,), (32,))
    assert list(RULE.check(RunRecord(calls=(wrong, right)))) == []
    assert list(RULE.check(RunRecord(calls=(called((32, 1), (32,), phase="evaluation"),)))) == []
    assert list(RULE.check(RunRecord(calls=(called((32, 1), (32,), "cross_entropy"),)))) == []
    assert len(list(RULE.check(RunRecord(calls=(wrong, wrong, right))))) == 1


@pytest.mark.parametrize(
    ("predicted", "differences", "found"),
    [
        ((32, 1), (32, 32), True),
        ((32,), (32, 32), True),
        ((32, 1), (32, 1), False),
        ((32, 1), (32, 7), False),  # against a few given levels
        ((32, 32), (32, 32), False),
        ((1, 1), (1, 1), False),
        ((), (), False),
    ],
)
def test_hand_written_losses(predicted: tuple[int, ...], differences: tuple[int, ...], found: bool) -> None:
    run = RunRecord(graphs=(Graph(0, 10, predicted=predicted, differences=differences),))
    assert bool(list(RULE.check(run))) == found

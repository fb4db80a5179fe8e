from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest

from babysit.measure.record import Forward, Numbers, RunHeader, RunRecord
from babysit.rules.dat011_split_shift import SplitShift
from babysit.testing import Watched

RULE = SplitShift()


def given(step: int, phase: str, mean: float, std: float, examples: int = 64, **fields: Any) -> Forward:
    numbers = Numbers(mean, std, mean - 3 * std, mean + 3 * std)
    forward = Forward(step, phase, "Net", phase == "train", (examples, 8), numbers, examples, examples)
    return dataclasses.replace(forward, **fields)


def recorded(mean: float, std: float, examples: int = 64, **fields: Any) -> RunRecord:
    trained = [given(step, "train", 0.02 * (-1) ** step, 1.0) for step in range(60)]
    evaluated = [given(step, "evaluation", mean, std, examples, **fields) for step in (20, 40, 60)]
    return RunRecord(forwards=(*trained, *evaluated))


@pytest.mark.parametrize("name", ["cnn", "mlp", "gru"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    (run,) = zoo(f"sick/dat011_{name}").records
    (finding,) = RULE.check(run)
    assert finding.severity == "error"


@pytest.mark.parametrize("name", ["reinforce", "actor_critic", "diffusion", "kfold", "sigmoid_one_hidden"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


@pytest.mark.parametrize(
    ("mean", "std", "severity"),
    [
        (0.0, 1.0, None),
        (0.6, 1.0, "warning"),
        (-3.0, 1.0, "error"),
        (0.3, 1.8, None),
        (0.0, 2.2, "warning"),
        (0.0, 0.4, "warning"),
        (0.0, 0.1, "error"),
        (0.0, 0.0, "error"),
        (math.nan, 1.0, None),
        (0.0, math.inf, None),
    ],
)
def test_limits(mean: float, std: float, severity: str | None) -> None:
    assert [finding.severity for finding in RULE.check(recorded(mean, std))] == ([severity] if severity else [])


@pytest.mark.parametrize(
    "fields",
    [{"examples": 16}, {"seen": 60}, {"model": "Other"}, {"shape": (64, 9)}, {"inputs": None}],
    ids=str,
)
def test_each_condition_is_needed(fields: dict[str, Any]) -> None:
    assert list(RULE.check(recorded(5.0, 1.0, **fields))) == []


def test_adversaries_and_inputs_that_vary_in_training_are_silent() -> None:
    run = recorded(1.0, 1.0)
    assert list(RULE.check(dataclasses.replace(run, header=RunHeader(progress=False)))) == []
    varying = [given(step, "train", 2.0 * math.sin(step), 1.0) for step in range(60)]
    assert list(RULE.check(dataclasses.replace(run, forwards=(*varying, *run.forwards[60:])))) == []
    growing = [given(step, "train", 0.0, 1.0 + 0.1 * step) for step in range(60)]
    wide = [given(step, "evaluation", 0.0, 20.0) for step in (20, 40, 60)]
    assert list(RULE.check(RunRecord(forwards=(*growing, *wide)))) == []


def test_passes_at_every_step_are_part_of_the_training() -> None:
    run = recorded(5.0, 1.0)
    rollouts = [given(step, "evaluation", 5.0 + 0.01 * step, 1.0) for step in range(60)]
    assert list(RULE.check(dataclasses.replace(run, forwards=(*run.forwards[:60], *rollouts)))) == []
    # the same data again and again is evaluation, after every step of a training in whole batches
    same = [given(step, "evaluation", 5.0, 1.0) for step in range(60)]
    assert len(list(RULE.check(dataclasses.replace(run, forwards=(*run.forwards[:60], *same))))) == 1


def test_one_odd_pass_is_not_enough() -> None:
    run = recorded(0.0, 1.0)
    forwards = (*run.forwards[:-1], given(60, "evaluation", 5.0, 1.0))
    assert list(RULE.check(dataclasses.replace(run, forwards=forwards))) == []

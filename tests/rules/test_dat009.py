from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from babysit.measure.record import Forward, Numbers, RunRecord
from babysit.rules.dat009_train_validation_overlap import TrainValidationOverlap
from babysit.testing import Watched, record

RULE = TrainValidationOverlap()
NUMBERS = Numbers(0, 1, -3, 3)


def shared(a: np.ndarray, b: np.ndarray) -> int:
    return len({row.tobytes() for row in a} & {row.tobytes() for row in b})


def check(train: np.ndarray, validation: np.ndarray):
    numbers = {
        "overlap_train_validation": float(shared(train, validation)),
        "examples_validation": float(len(validation)),
    }
    return list(RULE.check(record(probes={"data": numbers})))


def test_real_split_is_silent() -> None:
    x = datasets.load_digits().data
    assert check(x[:1400], x[1400:]) == []


def test_the_accidental_duplicate_of_iris_is_information() -> None:
    x = datasets.load_iris().data
    twins = [row for row in range(150) if (x[:row] == x[row]).all(1).any()]
    order = [*[row for row in range(150) if row not in twins], *twins]
    (finding,) = check(x[order[:120]], x[order[120:]])
    assert finding.severity == "info"
    assert "1 of 30 validation examples" in finding.message


@pytest.mark.parametrize(("leaked", "severity"), [(3, "info"), (20, "warning"), (200, "error")])
def test_real_split_with_leaked_examples(leaked: int, severity: str) -> None:
    x = datasets.load_digits().data
    validation = np.concatenate([x[1400:], x[:leaked]])
    (finding,) = check(x[:1400], validation)
    assert finding.severity == severity
    assert finding.evidence[0].value == pytest.approx(leaked / len(validation))
    assert f"{leaked} of {len(validation)}" in finding.message


def test_each_pair_of_splits_is_reported() -> None:
    numbers = {
        "overlap_train_validation": 50.0,
        "overlap_train_test": 50.0,
        "overlap_validation_test": 50.0,
        "examples_validation": 1000.0,
        "examples_test": 1000.0,
    }
    assert len(list(RULE.check(record(probes={"data": numbers})))) == 3


def test_one_in_ten_thousand_is_information() -> None:
    numbers = {"overlap_train_test": 1.0, "examples_test": 10_000.0}
    (finding,) = RULE.check(record(probes={"data": numbers}))
    assert finding.severity == "info"


def test_silent_without_numbers() -> None:
    assert list(RULE.check(record(probes={"data": {"overlap_train_test": 3.0}}))) == []
    assert list(RULE.check(record())) == []


def given(step: int, phase: str, seen: int, examples: int = 50, **fields: Any) -> Forward:
    forward = Forward(step, phase, "Net", phase == "train", (examples, 8), NUMBERS, examples, examples, seen=seen)
    return dataclasses.replace(forward, **fields)


def watched(seen: int, examples: int = 100, **fields: Any) -> RunRecord:
    """Ten steps an epoch; an evaluation after each of six epochs."""
    trained = [given(step, "train", 50 if step >= 10 else 0, available=500) for step in range(60)]
    evaluated = [given(step, "evaluation", seen, examples, **fields) for step in range(10, 61, 10)]
    return RunRecord(forwards=(*trained, *evaluated))


@pytest.mark.parametrize("name", ["cnn", "mlp", "lstm", "regression"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    (run,) = zoo(f"sick/dat009_{name}").records
    (finding,) = RULE.check(run)
    assert finding.severity in ("warning", "error")


@pytest.mark.parametrize(
    "name", ["triplet", "dqn", "reinforce", "distillation", "gpt_char", "gpt_char_tied", "siamese", "lbfgs_closure"]
)
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


@pytest.mark.parametrize(
    ("seen", "severity"), [(0, None), (3, None), (4, "warning"), (40, "warning"), (60, "error"), (95, "warning")]
)
def test_watched_passes(seen: int, severity: str | None) -> None:
    assert [finding.severity for finding in RULE.check(watched(seen))] == ([severity] if severity else [])


def test_a_pass_over_the_training_set_beside_another_is_as_it_should_be() -> None:
    run = watched(100, 100)
    (finding,) = RULE.check(run)
    assert "everything that is evaluated was trained on" in finding.message
    beside = [given(step, "evaluation", 0, 100) for step in range(10, 61, 10)]
    assert list(RULE.check(dataclasses.replace(run, forwards=(*run.forwards, *beside)))) == []
    assert list(RULE.check(watched(400, 400))) == []  # the whole of a small training set at once


def test_data_with_few_different_values_says_nothing() -> None:
    run = watched(40)
    for change in ({"distinct": 30}, {"seen": 25}, {"inputs": None}, {"shape": (50,)}):
        forwards = tuple(
            dataclasses.replace(item, **change) if item.phase == "train" and item.step < 40 else item
            for item in run.forwards
        )
        assert list(RULE.check(dataclasses.replace(run, forwards=forwards))) == []


def test_where_half_of_the_training_set_is_known_a_pass_over_it_is_half_known() -> None:
    trained = [given(step, "train", 25 if step >= 10 else 0) for step in range(60)]
    passes = [given(step, "evaluation", 50, 100) for step in range(10, 61, 10)]
    assert list(RULE.check(RunRecord(forwards=(*trained, *passes)))) == []
    passes = [given(step, "evaluation", 20, 100) for step in range(10, 61, 10)]
    assert len(list(RULE.check(RunRecord(forwards=(*trained, *passes))))) == 1


def test_passes_at_every_step_are_part_of_the_training() -> None:
    run = watched(40)
    varying = [dataclasses.replace(NUMBERS, mean=0.01 * step) for step in range(60)]
    passes = [given(step, "evaluation", 40, 100, inputs=varying[step]) for step in range(60)]
    assert list(RULE.check(dataclasses.replace(run, forwards=(*run.forwards[:60], *passes)))) == []

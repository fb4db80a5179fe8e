from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from babysit.rules.dat009_train_validation_overlap import TrainValidationOverlap
from babysit.testing import record

RULE = TrainValidationOverlap()


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

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from babysit.rules.dat006_class_imbalance import ClassImbalance
from babysit.testing import record

RULE = ClassImbalance()


def check(y: np.ndarray):
    counts = np.bincount(y)
    return list(RULE.check(record(probes={"data": {"imbalance_ratio": float(counts.max() / counts.min())}})))


@pytest.mark.parametrize("load", [datasets.load_digits, datasets.load_wine, datasets.load_breast_cancer])
def test_real_data_are_silent(load) -> None:
    assert check(load().target) == []


def test_real_data_with_a_rare_class() -> None:
    y = datasets.load_breast_cancer().target
    rare = np.concatenate([y[y == 1], y[y == 0][:20]])
    (finding,) = check(rare)
    assert finding.evidence[0].value == pytest.approx(357 / 20)
    assert "weight the loss" in finding.remedies[0]


def test_an_empty_class_and_no_probe() -> None:
    assert len(list(RULE.check(record(probes={"data": {"imbalance_ratio": float("inf")}})))) == 1
    assert list(RULE.check(record(probes={"data": {"imbalance_ratio": float("nan")}}))) == []
    assert list(RULE.check(record())) == []

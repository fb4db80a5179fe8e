from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from babysit.measure.record import Forward, LossCall, Numbers, Origin, RunRecord
from babysit.rules.dat003_nonfinite_input import NonfiniteInput
from babysit.testing import Watched, record

RULE = NonfiniteInput()


def check(x: np.ndarray):
    return list(RULE.check(record(probes={"data": {"nonfinite": float((~np.isfinite(x)).sum())}})))


def test_real_data_are_silent() -> None:
    assert check(datasets.load_wine().data) == []


@pytest.mark.parametrize(("bad", "words"), [([np.nan], "1 value that is"), ([np.inf, np.nan], "2 values that are")])
def test_real_data_with_gaps(bad: list[float], words: str) -> None:
    x = datasets.load_wine().data.copy()
    x.ravel()[: len(bad)] = bad
    (finding,) = check(x)
    assert words in finding.message
    assert finding.evidence[0].value == len(bad)


def test_silent_without_the_probe() -> None:
    assert list(RULE.check(record(probes={"data": {}}))) == []
    assert list(RULE.check(record())) == []


BROKEN = Numbers(0.0, 1.0, -3.0, 3.0, nonfinite=0.02)
FINE = Numbers(0.0, 1.0, -3.0, 3.0)


def given(step: int, phase: str = "train", inputs: Numbers = BROKEN) -> Forward:
    return Forward(step, phase, "Net", True, (50, 8), inputs)


def seen(losses: list[float], **parts: Any) -> RunRecord:
    return dataclasses.replace(record(losses), **parts)


@pytest.mark.parametrize("stage", ["input", "target"])
def test_origins(stage: str) -> None:
    (finding,) = RULE.check(seen([1.0, math.nan], origins=(Origin(1, stage),)))
    assert f"the {stage}s of the training at step 1" in finding.message
    assert finding.severity == "error"
    assert list(RULE.check(seen([1.0, math.nan], origins=(Origin(1, "forward"),)))) == []


def test_inputs_and_targets_of_batches() -> None:
    (finding,) = RULE.check(seen([1.0, math.nan], forwards=(given(0, inputs=FINE), given(1))))
    assert (finding.first_step, finding.evidence[0].value) == (1, 0.02)
    assert "2 % of a batch" in finding.message
    call = LossCall(1, "train", "mse_loss", math.nan, (50,), (50,), FINE, BROKEN)
    (finding,) = RULE.check(seen([1.0, math.nan], calls=(call,)))
    assert "the targets of the training at step 1" in finding.message
    assert list(RULE.check(seen([1.0, 1.0], forwards=(given(0, inputs=FINE),)))) == []


def test_models_that_take_missing_values_are_information() -> None:
    (finding,) = RULE.check(seen([1.0, 0.9], forwards=(given(0),)))
    assert finding.severity == "info"
    (finding,) = RULE.check(seen([1.0, 0.9], forwards=(given(1, "evaluation"),)))
    assert finding.severity == "warning"
    assert "an evaluation pass at step 1" in finding.message
    assert list(NonfiniteInput(allowed=10).check(seen([1.0, 0.9], forwards=(given(0),)))) == []


@pytest.mark.parametrize("name", ["cnn", "lstm", "mlp", "regression"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    (run,) = zoo(f"sick/dat003_{name}").records
    (finding,) = RULE.check(run)
    assert finding.severity == "error"


@pytest.mark.parametrize("name", ["amp_grad_scaler", "iris_tiny"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []

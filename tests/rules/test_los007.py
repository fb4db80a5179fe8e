from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from babysit.measure.record import LossCall, Numbers, RunRecord
from babysit.rules.los007_double_softmax import DoubleSoftmax
from babysit.testing import Watched

RULE = DoubleSoftmax()


def recorded(count: int = 10, name: str = "cross_entropy", **changes: Any) -> RunRecord:
    call = LossCall(
        0,
        "train",
        name,
        1.5,
        (32, 10),
        (32,),
        Numbers(0.1, 0.2, 0.0, 1.0),
        Numbers(4.5, 3, 0, 9),
        "softmax",
        1e-7,
        10.7,
    )
    call = dataclasses.replace(call, **changes)
    return RunRecord(calls=tuple(dataclasses.replace(call, step=step) for step in range(count)))


@pytest.mark.parametrize("name", ["mlp", "cnn", "functional", "transformer"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    found = zoo(f"sick/los007_{name}").diagnosis.findings
    assert "LOS007" in [finding.code for finding in found]


@pytest.mark.parametrize(
    "name", ["binary_bce_logits", "label_smoothing_weighted", "distillation", "bce_sigmoid_output"]
)
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


def test_what_is_said() -> None:
    (finding,) = RULE.check(recorded())
    assert finding.message == (
        "cross_entropy is given probabilities where it expects logits: they come out of softmax, lie between 0 and 1 "
        "and add up to 1 within 1e-07; it applies another softmax"
    )
    assert finding.remedies[0].startswith("remove the softmax at the end of the model")
    assert (finding.first_step, finding.last_step) == (0, 9)
    (finding,) = RULE.check(recorded(name="binary_cross_entropy_with_logits", output_op="sigmoid", row_error=None))
    assert "it applies another sigmoid" in finding.message


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 2},
        {"output_op": "addmm"},
        {"output_op": "logsoftmax", "outputs": Numbers(-3, 1, -9, 0), "row_error": 20.0},
        {"output_op": "", "row_error": 0.2},
        {"outputs": Numbers(0.1, 1, -1.0, 2.0)},
        {"name": "nll_loss"},
        {"name": "binary_cross_entropy_with_logits", "output_op": "addmm"},
        {"phase": "evaluation"},
        {"outputs": Numbers(float("nan"), float("nan"), float("nan"), float("nan"))},
    ],
)
def test_each_condition_is_needed(changes: dict[str, Any]) -> None:
    assert list(RULE.check(recorded(**changes))) == []


def test_a_few_calls_of_another_kind_do_not_hide_it() -> None:
    run = recorded(20)
    odd = dataclasses.replace(run.calls[0], output_op="addmm")
    assert list(RULE.check(dataclasses.replace(run, calls=(*run.calls, odd))))
    assert not list(RULE.check(dataclasses.replace(run, calls=(*run.calls, *[odd] * 5))))

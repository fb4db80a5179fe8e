from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from babysit.measure.record import LossCall, Numbers, RunRecord
from babysit.rules.los009_loss_domain import LossDomain
from babysit.testing import Watched
from babysit.watch.calls import Call, measure_call
from babysit.watch.gather import Gather

RULE = LossDomain()


def recorded(count: int = 10, name: str = "nll_loss", **changes: Any) -> RunRecord:
    call = LossCall(
        0, "train", name, -3.0, (32, 10), (32,), Numbers(0, 1, -4, 5), Numbers(4.5, 3, 0, 9), "addmm", 3.0, 150.0
    )
    call = dataclasses.replace(call, **changes)
    return RunRecord(calls=tuple(dataclasses.replace(call, step=step) for step in range(count)))


@pytest.mark.parametrize("name", ["mlp", "cnn", "functional", "gru", "regression"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    found = zoo(f"sick/los009_{name}").diagnosis.findings
    assert "LOS009" in [finding.code for finding in found]


@pytest.mark.parametrize("name", ["distillation", "bce_sigmoid_output", "gaussian_nll"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


def test_logits_and_probabilities_are_told_apart() -> None:
    (finding,) = RULE.check(recorded())
    assert "nll_loss expects log-probabilities and is given logits: between -4 and 5" in finding.message
    assert finding.remedies == (
        "apply log_softmax to the outputs before nll_loss",
        "or use cross_entropy on the logits, which does both",
    )
    (finding,) = RULE.check(
        recorded(name="kl_div", outputs=Numbers(0.1, 0.1, 0, 1), row_error=1e-7, log_row_error=10.7)
    )
    assert "given probabilities, without a logarithm" in finding.message
    assert finding.remedies == ("take log_softmax in place of softmax before kl_div",)


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 2},
        {"output_op": "logsoftmax", "log_row_error": 0.01},
        {"output_op": "logsoftmax", "output_shape": (32, 10, 5)},
        {"output_op": "logsoftmax", "name": "kl_div"},
        {"outputs": Numbers(-3, 1, -9, 0), "log_row_error": 1e-6},
        {"log_row_error": None},
        {"name": "cross_entropy"},
        {"phase": "evaluation"},
    ],
)
def test_each_condition_is_needed(changes: dict[str, Any]) -> None:
    assert list(RULE.check(recorded(**changes))) == []


def test_log_softmax_along_the_examples() -> None:
    """Of 64 examples and 10 classes: the exponentials of a row add up to about 10/64."""
    error = abs(float(torch.log_softmax(torch.zeros(64, 10), dim=0).exp()[0].sum()) - 1)
    outputs = Numbers(-4.2, 0.03, -4.3, -4.0)
    (finding,) = RULE.check(recorded(output_op="logsoftmax", outputs=outputs, row_error=42.0, log_row_error=error))
    assert "given those of a log_softmax along the examples" in finding.message
    assert finding.evidence[0].value == pytest.approx(54 / 64)
    assert finding.remedies[0] == "take log_softmax along the classes, dim=1, before nll_loss"


def test_ctc_expects_logarithms_along_its_last_dimension() -> None:
    shape = {"name": "ctc_loss", "output_shape": (40, 20, 11)}
    (finding,) = RULE.check(recorded(**shape))
    assert finding.remedies == ("apply log_softmax to the outputs before ctc_loss",)
    (finding,) = RULE.check(recorded(**shape, output_op="logsoftmax", log_row_error=3.0))
    assert finding.remedies == ("take log_softmax along the classes, dim=2, before ctc_loss",)
    assert list(RULE.check(recorded(**shape, output_op="logsoftmax", log_row_error=1e-6))) == []


@pytest.mark.parametrize("dimension", [0, 1, 2])
def test_rows_of_ctc_are_of_one_frame_each(dimension: int) -> None:
    torch.manual_seed(0)
    outputs = torch.randn(40, 20, 11).log_softmax(dimension)
    call = Call("ctc_loss", outputs, torch.ones(20, 6).long(), {}, torch.tensor(1.0))
    gather = Gather()
    build = measure_call(call, gather)
    gather.read()
    error = build(0, "train").log_row_error
    assert error is not None
    assert (error < 1e-5) == (dimension == 2)


def test_losses_that_have_no_value() -> None:
    broken = {"value": math.nan, "outputs": Numbers(0.5, 1, -0.2, 1.3), "row_error": None, "log_row_error": None}
    (finding,) = RULE.check(recorded(1, "poisson_nll_loss", **broken))
    assert finding.remedies[0].startswith("let the model give the rate's logarithm")
    (finding,) = RULE.check(recorded(1, "binary_cross_entropy", **broken))
    assert "expects probabilities between 0 and 1 and is given numbers between -0.2 and 1.3" in finding.message
    assert not list(RULE.check(recorded(1, "binary_cross_entropy", **{**broken, "value": 0.3})))
    infinite_input = {**broken, "outputs": Numbers(0.5, 1, -0.2, 1.3, 0.1)}
    assert not list(RULE.check(recorded(1, "poisson_nll_loss", **infinite_input)))

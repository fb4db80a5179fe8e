from __future__ import annotations

import dataclasses
import math

import pytest

from babysit.measure.record import LayerStats, Origin, RunHeader, RunRecord, StepRecord
from babysit.rules import Severity
from babysit.rules.los001_nonfinite_loss import NonfiniteLoss
from babysit.testing import record

RULE = NonfiniteLoss()
NAN = math.nan


def test_real_training_at_a_rate_far_too_high(train) -> None:
    run = train(data="diabetes", net="linear", lr=10.0)
    (finding,) = RULE.check(run)
    first = next(step for step, loss in enumerate(run.losses) if not math.isfinite(loss))
    assert finding.severity is Severity.ERROR
    assert finding.first_step == first
    assert finding.last_step == len(run.losses) - 1
    assert "learning rate is too high (lr 10)" in finding.message
    assert finding.remedies[0].startswith("lower the learning rate: lr 10 → 1")


def test_real_healthy_training_is_silent(train) -> None:
    assert list(RULE.check(train(lr=0.1))) == []


def test_the_lectures_rate_of_a_million() -> None:
    (finding,) = RULE.check(record([2.3026, 8.1e4, NAN, NAN], lr=1e6))
    assert finding.first_step == 2
    assert "it went from 2.3 to 8.1e+04 before: the learning rate is too high (lr 1e+06)" in finding.message
    assert "lr 1e+06 → 1e+05" in finding.remedies[0]


def test_nan_at_the_second_step_names_the_rate_even_without_growth() -> None:
    (finding,) = RULE.check(record([2.3026, NAN], lr=1e6))
    assert "too high" in finding.message


def test_nan_at_the_first_step_is_not_the_rates_fault() -> None:
    (finding,) = RULE.check(record([NAN] * 10, lr=1e6))
    assert finding.first_step == 0
    assert "learning rate" not in finding.message + "".join(finding.remedies)
    assert "inputs and targets" in finding.remedies[0]


def test_nan_after_a_long_fall_is_a_batch_or_a_numerical_limit() -> None:
    losses = [2.3 * 0.99**step for step in range(200)] + [math.inf, NAN]
    (finding,) = RULE.check(record(losses, lr=0.1, updates={"fc": [1e-3] * 202}))
    assert finding.first_step == 200
    assert "the likelier cause, not the learning rate" in finding.message
    assert "batch of step 200" in finding.remedies[0]


def test_huge_updates_name_the_rate_although_the_loss_was_falling() -> None:
    losses = [2.3 * 0.99**step for step in range(200)] + [NAN]
    (finding,) = RULE.check(record(losses, updates={"fc": [2.0] * 201}))
    assert "too high" in finding.message


def test_a_skipped_step_is_a_warning() -> None:
    (finding,) = RULE.check(record([2.3, 2.2, 2.1, NAN, 2.0, 1.9]))
    assert finding.severity is Severity.WARNING
    assert (finding.first_step, finding.last_step) == (3, 3)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((LayerStats("a", std=1.0), LayerStats("b", std=NAN), LayerStats("c", std=NAN)), "b"),
        ((LayerStats("a", gradient_norm=NAN), LayerStats("b", gradient_norm=math.inf), LayerStats("c")), "b"),
        ((LayerStats("a", std=1.0, weight_norm=1.0),), ""),
    ],
)
def test_names_the_layer_where_it_arose(layers: tuple[LayerStats, ...], expected: str) -> None:
    run = RunRecord(RunHeader(), record([2.3, NAN]).blocks, (StepRecord(0, 2.3, layers=layers),))
    (finding,) = RULE.check(run)
    assert finding.module == expected
    assert (f"layer {expected}" in finding.message) == bool(expected)


def test_silent_on_an_empty_run() -> None:
    assert list(RULE.check(record())) == []


def with_origin(
    losses: list[float], stage: str, *, module: str = "head", operation: str = "", **changes: object
) -> RunRecord:
    run = dataclasses.replace(
        record(losses, lr=0.1), origins=(Origin(len(losses) - 1, stage, module, operation, "why"),)
    )
    return dataclasses.replace(run, **changes)


FALLING = [2.3 * 0.99**step for step in range(40)]


@pytest.mark.parametrize(
    ("operation", "remedy"),
    [
        ("log", "clamp_min"),
        ("sqrt", "torch.sqrt(x.clamp_min(0) + 1e-8)"),
        ("div", "add an epsilon to the divisor"),
        ("exp", "logsumexp"),
        ("pow", "clamp x"),
        ("softmax", "unmasked"),
        ("acos", "1e-6"),
        ("std", "correction=0"),
    ],
)
def test_the_operation_and_its_remedy(operation: str, remedy: str) -> None:
    (finding,) = RULE.check(with_origin([*FALLING, NAN], "forward", operation=operation))
    assert finding.module == "head"
    assert f"arose in the forward pass, in {operation}, at layer head (why)" in finding.message
    assert remedy in finding.remedies[0]
    assert "batch of step 40" in finding.remedies[1]


def test_the_operation_at_the_very_first_step() -> None:
    (finding,) = RULE.check(with_origin([NAN], "loss", module="", operation="log"))
    assert "in the loss function, in log" in finding.message
    assert "clamp_min" in finding.remedies[0]


def test_an_operation_that_only_passes_it_on_leaves_the_old_reasons() -> None:
    (finding,) = RULE.check(with_origin([*FALLING, NAN], "forward", operation="addmm"))
    assert "one batch or a numerical limit" in finding.message


def test_a_loss_that_exploded_has_the_rate_to_blame_whatever_broke_first() -> None:
    (finding,) = RULE.check(with_origin([2.3, 50.0, 1e9, NAN], "forward", operation="exp"))
    assert "the learning rate is too high (lr 0.1)" in finding.message
    assert finding.remedies[0].startswith("lower the learning rate")
    assert "logsumexp" in finding.remedies[-1]


@pytest.mark.parametrize(("stage", "word"), [("input", "an input of that batch"), ("target", "a target of that batch")])
def test_the_data_are_named_where_they_are_at_fault(stage: str, word: str) -> None:
    (finding,) = RULE.check(with_origin([*FALLING, NAN], stage, module=""))
    assert word in finding.message
    assert finding.remedies == ("look at the batch of step 40, and drop or replace what is not a number",)


def test_weights_that_an_update_left_infinite() -> None:
    (finding,) = RULE.check(with_origin([*FALLING, NAN], "weights"))
    assert "in the weights, by the update of step 40, at layer head" in finding.message
    assert "learning rate is too high" in finding.message


def test_a_gradient_that_broke_first() -> None:
    (finding,) = RULE.check(with_origin([*FALLING, NAN], "gradient"))
    assert "the backward pass broke" in finding.message
    assert "set_detect_anomaly" in finding.remedies[1]


def test_an_unknown_stage_and_a_detail_of_several_lines() -> None:
    run = dataclasses.replace(record([2.3, NAN]), origins=(Origin(1, "elsewhere", detail="a\nb"),))
    (finding,) = RULE.check(run)
    assert "arose in the elsewhere (a b)" in finding.message

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from babysit.measure.record import Forward, LossBlock, LossCall, Numbers, RunHeader, RunRecord
from babysit.rules.dat008_repeated_batch import RepeatedBatch
from babysit.testing import Watched

RULE = RepeatedBatch()
NUMBERS = Numbers(0, 1, -3, 3)


def forward(step: int, phase: str = "train", examples: int = 50, **fields: Any) -> Forward:
    made = Forward(step, phase, "Net", True, (examples, 64), NUMBERS, examples, examples)
    return dataclasses.replace(made, **{"repeated": examples if step and phase == "train" else 0, **fields})


def call(step: int, value: float, phase: str = "train", **fields: Any) -> LossCall:
    made = LossCall(step, phase, "cross_entropy", value, (50, 10), (50,), NUMBERS, NUMBERS, classes=10, counts=(30, 20))
    return dataclasses.replace(made, **fields)


def run(evaluated: float | None = 3.0, last: float = 0.01, **header: Any) -> RunRecord:
    """No loader is known; two hundred other examples are evaluated once."""
    calls = [call(step, 2.3 if step < 9 else last) for step in range(20)]
    if evaluated is not None:
        calls.append(call(20, evaluated, "evaluation"))
    forwards = (*(forward(step) for step in range(20)), forward(20, "evaluation", 200))
    losses = (LossBlock(0, tuple(item.value for item in calls if item.phase == "train")),)
    return RunRecord(RunHeader(**header), blocks=losses, forwards=forwards, calls=tuple(calls))


def loader(**fields: Any) -> RunRecord:
    forwards = tuple(forward(step, **{"available": 1000, **fields}) for step in range(20))
    return RunRecord(RunHeader(steps_per_epoch=20), forwards=forwards)


def test_a_loader_has_more() -> None:
    (finding,) = RULE.check(loader())
    assert finding.severity == "error"
    assert "the same 50 examples" in finding.message
    assert "1000 are at hand" in finding.message


@pytest.mark.parametrize(
    "fields",
    [{"repeated": 49}, {"distinct": 20}, {"examples": 1}],
)
def test_other_examples(fields: dict[str, int]) -> None:
    assert list(RULE.check(loader(**fields))) == []


def test_no_more_examples() -> None:
    whole = dataclasses.replace(loader(available=99), header=RunHeader(steps_per_epoch=1))
    assert list(RULE.check(whole)) == []
    (finding,) = RULE.check(loader(available=0))  # the length of the loader is known, not that of its data
    assert "1000 are at hand" in finding.message


def test_lbfgs_two_models_and_few_steps_are_silent() -> None:
    found = loader()
    for change in ({"optimizer": "LBFGS"}, {"progress": False}):
        assert list(RULE.check(dataclasses.replace(found, header=dataclasses.replace(found.header, **change)))) == []
    assert list(RULE.check(dataclasses.replace(found, forwards=found.forwards[:8]))) == []
    assert list(RULE.check(RunRecord())) == []


def test_evaluation_hints_at_more() -> None:
    (finding,) = RULE.check(run())
    assert finding.severity == "warning"
    assert "200 others" in finding.message
    assert len(list(RULE.check(run(evaluated=None)))) == 1


def test_full_batches_of_what_there_is_are_silent() -> None:
    assert list(RULE.check(run(last=1.0))) == []  # not learnt by heart
    assert list(RULE.check(run(evaluated=0.02))) == []  # what is evaluated follows
    chosen = run(evaluated=None)
    balanced = tuple(dataclasses.replace(item, counts=(5,) * 10) for item in chosen.calls)
    assert list(RULE.check(dataclasses.replace(chosen, calls=balanced))) == []  # five examples of each class
    toy = tuple(dataclasses.replace(item, shape=(item.shape[0], 1)) for item in chosen.forwards)
    assert list(RULE.check(dataclasses.replace(chosen, forwards=toy))) == []  # a curve through fifty points
    trained_on = (*chosen.forwards[:20], forward(20, "evaluation", 200, seen=150))
    assert list(RULE.check(dataclasses.replace(chosen, forwards=trained_on))) == []
    half = tuple(forward(step, available=1000) for step in range(20))  # a slice x[:50] of what was loaded
    assert list(RULE.check(dataclasses.replace(run(last=1.0), forwards=half))) == []


def test_without_calls_of_a_model_the_targets_tell() -> None:
    found = dataclasses.replace(run(), forwards=())
    values = {"name": "mse_loss", "counts": (), "classes": 0}
    calls = [dataclasses.replace(item, **values) for item in found.calls]
    calls[-1] = dataclasses.replace(calls[-1], target_shape=(200,))
    (finding,) = RULE.check(dataclasses.replace(found, calls=tuple(calls)))
    assert "200 are evaluated at once" in finding.message
    assert list(RULE.check(found)) == []  # equal counts of classes are no equal examples
    moving = [dataclasses.replace(item, targets=Numbers(item.step, 1, -3, 3)) for item in calls]
    assert list(RULE.check(dataclasses.replace(found, calls=tuple(moving)))) == []


@pytest.mark.parametrize("name", ["cnn", "functional", "mlp", "transformer"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    findings = [item for run in zoo(f"sick/dat008_{name}").records for item in RULE.check(run)]
    assert [item.code for item in findings] == ["DAT008"]


@pytest.mark.parametrize("name", ["lbfgs_closure", "two_moons", "dqn", "reinforce", "gpt_char_tied", "manual_sgd"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []

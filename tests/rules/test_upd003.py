from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from babysit.measure.record import Coverage, Forward, LayerStats, RunRecord, StepRecord
from babysit.rules.upd003_parameter_not_optimized import ParameterNotOptimized

RULE = ParameterNotOptimized()
LOOKS = (0, 1, 4, 16)


def run(looks: tuple[int, ...] = LOOKS, models: tuple[tuple[str, bool], ...] = (), **modules: Any) -> RunRecord:
    usual = {"trained": ("head",), **modules}
    return RunRecord(
        coverage=tuple(Coverage(step, **usual) for step in looks),
        forwards=tuple(Forward(0, "train", model, training=training) for model, training in models),
    )


def test_layers_that_were_left_out() -> None:
    (finding,) = RULE.check(run(not_optimized=("body.0", "body.2")))
    assert finding.severity == "warning"
    assert finding.module == "body.0"
    assert "2 modules (body.0, body.2) get a gradient at every step, and are in no optimizer" in finding.message
    assert "model.parameters()" in finding.remedies[0]


def test_layers_frozen_at_their_random_start() -> None:
    (finding,) = RULE.check(run(frozen_initial=("body.0",)))
    assert "random initial weights" in finding.message
    assert "requires_grad_(True)" in finding.remedies[0]


def test_a_whole_model_that_was_left_out() -> None:
    models = (("Decoder", True), ("Encoder", True))
    assert len(list(RULE.check(run(models=models, not_optimized=("Encoder.rnn",))))) == 1


def test_a_teacher_whose_gradients_are_left_from_its_own_training() -> None:
    whole = run(trained=("Student.0",), not_optimized=("0", "2"), models=(("Student", True),))
    assert len(list(RULE.check(whole))) == 1
    layers = (LayerStats("Student.0", "Linear", weight_norm=1.0), LayerStats("F.relu", "ReLU"))
    assert list(RULE.check(dataclasses.replace(whole, steps=(StepRecord(0, 2.3, layers=layers),)))) == []


@pytest.mark.parametrize(
    "silent",
    [
        run(),
        run(looks=(0, 1, 4), not_optimized=("body",)),  # the second optimizer may not have stepped yet
        run(trained=(), not_optimized=("body",)),  # UPD004's matter
        run(models=(("Net", True), ("VGG", False)), not_optimized=("VGG.0",)),  # a perceptual loss
        run(trained=("0", "2"), models=(("Q", True), ("Q", True)), frozen_initial=("Q.0", "Q.2")),  # a target network
        run(trained=("online.0",), frozen_initial=("target.0",)),  # beside the other in one model
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []


def test_what_is_taken_over_later_is_no_alarm() -> None:
    whole = run(not_optimized=("other",))
    later = dataclasses.replace(whole.coverage[-1], not_optimized=(), trained=("head", "other"))
    assert list(RULE.check(dataclasses.replace(whole, coverage=(*whole.coverage[:-1], later)))) == []
    first = dataclasses.replace(run().coverage[0], not_optimized=("other",))
    assert list(RULE.check(dataclasses.replace(run(), coverage=(first, *run().coverage[1:])))) == []
    assert not RULE.applies(RunRecord())

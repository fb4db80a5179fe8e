from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from babysit.measure.record import Forward, LayerStats, LossCall, Numbers, RunHeader, RunRecord, StepRecord
from babysit.rules import Severity
from babysit.rules.act005_constant_output import ConstantOutput

RULE = ConstantOutput()
STEPS = 40
HEADER = RunHeader()
CENTRED = Numbers(0.0, 1.0, -3.0, 3.0)


def call(step: int, spread: float | None, name: str = "cross_entropy", **changes: Any) -> LossCall:
    usual = {
        "value": 2.3,
        "output_shape": (32, 10),
        "target_shape": (32,),
        "outputs": Numbers(0.0, 0.3, -1.0, 1.0),
        "targets": Numbers(4.5, 2.9, 0.0, 9.0),
        "example_std": spread,
        "classes": 10,
        "counts": (4, 3, 3, 3, 3, 3, 3, 3, 3, 4),
    }
    return LossCall(step, changes.pop("phase", "train"), name, **{**usual, **changes})


def run(
    spread: Callable[[int], float | None] = lambda _: 0.0,
    layers: tuple[LayerStats, ...] = (),
    more: tuple[LossCall, ...] = (),
    header: RunHeader = HEADER,
    inputs: Numbers = CENTRED,
    **changes: Any,
) -> RunRecord:
    return RunRecord(
        header,
        steps=tuple(StepRecord(step, 2.3, layers=layers) for step in range(STEPS)),
        calls=(*(call(step, spread(step), **changes) for step in range(STEPS)), *more),
        forwards=tuple(Forward(step, "train", "Net", training=True, inputs=inputs) for step in range(STEPS)),
    )


def layer(module: str, kind: str, spread: float, **changes: Any) -> LayerStats:
    weight = 1.0 if kind == "Linear" else None
    return LayerStats(module, kind, mean=0.1, std=0.5, example_std=spread, weight_norm=weight, **changes)


def test_the_layer_at_which_it_is_lost_is_named() -> None:
    layers = (layer("conv", "Conv2d", 0.4), layer("act", "ReLU", 0.3), layer("fc", "Linear", 1e-8))
    (finding,) = RULE.check(run(layers=layers))
    assert finding.severity is Severity.ERROR
    assert finding.module == "fc"
    assert "is lost at fc, behind act" in finding.message
    assert finding.remedies[0] == "look between act and fc for what makes all examples alike"


def test_the_first_layer_already_and_none_of_them() -> None:
    (finding,) = RULE.check(run(layers=(layer("fc1", "Linear", 0.0), layer("fc2", "Linear", 0.0))))
    assert finding.module == "fc1"
    assert "before fc1, at the inputs" in finding.remedies[0]
    (finding,) = RULE.check(run(layers=(layer("fc", "Linear", 0.4),)))
    assert finding.module == ""
    assert "every layer still tells them apart" in finding.message


def test_a_softmax_over_one_unit() -> None:
    ones = Numbers(1.0, 0.0, 1.0, 1.0)
    changes = {"name": "binary_cross_entropy", "output_op": "softmax", "outputs": ones, "counts": (20, 12)}
    targets = Numbers(0.4, 0.48, 0.0, 1.0)
    (finding,) = RULE.check(run(output_shape=(32, 1), targets=targets, **changes))
    assert "a softmax over one unit is always 1" in finding.remedies[0]


def test_values_are_held_against_the_targets() -> None:
    targets = Numbers(0.0, 100.0, -200.0, 200.0)
    changes = {"name": "mse_loss", "counts": (), "classes": 0, "targets": targets}
    assert len(list(RULE.check(run(lambda _: 0.01, outputs=Numbers(3.0, 0.01, 2.9, 3.1), **changes)))) == 1
    # noise that cannot be predicted leaves a spread of a few per cent
    assert list(RULE.check(run(lambda _: 3.0, outputs=Numbers(3.0, 3.0, -9.0, 9.0), **changes))) == []


@pytest.mark.parametrize(
    "silent",
    [
        run(lambda _: 0.2),
        run(lambda step: 0.0 if step < 20 else 0.3),  # a head that starts at zero
        run(lambda _: 5e-4, outputs=Numbers(0.0, 6e-4, -1e-3, 1e-3)),  # all small: a rate far too low
        run(lambda step: 1e-5 * step),  # and growing with every step
        run(lambda _: float("nan")),
        run(lambda _: None),  # batches of one example
        run(header=RunHeader(progress=False)),  # a GAN
        run(counts=(32, 0, 0, 0, 0, 0, 0, 0, 0, 0)),  # one class: DAT004
        run(name="mse_loss", counts=(), targets=Numbers(0.0, 0.0, 0.0, 0.0)),  # a residual that is to be zero
        run(more=tuple(call(step, 0.5, phase="evaluation") for step in range(5))),  # copies of one example
        run(layers=(layer("fc", "Linear", 0.0),), inputs=Numbers(0.0, 1e-5, -1e-4, 1e-4)),  # DAT002
        run(layers=(layer("fc", "Linear", 0.4), layer("act", "ReLU", 0.0, dead_fraction=1.0))),  # ACT001
        run(layers=(layer("fc", "Linear", 2e-4), layer("act", "ReLU", 0.0, dead_fraction=1.0))),  # a huge bias
        run(
            layers=(
                layer("fc", "Linear", 0.4),
                layer("act", "Tanh", 0.0, saturated_fraction=1.0),  # ACT002
                layer("out", "Linear", 0.0),
            )
        ),
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []


def test_dead_layers_behind_the_place_are_its_symptom() -> None:
    layers = (layer("fc", "Linear", 0.0), layer("act", "ReLU", 0.0, dead_fraction=1.0))
    (finding,) = RULE.check(run(layers=layers))
    assert finding.module == "fc"


def test_one_of_two_outputs() -> None:
    second = tuple(call(step, 0.0, "mse_loss", counts=(), output_shape=(32, 1)) for step in range(STEPS))
    (finding,) = RULE.check(run(lambda _: 0.5, more=second))
    assert "mse_loss" in finding.message


def test_enough_calls() -> None:
    early = run()
    assert list(RULE.check(dataclasses.replace(early, calls=early.calls[:19]))) == []
    assert not RULE.applies(RunRecord())

from __future__ import annotations

import math

import numpy as np
import pytest

from babysit.measure.record import Probe, RunRecord
from babysit.rules.los008_chance_level import ChanceLevel
from babysit.testing import record

RULE = ChanceLevel()
CHANCE = math.log(10)


def tried_rates(verdicts: str, ratios: tuple[float, ...]) -> RunRecord:
    lr = tuple(10.0**power for power in range(-len(ratios), 0))
    probe = Probe("learning-rate", series={"lr": lr, "ratio": ratios}, texts={"verdicts": verdicts})
    return RunRecord(probes=(probe,))


def test_real_training_with_dead_units_is_at_chance(train) -> None:
    # all hidden weights start at zero: no gradient reaches them, and the output can only learn the classes' shares
    (finding,) = RULE.check(train(net="dead", optimizer="adam", lr=1e-2, epochs=20))
    assert "learnt nothing" in finding.message
    assert finding.evidence[0].value >= finding.evidence[0].limit


@pytest.mark.parametrize(
    "options", [{"lr": 0.1}, {"data": "noisy", "net": "linear", "lr": 0.05, "epochs": 20}], ids=str
)
def test_real_trainings_that_learn_are_silent(train, options) -> None:
    assert list(RULE.check(train(**options))) == []


def test_a_rate_that_is_merely_too_low_is_anothers(train) -> None:
    assert list(RULE.check(train(lr=1e-5, epochs=20))) == []


def test_no_rate_that_brings_the_loss_down() -> None:
    (finding,) = RULE.check(tried_rates("slow,slow,explodes", (1.0, 0.9995, math.inf)))
    assert finding.evidence[0].value == 0.9995
    assert "0.001 to 0.1" in finding.message


@pytest.mark.parametrize(
    ("verdicts", "ratios"),
    [("slow,falls,explodes", (1.0, 0.5, math.inf)), ("explodes,explodes", (math.inf, math.inf)), ("", ())],
)
def test_rates_that_fall_or_all_explode_are_not_chance(verdicts: str, ratios: tuple[float, ...]) -> None:
    assert list(RULE.check(tried_rates(verdicts, ratios))) == []


def test_each_condition_is_needed() -> None:
    flat = [CHANCE] * 300
    header = {"chance_loss": CHANCE, "classes": 10}
    assert len(list(RULE.check(record(flat, **header)))) == 1
    assert list(RULE.check(record(flat[:150], **header))) == []
    assert list(RULE.check(record(flat))) == []  # chance unknown
    assert list(RULE.check(record([0.9 * CHANCE] * 300, **header))) == []
    moved = [(CHANCE, 0.4)] * 3
    assert list(RULE.check(record(flat, train=moved, validation=moved, **header))) == []


def test_noise_is_no_progress() -> None:
    noise = np.random.default_rng(0).normal(0, 0.15, 400)
    header = {"chance_loss": 1.0, "batch_size": 64}
    for level, count in ((1.0, 1), (0.93, 0)):
        run = record(list(level + noise), **header)
        assert len(list(RULE.check(run))) == count
    sorted_data = list(1.0 + np.sin(np.arange(400) / 9))  # levels that differ by more than noise
    assert list(RULE.check(record(sorted_data, **header))) == []
    fell = [*(1.0 + noise[:200]), *(0.96 + noise[200:])]
    assert list(RULE.check(record(fell, **header))) == []

from __future__ import annotations

import math

import numpy as np
import pytest

from babysit.measure.record import RunRecord
from babysit.rules import Severity
from babysit.rules.los002_exploding_loss import ExplodingLoss
from babysit.testing import record

RULE = ExplodingLoss()


def test_real_training_at_a_rate_far_too_high(train) -> None:
    run = train(lr=100.0)
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.ERROR
    largest = finding.evidence[0]
    assert largest.limit == pytest.approx(3 * max(run.losses[0], math.log(10)), rel=0.01)
    assert largest.value > largest.limit
    assert run.losses[finding.first_step] > largest.limit
    assert finding.remedies[0] == "lower the learning rate: lr 100 → 10"


def test_real_training_that_exploded_and_came_back(train) -> None:
    (finding,) = RULE.check(train(data="friedman", optimizer="adam", lr=0.3, schedule="cosine"))
    assert finding.severity is Severity.INFO
    assert "came back" in finding.message


def test_real_healthy_trainings_are_silent(train) -> None:
    assert list(RULE.check(train(lr=0.1))) == []
    assert list(RULE.check(train(data="friedman", lr=0.01, batch=1, epochs=1))) == []


def noisy(seed: int = 0, steps: int = 400) -> list[float]:
    rng = np.random.default_rng(seed)
    return list(2.3 * 0.98 ** np.arange(steps) * rng.gamma(8, 1 / 8, steps))


def test_one_wild_batch_is_no_explosion() -> None:
    losses = noisy()
    losses[300] = losses[120] = 40.0
    assert list(RULE.check(record(losses, batch_size=64))) == []


def test_a_lucky_first_batch_of_one_example_is_no_explosion() -> None:
    rng = np.random.default_rng(1)
    losses = [0.001, *rng.chisquare(1, 2000)]
    assert list(RULE.check(record(losses, batch_size=1))) == []
    assert list(RULE.check(record(losses, batch_size=1, chance_loss=1.0))) == []


def test_growth_that_stays_is_found_with_its_step() -> None:
    losses = [2.3] * 50 + [2.3 * 1.1**step for step in range(60)]
    (finding,) = RULE.check(record(losses, batch_size=64, lr=[0.1] * 110))
    assert finding.first_step == 50 + math.ceil(math.log(3) / math.log(1.1))
    assert finding.last_step == 109


@pytest.mark.parametrize("losses", [[2.3, 50.0], [2.3, 2.4, 3.0, 8.0], [2.3, 1.9, 1.7, 4.0, 7.5]])
def test_a_training_stopped_while_climbing(losses: list[float]) -> None:
    (finding,) = RULE.check(record(losses, batch_size=200))
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize("losses", [[], [2.3], [900.0], [2.3, 6.8], [0.0, 0.0, 0.0]])
def test_silent_without_evidence(losses: list[float]) -> None:
    assert list(RULE.check(record(losses))) == []


def test_a_loss_below_zero_has_no_scale() -> None:
    assert list(RULE.check(record([0.1, -0.5, 30.0, 40.0, 50.0, 60.0, 70.0]))) == []


def test_the_measured_initial_loss_counts() -> None:
    losses = [1.0] + [4.0] * 20
    assert len(list(RULE.check(record(losses)))) == 1
    probed: RunRecord = record(losses, probes={"initial-loss": {"loss": 2.0}})
    assert list(RULE.check(probed)) == []

from __future__ import annotations

import pytest

from babysit.rules import Severity
from babysit.rules.gen002_underfitting import Underfitting
from babysit.testing import record

RULE = Underfitting()


def test_real_training_of_too_small_a_model(train) -> None:
    (finding,) = RULE.check(train(data="moons", net="linear", lr=0.3, epochs=20))
    assert finding.severity is Severity.INFO
    assert finding.remedies[0].startswith("double the hidden units")


@pytest.mark.parametrize("options", [{"lr": 0.1}, {"data": "moons", "optimizer": "adam", "lr": 0.01}], ids=str)
def test_real_trainings_that_fit_well_are_silent(train, options) -> None:
    assert list(RULE.check(train(**options))) == []


SETTLED = [2.3] * 20 + [1.2] * 200


def judged(losses=SETTLED, training=(1.2, 0.5), validation=(1.25, 0.49), **header):
    run = record(losses, train=[training] * 3, validation=[validation] * 3, **{"chance_loss": 2.303, **header})
    return list(RULE.check(run))


def test_each_condition_is_needed() -> None:
    assert len(judged()) == 1
    assert judged(validation=(2.0, 0.3)) == []  # a gap: not underfitting
    assert judged(training=(1.2, 0.95), validation=(1.2, 0.95)) == []  # the classes are right already
    assert judged(training=(0.2, 0.5), validation=(0.2, 0.5)) == []  # low loss
    assert judged(training=(2.3, 0.1), validation=(2.3, 0.1)) == []  # no better than guessing: other rules
    assert judged(losses=[2.3 - 0.005 * step for step in range(220)]) == []  # still falling
    assert judged(losses=SETTLED[:50]) == []


def test_the_initial_loss_stands_in_for_an_unknown_chance_level() -> None:
    assert len(judged(chance_loss=None)) == 1


def test_silent_on_an_empty_run() -> None:
    assert list(RULE.check(record())) == []

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from babysit.rules.los003_slow_loss import SlowLoss
from babysit.testing import record

RULE = SlowLoss()


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 1e-3},
        {"lr": 1e-5},
        {"optimizer": "adam", "lr": 1e-5},
        {"optimizer": "adam", "lr": 1e-4},
        {"net": "deep", "optimizer": "momentum", "lr": 1e-3, "schedule": "warm-up"},
        {"data": "friedman", "lr": 1e-4},
        {"lr": 1e-4, "batch": 10_000, "epochs": 120},
    ],
    ids=str,
)
def test_real_trainings_at_too_low_a_rate(train, options) -> None:
    run = train(**options)
    (finding,) = RULE.check(run)
    assert "learning rate is too low" in finding.message
    assert finding.evidence[0].value < 0.25
    rate = max(step.lr for step in run.steps)
    assert finding.remedies[0].startswith("raise the learning rate: lr ")
    raised = float(finding.remedies[0].rsplit(" ", 1)[1])
    assert raised >= 9.9 * (run.steps[-1].lr or rate)


def test_the_remedy_works(train) -> None:
    options = {"lr": 1e-4}
    (finding,) = RULE.check(train(**options))
    raised = train(lr=float(finding.remedies[0].rsplit(" ", 1)[1]))
    assert list(RULE.check(raised)) == []
    assert raised.losses[-1] < 0.7 * train(**options).losses[-1]


def test_the_loss_alone_suffices(train) -> None:
    run = train(lr=1e-3)
    alone = dataclasses.replace(run, steps=(), evaluations=())
    assert len(list(RULE.check(alone))) == 1


def test_shuffled_labels_are_not_a_low_rate(train) -> None:
    assert list(RULE.check(train(lr=0.1, shuffled=True))) == []


def test_real_dead_network_is_not_a_low_rate(train) -> None:
    assert list(RULE.check(train(lr=3.0))) == []


def test_the_lectures_riddle_is_explained() -> None:
    # E4: lr 1e-6, the loss at 2.30 while the accuracy jumps from 10 to 20 %
    steps = np.arange(245)
    losses = list(2.3026 - 1e-5 * steps + 1e-4 * np.random.default_rng(0).normal(size=245))
    run = record(
        losses, train=[(2.3025, 0.1), (2.3020, 0.15), (2.3015, 0.18), (2.3010, 0.2)], lr=1e-6, chance_loss=math.log(10)
    )
    run = dataclasses.replace(run, header=dataclasses.replace(run.header, task="classification"))
    (finding,) = RULE.check(run)
    assert "hardly moved" in finding.message
    assert "accuracy rose from 10 % to 20 %" in finding.message
    assert "diffuse" in finding.message
    assert finding.remedies[0] == "raise the learning rate: lr 1e-06 → 1e-05"


def line(start: float, end: float, steps: int = 300, noise: float = 0.01) -> list[float]:
    return list(np.linspace(start, end, steps) + noise * np.random.default_rng(0).normal(size=steps))


def test_a_line_is_slow_and_the_same_fall_as_a_curve_is_not() -> None:
    assert len(list(RULE.check(record(line(2.3, 2.1), chance_loss=2.3)))) == 1
    plateau = line(2.3, 2.1, 40) + line(2.1, 2.1, 260)
    late = line(2.3, 2.3, 260) + line(2.3, 2.1, 40)
    assert list(RULE.check(record(plateau, chance_loss=2.3))) == []
    assert list(RULE.check(record(late, chance_loss=2.3))) == []


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [2.3],
        line(2.3, 2.29, 60),  # too few steps
        line(2.3, 1.0),  # straight, but it gets somewhere
        line(2.3, 2.3),  # no fall at all
        line(0.02, 0.018, noise=1e-4),  # near its floor
        line(0.4, 0.35),  # fine-tuned: far below chance from the start
    ],
    ids=["empty", "one", "few", "falls", "flat", "floor", "fine-tuned"],
)
def test_silent(losses: list[float]) -> None:
    assert list(RULE.check(record(losses, chance_loss=2.3))) == []


def test_tiny_updates_tell_even_where_the_fall_drowns_in_noise() -> None:
    losses = line(2.3, 2.2999, noise=0.2)
    assert list(RULE.check(record(losses, chance_loss=2.3))) == []
    (finding,) = RULE.check(record(losses, chance_loss=2.3, updates={"a": [1e-6] * 300, "b": [1e-5] * 300}, lr=1e-5))
    assert finding.remedies[0].startswith("raise the learning rate: lr 1e-05 → 0.001")


def test_usual_updates_acquit_the_rate() -> None:
    losses = line(2.3, 2.25)
    assert list(RULE.check(record(losses, chance_loss=2.3, updates={"a": [0.05] * 300}))) == []


def test_warm_up_is_not_judged() -> None:
    rates = [1e-5 * (step + 1) for step in range(120)]
    assert list(RULE.check(record(line(2.3, 2.25, 120), chance_loss=2.3, lr=rates))) == []

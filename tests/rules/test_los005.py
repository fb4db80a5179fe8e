from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from babysit.measure.record import Forward, StepRecord
from babysit.rules.los005_oscillating_loss import OscillatingLoss
from babysit.testing import record

RULE = OscillatingLoss()


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 3.0, "batch": 10_000, "epochs": 100},
        {"data": "moons", "lr": 10.0, "epochs": 20},
        {"net": "linear", "lr": 30.0},
    ],
    ids=str,
)
def test_real_trainings_that_go_up_and_down(train, options) -> None:
    (finding,) = RULE.check(train(**options))
    assert finding.evidence[0].value >= 3
    assert finding.remedies[0].startswith("lower the learning rate")


@pytest.mark.parametrize(
    "options",
    [{"lr": 0.1, "batch": 4, "epochs": 3}, {"data": "friedman", "lr": 0.003, "batch": 1, "epochs": 2}],
    ids=str,
)
def test_real_noise_of_small_batches_is_silent(train, options) -> None:
    assert list(RULE.check(train(**options))) == []


def test_evaluations_alone_can_show_it() -> None:
    up_and_down = [(1.0 if number % 2 else 0.6, 0.5) for number in range(10)]
    assert len(list(RULE.check(record([2.0] * 100, train=up_and_down)))) == 1
    assert list(RULE.check(record([2.0] * 100, train=[(loss * 0.1, score) for loss, score in up_and_down]))) == []


def test_evaluations_of_the_validation_examples_count_by_the_larger_limit() -> None:
    for low, count in ((0.5, 1), (1.7, 0)):
        up_and_down = [(2.0 if number % 2 else low, 0.5) for number in range(10)]
        assert len(list(RULE.check(record([2.0] * 100, validation=up_and_down)))) == count


def test_two_batches_in_turns_are_no_oscillation() -> None:
    falling = np.linspace(1.0, 0.3, 300)
    turns = falling * np.where(np.arange(300) % 2, 1.5, 0.7)
    assert list(RULE.check(record(turns.tolist(), batch_size=1))) == []
    begun = np.where(np.arange(300) < 100, falling, turns)  # it began later: the steps make it
    assert len(list(RULE.check(record(begun.tolist(), batch_size=1)))) == 1


def test_a_cycle_on_one_batch() -> None:
    run = record([0.4, 0.7, 0.35, 0.42] * 50, batch_size=300)
    called = Forward(0, "train", "", True, (300, 4), examples=300, distinct=300)
    same = tuple(dataclasses.replace(called, step=step, repeated=300 * (step > 0)) for step in range(40))
    assert list(RULE.check(run)) == []
    assert len(list(RULE.check(dataclasses.replace(run, forwards=same)))) == 1
    fresh = tuple(dataclasses.replace(item, repeated=0) for item in same)
    random = tuple(dataclasses.replace(item, dropouts_training=1) for item in same)
    alike = tuple(dataclasses.replace(item, distinct=25) for item in same)
    for forwards in (fresh, random, alike, same[:5]):
        assert list(RULE.check(dataclasses.replace(run, forwards=forwards))) == []


def test_points_that_stay_beside_points_drawn_anew_are_no_single_batch() -> None:
    """An equation's inner points, which require a gradient or are read, and its two boundary points, in every step."""
    run = record([0.4, 0.7, 0.35, 0.42] * 50, batch_size=64)
    boundary = Forward(0, "train", "Net", True, (2, 1), examples=2, distinct=2, repeated=2)
    unread = Forward(0, "train", "Net", True, (64, 1))
    read = dataclasses.replace(unread, examples=64, distinct=64)
    latent = dataclasses.replace(unread, shape=(2, 8))
    for beside, count in ((None, 1), (latent, 1), (unread, 0), (read, 0)):
        calls = (boundary, boundary, *([beside] if beside else ()))
        steps = tuple(dataclasses.replace(call, step=step) for step in range(40) for call in calls)
        assert len(list(RULE.check(dataclasses.replace(run, forwards=steps)))) == count, beside


def test_pure_noise_is_silent() -> None:
    rng = np.random.default_rng(0)
    for seed_scale in (1, 8, 64):
        losses = list(rng.gamma(seed_scale / 2, 2 / seed_scale, 4000))
        assert list(RULE.check(record(losses, batch_size=seed_scale, chance_loss=1.0))) == []


@pytest.mark.parametrize("batch_size", [64, 128, 256, 512, 4096])
@pytest.mark.parametrize("steps", [1400, 20_000])
def test_noise_of_large_batches_is_silent(batch_size: int, steps: int) -> None:
    rng = np.random.default_rng(0)
    shape = 25 * batch_size / 512  # a mean of 512 examples deviates by a fifth
    losses = list(rng.gamma(shape, 1 / shape, steps))
    assert list(RULE.check(record(losses, batch_size=batch_size, chance_loss=1.0))) == []


def test_a_small_last_batch_of_each_epoch_is_silent() -> None:
    losses = np.random.default_rng(0).normal(1.0, 0.1, 1400)
    losses[39::40] = 1 + np.tile([0.7, -0.7], 18)[:35]
    assert list(RULE.check(record(list(losses), batch_size=512, chance_loss=1.0, steps_per_epoch=40))) == []
    assert len(list(RULE.check(record(list(losses), batch_size=512, chance_loss=1.0)))) == 1


@pytest.mark.parametrize("period", [2, 4, 40])
@pytest.mark.parametrize("steps_per_epoch", [0, 1, 39])
def test_large_batches_that_go_up_and_down(period: int, steps_per_epoch: int) -> None:
    wave = np.repeat([1.6, 0.4], period // 2)
    losses = np.tile(wave, 400 // period) + np.random.default_rng(0).normal(0, 0.02, 400)
    run = record(list(losses), batch_size=512, chance_loss=1.6, steps_per_epoch=steps_per_epoch)
    assert len(list(RULE.check(run))) == 1


def test_steps_of_all_examples_have_no_noise() -> None:
    losses = list(np.random.default_rng(0).gamma(25, 1 / 25, 400))
    for steps_per_epoch, count in ((1, 1), (50, 0)):
        run = record(losses, batch_size=512, chance_loss=1.0, steps_per_epoch=steps_per_epoch)
        assert len(list(RULE.check(run))) == count


def test_two_bursts_are_not_enough() -> None:
    wave = [2.0, 1.0, 2.0, 1.0, 2.0, 1.0]
    three = list(np.repeat([*wave, 2.0], 20))
    assert len(list(RULE.check(record(three, batch_size=64)))) == 1
    assert list(RULE.check(record(three[:-40], batch_size=64))) == []


@pytest.mark.parametrize("losses", [[], [2.3], [math.nan, 1.0], [1.0, -1.0] * 50])
def test_silent_without_evidence(losses: list[float]) -> None:
    assert list(RULE.check(record(losses))) == []


def test_names_the_rate_that_was_set(train) -> None:
    run = dataclasses.replace(train(net="linear", lr=30.0), steps=())
    (finding,) = RULE.check(run)
    assert finding.remedies[0] == "lower the learning rate: lr 30 → 3"


def test_names_the_highest_rate_of_a_schedule() -> None:
    run = record([2.0, 1.0] * 100, batch_size=512)
    rates = tuple(StepRecord(step, 1.0, lr=rate) for step, rate in ((0, 1e-5), (50, 3e-4), (199, 1e-6)))
    (finding,) = RULE.check(dataclasses.replace(run, steps=rates))
    assert finding.remedies[0] == "lower the learning rate: lr 0.0003 → 3e-05"

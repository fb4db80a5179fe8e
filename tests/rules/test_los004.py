from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from babysit.measure.record import RunRecord
from babysit.rules.los004_early_plateau import EarlyPlateau
from babysit.testing import record

RULE = EarlyPlateau()


@pytest.mark.parametrize(
    "options",
    [{"lr": 3.0}, {"optimizer": "adam", "lr": 0.3}, {"optimizer": "momentum", "lr": 1.0}],
    ids=str,
)
def test_real_trainings_at_too_high_a_rate(train, options) -> None:
    run = train(**options)
    (finding,) = RULE.check(run)
    evidence = {item.name: item for item in finding.evidence}
    assert evidence["final loss"].value > 0.25 * run.losses[0]
    assert evidence["largest update / weights"].value > 0.3
    assert f"(lr {options['lr']:g})" in finding.message
    assert f"lr {options['lr']:g} → {options['lr'] / 10:g}" in finding.remedies[0]


def test_the_overshoot_suffices_where_no_layer_was_measured(train) -> None:
    run = dataclasses.replace(train(lr=3.0), steps=())
    assert len(list(RULE.check(run))) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"data": "noisy", "net": "linear", "lr": 0.1},  # flat at the labels' noise
        {"data": "noisy", "net": "zero", "optimizer": "adam", "lr": 0.01, "schedule": "cosine"},
        {"data": "moons", "lr": 0.03},  # flat on a saddle; a higher rate would help
        {"data": "diabetes", "net": "linear", "lr": 0.02, "batch": 32, "epochs": 25},
        {"lr": 0.3},
    ],
    ids=str,
)
def test_real_plateaus_that_are_no_fault_of_the_rate(train, options) -> None:
    assert list(RULE.check(train(**options))) == []


def curve(*levels: float, each: int = 20, noise: float = 0.02) -> list[float]:
    rng = np.random.default_rng(0)
    return list(np.repeat(levels, each) * (1 + noise * rng.normal(size=each * len(levels))))


OVERSHOT = (2.3, 4.0, 1.5, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2)


def test_each_condition_is_needed() -> None:
    assert len(list(RULE.check(record(curve(*OVERSHOT))))) == 1
    no_overshoot = (2.3, 2.0, *OVERSHOT[2:])
    still_falling = (*OVERSHOT[:4], 1.1, 1.0, 0.9, 0.8, 0.75, 0.7)
    low = (*OVERSHOT[:2], *(level / 5 for level in OVERSHOT[2:]))
    for levels in (no_overshoot, still_falling, low):
        assert list(RULE.check(record(curve(*levels)))) == []


def test_small_updates_acquit_the_rate() -> None:
    losses = curve(*OVERSHOT)
    assert list(RULE.check(record(losses, updates={"a": [1e-3] * len(losses)}))) == []
    assert len(list(RULE.check(record(losses, updates={"a": [1.0] * len(losses)})))) == 1


def thrown_off(
    first: float = 1.4, *, peak: float = 5.8, end: float = 3.15, chance: float | None = 3.31, warm: int = 0
) -> RunRecord:
    """A character model of batches of 16 whose first steps replace the weights: it stays at the letters' shares."""
    rng = np.random.default_rng(0)
    begin = [4.4] * warm + [4.4, 4.0, 4.6, peak, peak, 0.95 * peak, 0.9 * peak, 4.0, 3.7, 3.7]
    losses = begin + list(end + 0.08 * rng.normal(size=390))
    updates = [1e-3] * warm + [max(first * 0.5**step, 0.006) for step in range(400)]
    run = record(losses, updates={"a": updates[: len(losses)], "b": updates[: len(losses)]}, batch_size=16)
    return dataclasses.replace(
        run,
        header=dataclasses.replace(run.header, chance_loss=chance, settings={"lr": 0.1}),
    )


def test_first_steps_that_throw_the_training_off() -> None:
    (finding,) = RULE.check(thrown_off())
    assert finding.severity == "warning"
    assert "the first steps changed up to 1.4 of the weights and the loss rose to 5.8" in finding.message
    assert "94.9 % of guessing" in finding.message
    assert finding.remedies[0].startswith("lower the learning rate: lr 0.1 → 0.01")


@pytest.mark.parametrize(
    "run",
    [
        thrown_off(0.1),  # no large steps
        thrown_off(peak=4.8),  # the loss hardly rose
        thrown_off(end=2.3),  # it learnt something all the same
        thrown_off(chance=None),
        thrown_off(warm=10),  # not its first steps
    ],
)
def test_first_steps_that_do_not(run: RunRecord) -> None:
    assert list(RULE.check(run)) == []


def test_a_rate_that_is_lowered_in_time_ends_the_alarm() -> None:
    assert list(RULE.check(record(curve(*OVERSHOT[:7], 0.3, 0.25, 0.2)))) == []


def bouncing(end: float, *, noise: float = 0.4, update: float = 0.02) -> RunRecord:
    """A steep fall to 0.5 and a slow one from there to ``end``, in losses that bounce."""
    levels = (2.3, 1.0, 0.5, *np.linspace(0.5, end, 7))
    losses = [abs(loss) for loss in curve(*levels, each=40, noise=noise)]
    return record(losses, updates={"a": [update] * len(losses)}, lr=0.1)


def test_a_level_that_bounces_too_much_to_settle() -> None:
    for end in (0.5, 0.4):  # a fall that the bouncing itself may make
        (finding,) = RULE.check(bouncing(end))
        assert "too high to settle (lr 0.1)" in finding.message
    assert list(RULE.check(bouncing(0.45, noise=0.1))) == []  # it does not bounce
    assert list(RULE.check(bouncing(0.25))) == []  # it falls for sure
    assert list(RULE.check(bouncing(0.5, update=0.005))) == []


@pytest.mark.parametrize("losses", [[], [2.3], curve(*OVERSHOT, each=4), [math.nan] * 200])
def test_silent_without_evidence(losses: list[float]) -> None:
    assert list(RULE.check(record(losses))) == []

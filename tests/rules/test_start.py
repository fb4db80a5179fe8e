from __future__ import annotations

import numpy as np
import pytest

from babysit.rules._start import flat_start
from babysit.testing import record

STEPS = np.arange(600)
SADDLE = 2.3 - 2 / (1 + np.exp(-(STEPS - 250) / 20))  # a tenth of the fall at 206, half of it at 250


def test_where_a_logistic_fall_departs_and_is_halfway() -> None:
    start = flat_start(record(list(SADDLE), lr=0.1, batch_size=64))
    assert start is not None
    assert start.departure == pytest.approx(250 - 20 * np.log(9), abs=5)
    assert start.halfway == pytest.approx(250, abs=5)
    assert start.level == pytest.approx(2.3, abs=1e-3)
    assert start.lowest == pytest.approx(0.3, abs=1e-3)
    assert start.suddenness == pytest.approx(20 * np.log(9) / (250 - 20 * np.log(9)), abs=0.05)


def test_small_batches_are_read_in_blocks() -> None:
    start = flat_start(record(list(SADDLE), lr=0.1, batch_size=8))
    assert start is not None
    assert start.departure == pytest.approx(206, abs=25)


def test_warm_up_does_not_count() -> None:
    start = flat_start(record(list(SADDLE), lr=[0.001] * 100 + [0.1] * 500, batch_size=64))
    assert start is not None
    assert start.first == 100
    assert start.flat_steps == pytest.approx(106, abs=5)


@pytest.mark.parametrize("steps", [0, 1, 10, 100, 150, 200])
def test_no_beginning_of_a_flat_curve_is_a_fall(steps: int) -> None:
    assert flat_start(record(list(SADDLE[:steps]), lr=0.1, batch_size=64)) is None


def test_too_much_noise_says_nothing() -> None:
    wild = np.abs(SADDLE * (1 + np.random.default_rng(0).normal(size=600)))
    assert flat_start(record(list(wild), lr=0.1, batch_size=64)) is None


def test_a_plateau_below_the_chance_level_was_learnt() -> None:
    """A tenth of the way down from guessing is the limit, as it is for the departure."""
    for chance, is_start in ((2.3, True), (2.45, True), (2.6, False)):
        run = record(list(SADDLE), lr=0.1, batch_size=64, chance_loss=chance)
        assert (flat_start(run) is not None) is is_start, chance


def test_a_fall_without_end_has_no_flat_start() -> None:
    assert flat_start(record(list(40 - np.exp((STEPS - 200) / 10)), lr=0.1, batch_size=64)) is None

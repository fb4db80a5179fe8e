from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.rules._curve import Curve, count_rises, late_share, running_median
from babysit.testing import record

FLOATS = st.floats(-1e6, 1e6)


@given(st.lists(FLOATS, min_size=1, max_size=40), st.integers(1, 9))
def test_running_median_is_the_median_of_each_window(values: list[float], width: int) -> None:
    width = min(width, len(values))
    expected = [statistics.median(values[start : start + width]) for start in range(len(values) - width + 1)]
    assert running_median(np.array(values), width).tolist() == pytest.approx(expected)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.integers(1, 300))
def test_blocks_are_means_of_as_many_steps_as_see_64_examples(values: list[float], batch: int) -> None:
    curve = Curve.of(record(values, batch_size=batch))
    width = min(math.ceil(64 / batch), len(values))
    expected = [statistics.fmean(values[at : at + width]) for at in range(0, len(values) - width + 1, width)]
    assert curve.blocks().tolist() == pytest.approx(expected)


@given(st.lists(FLOATS, min_size=1, max_size=50), st.floats(0.1, 1e5))
def test_rises_of_a_curve_are_the_falls_of_its_mirror_image(values: list[float], size: float) -> None:
    rises, falls = count_rises(np.array(values), size), count_rises(-np.array(values), size)
    assert abs(rises - falls) <= 1


@pytest.mark.parametrize("swings", [0, 1, 5])
def test_rises_are_counted_whatever_happens_between(swings: int) -> None:
    rng = np.random.default_rng(swings)
    wave = np.concatenate(
        [[1.0], *[np.concatenate([np.linspace(0, 1, 9), np.linspace(1, 0, 9)]) for _ in range(swings)]]
    )
    assert count_rises(wave + rng.uniform(-0.1, 0.1, len(wave)), 0.5) == swings


def test_late_share() -> None:
    assert late_share(np.linspace(3, 1, 10)) == pytest.approx(0.5)
    assert late_share(np.exp(-np.linspace(0, 10, 50))) == pytest.approx(math.exp(-5), rel=0.05)
    assert late_share(np.array([1.0, 1.0, 1.0, 0.0])) == 1.0
    assert late_share(np.array([1.0, 1.0])) == math.inf


def test_the_curve_ends_at_the_first_loss_that_is_no_number() -> None:
    assert Curve.of(record([2.0, 1.0, math.inf, 1.0])).losses.tolist() == [2.0, 1.0]
    assert Curve.of(record([math.nan])).losses.tolist() == []
    assert math.isnan(Curve.of(record()).final)


@pytest.mark.parametrize(
    ("losses", "header", "expected"),
    [
        ([2.3, 2.0], {}, 2.3),
        ([0.5, 2.0], {"chance_loss": 2.3}, 2.3),
        ([3.0, 2.0], {"chance_loss": 2.3}, 3.0),
        ([3.0, 2.0], {"chance_loss": math.nan}, 3.0),
        ([3.0, -2.0], {"chance_loss": 2.3}, 0.0),
        ([0.0, 0.0], {}, 0.0),
        ([0.1, *[2.0] * 63], {"batch_size": 1}, 1.9703125),
        ([], {"chance_loss": 2.3}, 0.0),
    ],
)
def test_the_level_that_losses_are_held_against(losses: list[float], header: dict[str, float], expected: float) -> None:
    assert Curve.of(record(losses, **header)).initial == pytest.approx(expected)


def test_block_error_is_the_standard_error_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    curve = Curve.of(record(list(5 + rng.normal(size=20_000)), batch_size=8))
    assert curve.block_error(512) == pytest.approx(1 / math.sqrt(64), rel=0.03)
    assert curve.blocks(512).std() == pytest.approx(1 / math.sqrt(64), rel=0.15)
    assert Curve.of(record([2.0], batch_size=512)).block_error(512) == 0.0


@pytest.mark.parametrize("batch_size", [128, 170, 256, 512, 4096])
def test_block_error_where_a_block_is_a_step_or_a_few(batch_size: int) -> None:
    rng = np.random.default_rng(0)
    curve = Curve.of(record(list(5 + 0.5 * rng.normal(size=20_000)), batch_size=batch_size))
    assert curve.block_error(512) == pytest.approx(0.5 / math.sqrt(math.ceil(512 / batch_size)), rel=0.05)


@pytest.mark.parametrize("period", [2, 3, 4])
def test_block_error_of_single_steps_that_go_up_and_down_is_none(period: int) -> None:
    assert Curve.of(record([2.0, 1.0, 1.5, 3.0][:period] * 50, batch_size=512)).block_error(512) == 0.0


def test_levels_are_medians_of_equal_parts() -> None:
    curve = Curve.of(record([float(step) for step in range(100)], batch_size=64))
    assert curve.levels().tolist() == [4.5 + 10 * part for part in range(10)]
    assert curve.final == 94.5
    assert Curve.of(record([1.0, 2.0], batch_size=64)).levels().tolist() == [1.0, 2.0]

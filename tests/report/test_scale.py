from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from babysit.report import scale
from babysit.report.scale import Linear, Log, Percent

finite = st.floats(-1e9, 1e9)
limits = st.tuples(finite, finite).filter(lambda pair: pair[1] - pair[0] > 1e-6 * max(1, abs(pair[0]), abs(pair[1])))


@given(limits, st.integers(2, 10))
def test_linear_ticks_are_few_equally_spaced_round_numbers_inside(pair: tuple[float, float], count: int) -> None:
    low, high = pair
    ticks = [value for value, _ in Linear(low, high, 0, 100).ticks(count)]
    room = 1e-6 * (high - low)
    assert 1 <= len(ticks) <= 1.25 * count + 2
    assert all(low - room <= value <= high + room for value in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        assert np.diff(ticks) == pytest.approx(step)
        assert f"{step:.4e}"[:6] in ("1.0000", "2.0000", "2.5000", "5.0000")


@given(limits, st.integers(2, 10))
def test_no_two_ticks_of_a_scale_have_one_label(pair: tuple[float, float], count: int) -> None:
    labels = [label for _, label in Linear(*pair, 0, 100).ticks(count)]
    assert len(set(labels)) == len(labels)


@given(st.floats(-12, 12), st.floats(0.05, 20), st.integers(3, 8))
def test_log_ticks_lie_inside_and_there_are_at_least_two(start: float, decades: float, count: int) -> None:
    low, high = 10.0**start, 10.0 ** (start + decades)
    ticks = Log(low, high, 0, 100).ticks(count)
    assert len(ticks) <= count + 8
    assert len(ticks) >= 2
    assert all(low * (1 - 1e-6) <= value <= high * (1 + 1e-6) for value, _ in ticks)


@pytest.mark.parametrize("kind", [Linear, Percent])
def test_linear_pixels_are_an_interpolation(kind: type[Linear]) -> None:
    values = np.linspace(-3, 12, 40)
    assert kind(-1, 9, 300, 20)(values) == pytest.approx(np.interp(values, [-1, 9], [300, 20]))


def test_log_pixels_are_an_interpolation_in_the_logarithm() -> None:
    values = np.geomspace(1e-6, 1e3, 40)
    expected = np.interp(np.log10(values), [-5, 2], [0, 700])
    assert Log(1e-5, 1e2, 0, 700)(values) == pytest.approx(expected)


def test_a_log_scale_draws_zero_at_its_low_end_and_nan_nowhere() -> None:
    drawn = Log(1e-5, 1, 10, 90)([0.0, -1.0, math.nan, math.inf])
    assert drawn[[0, 1, 3]].tolist() == [10, 10, 90]
    assert np.isnan(drawn[2])


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8))
def test_fitted_scales_hold_every_finite_value_and_have_ticks(values: list[float]) -> None:
    usable = [value for value in values if math.isfinite(value) and abs(value) <= 1e300]
    fitted = scale.linear(values, 0, 100)
    assert fitted.low < fitted.high
    assert all(fitted.holds(value) for value in usable)
    assert fitted.ticks(5)
    logarithmic = scale.log(values, 0, 100)
    assert 0 < logarithmic.low < logarithmic.high
    assert all(logarithmic.holds(value) for value in usable if 1e-250 <= value <= 1e250)
    assert logarithmic.ticks(5)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=3))
@example([93.1])
@example([-2.5, -2.5])
@example([0.0, 5e-324])
@example([1e-310])
def test_a_percent_scale_holds_any_number_and_has_ticks(values: list[float]) -> None:
    fitted = scale.percent(values, 0, 100)
    assert fitted.low < fitted.high
    assert all(fitted.holds(value) for value in values if math.isfinite(value) and abs(value) <= 1e300)
    assert fitted.ticks(5)


def test_percent_stays_between_zero_and_a_hundred() -> None:
    fitted = scale.percent([0.0, 0.4, 1.0], 0, 100)
    assert (fitted.low, fitted.high) == (0.0, pytest.approx(1.02))
    assert [label for _, label in fitted.ticks(5)] == ["0", "20", "40", "60", "80", "100"]

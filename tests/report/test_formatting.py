from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from babysit.report.formatting import interval, number, percent, shown


@given(st.floats(-1e12, 1e12).filter(lambda value: abs(value) > 1e-12))
def test_a_number_keeps_three_digits(value: float) -> None:
    text = number(value).replace(",", "").replace("−", "-")
    assert float(text) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-1.5, "−1.5"),
        (0.1, "0.1"),
        (1e-3, "0.001"),
        (9.999e-4, "0.001"),
        (123456, "123,456"),
        (1234567.0, "1.23e6"),
        (999.96, "1,000"),
        (-2e-5, "−2e-5"),
        (math.nan, "NaN"),
        (-math.inf, "−∞"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("share", "text"), [(0.0, "0 %"), (1, "100 %"), (0.9996, "100.0 %"), (math.inf, "∞")])
def test_percent_says_a_hundred_only_without_exception(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (False, "no"),
        (-3, "−3"),
        (2.5e-5, "2.5e-5"),
        ({"a": [1, "b"]}, "a 1, b"),
        ([], ""),
        (10**20, f"{10**20:,}"),
    ],
)
def test_any_json_value_can_be_shown(value: object, text: str) -> None:
    assert shown(value) == text


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(counts: tuple[int, int]) -> None:
    right, examples = counts
    expected = binomtest(right, examples).proportion_ci(0.95, "wilson")
    low, high = interval(right / examples, examples)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-7)

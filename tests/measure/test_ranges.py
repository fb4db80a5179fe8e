from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from babysit.measure.ranges import edge_of, position, trend
from babysit.measure.record import Range

LOG = Range(1e-6, 1e-2, log=True)
LINEAR = Range(0.0, 10.0)


@given(st.floats(0, 1))
def test_position_undoes_drawing(place: float) -> None:
    assert position(10 ** (-6 + 4 * place), LOG) == pytest.approx(place, abs=1e-9)
    assert position(10 * place, LINEAR) == pytest.approx(place)


@pytest.mark.parametrize(
    ("value", "drawn", "expected"),
    [
        (5.0, Range(), None),
        (5.0, Range(choices=("a",)), None),
        (5.0, Range(1.0, 1.0), None),
        (5.0, Range(2.0, 1.0), None),
        (5.0, Range(0.0, 10.0, log=True), None),
        (math.nan, LINEAR, None),
        (5.0, Range(math.nan, 1.0), None),
        (5.0, Range(0.0, math.inf), None),
        (5.0, Range(-1e308, 1e308), None),
        (11.0, LINEAR, 1.0),
        (-math.inf, LINEAR, 0.0),
        (-1.0, LOG, 0.0),
    ],
)
def test_positions_that_do_not_exist(value: float, drawn: Range, expected: float | None) -> None:
    assert position(value, drawn) == expected


@given(st.lists(st.floats(0.8, 1.0), min_size=3, max_size=20))
def test_low_and_high_are_mirror_images(places: list[float]) -> None:
    high = edge_of([10 * place for place in places], LINEAR)
    low = edge_of([10 * (1 - place) for place in places], LINEAR)
    assert (high, low) in {("high", "low"), (None, None)}


@pytest.mark.parametrize("count", [3, 4, 5, 8, 13])
def test_chance_seldom_looks_like_an_edge(count: int) -> None:
    rng = np.random.default_rng(count)
    drawn = rng.uniform(0, 10, (10_000, count))
    alarms = sum(edge_of(list(row), LINEAR) is not None for row in drawn)
    assert alarms / 10_000 < 0.03
    if count >= 8:
        assert alarms / 10_000 < 0.001


@pytest.mark.parametrize(("inside", "most"), [(0.3, 0), (0.25, 0), (0.2, 4)])
def test_values_around_a_best_one_inside_are_no_edge(inside: float, most: int) -> None:
    rng = np.random.default_rng(0)
    bests = [list(10 * np.clip(inside + rng.normal(0, 0.05, 6), 0, 1)) for _ in range(200)]
    assert sum(edge_of(best, LINEAR) is not None for best in bests) <= most


def test_the_best_fifth_of_a_score_that_rises_to_the_edge() -> None:
    rng = np.random.default_rng(0)
    found = sum(edge_of(sorted(rng.uniform(0, 10, 40))[-8:], LINEAR) == "high" for _ in range(300))
    assert found > 210


def test_hard_ends_and_too_few_values() -> None:
    assert edge_of([0.1, 0.2, 0.3], LINEAR) == "low"
    assert edge_of([0.1, 0.2, 0.3], Range(0.0, 10.0, hard_low=True)) is None
    assert edge_of([9.9, 9.8, 9.7], Range(0.0, 10.0, hard_low=True)) == "high"
    assert edge_of([0.1, 0.2], LINEAR) is None
    assert edge_of([], LINEAR) is None
    assert edge_of([0.1, 0.2, math.nan], LINEAR) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=8, max_size=30))
def test_trend_is_spearmans_correlation_in_standard_errors(trials: list[tuple[float, int]]) -> None:
    places, merits = zip(*trials, strict=True)
    if len(set(places)) < 2 or len(set(merits)) < 2:
        assert trend(places, merits) == 0
        return
    expected = spearmanr(places, merits).statistic * math.sqrt(len(trials) - 1)
    assert trend(places, merits) == pytest.approx(expected, abs=1e-9)


def test_few_trials_have_no_trend() -> None:
    assert trend(range(7), range(7)) == 0

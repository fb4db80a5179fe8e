import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.lab.measures import Measure, above, below, between, named, near, told, true
from babysit.rules import Finding, Severity

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9)


def finding(code: str) -> Finding:
    return Finding(code, "name", Severity.WARNING, "message", (), (), "source")


@given(values, st.floats(-1e6, 1e6))
def test_every_value_is_held_against_the_limit(some, limit):
    assert below("x", some, limit).holds == (max(some) < limit)
    assert above("x", some, limit).holds == (min(some) > limit)
    assert between("x", some, limit, math.inf).holds == (min(some) >= limit)


@given(values)
def test_median_and_range_are_those_of_the_values(some):
    known = told("x", some).to_json()
    assert known["value"] == statistics.median(some)
    assert (known["low"], known["high"]) == (min(some), max(some))


def test_a_value_that_is_no_number_holds_nothing():
    assert below("x", [0.1, math.nan], 1).holds is False
    assert near("x", math.nan, 0, within=1).holds is False
    assert Measure("x", (math.nan, math.nan, 1.0)).to_json()["low"] == 1.0
    assert math.isnan(Measure("x", (math.nan, math.nan, 1.0)).median)


def test_no_value_holds_nothing():
    assert not any(measure.holds for measure in (below("x", [], 1), above("x", [], 1), near("x", [], 0, within=1)))
    assert true("x", []).holds is False


@pytest.mark.parametrize(("codes", "holds"), [([["ACT001"], ["ACT001", "UPD002"]], True), ([["ACT001"], []], False)])
def test_a_rule_has_to_speak_up_in_every_training(codes, holds):
    measure = named("ACT001", [[finding(code) for code in of_one] for of_one in codes])
    assert measure.holds is holds
    assert measure.name == "named by ACT001"


def test_no_tolerance_is_told_as_such():
    assert near("x", [1.0, 1.0], 1, within=0, unit="×").expected == "exactly 1 ×"
    assert near("x", 1.0 + 1e-12, 1, within=0).holds is False


def test_shares_are_expected_in_percent():
    assert near("x", 0.5, 0.5, within=0.01, unit="%").expected == "50 % ± 1 %"


@pytest.mark.parametrize(
    ("target", "within", "digits"), [(2.302585, 5e-5, 5), (0.25, 1e-12, 6), (64, 0, 3), (0, 1e-6, 3), (0.98, 0.2, 3)]
)
def test_a_number_is_shown_to_the_digit_on_which_it_depends(target, within, digits):
    assert near("x", target, target, within=within).digits == digits

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.data import columns as cols


def raw(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def column(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return cols.cleaned(raw(values, kind))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "numeric"),
        ([1.5, None], "numeric"),
        (["1", " 2.5 ", "+3", "-4e2", "inf"], "numeric"),
        (["1,5", "2,25", "-3"], "numeric"),
        (["1", "NA", "?", "nan", "null", ""], "numeric"),
        ([decimal.Decimal("1.5")], "numeric"),
        ([True, None], "boolean"),
        (["true", "False", "TRUE"], "boolean"),
        (["red", "blue"], "categorical"),
        (["1", "two"], "categorical"),
        (["2024-01-31", "1999-12-01T10:00:00Z"], "date"),
        (["31/01/2024", "1.2.1999 12:30"], "date"),
        ([datetime.date(2024, 1, 1)], "date"),
        (["", "NA"], "all-missing"),
        ([None, None], "all-missing"),
        ([float("nan")], "all-missing"),
        ([[1], [2]], "unsupported"),
        ([b"\xff"], "unsupported"),
    ],
)
def test_kinds(values: list[object], kind: str) -> None:
    found, parsed = cols.parsed(raw(values))
    assert found == kind
    if kind == "numeric":
        assert np.array_equal(cols.numbers(parsed), cols.numbers(column(values)), equal_nan=True)


def test_dictionaries_are_text() -> None:
    coded = pa.chunked_array([pa.array(["a", None, " b"]).dictionary_encode()])
    assert cols.cleaned(coded).to_pylist() == ["a", None, "b"]


@given(st.lists(st.floats(width=64, allow_nan=False) | st.none(), min_size=1))
def test_numbers_survive_as_text(values: list[float | None]) -> None:
    expected = np.array([np.nan if value is None else value for value in values])
    text = column(["" if value is None else repr(value) for value in values])
    number = column(values, pa.float64())
    if any(value is not None for value in values):
        assert np.array_equal(cols.numbers(text), expected, equal_nan=True)
    assert np.array_equal(cols.numbers(number), expected, equal_nan=True)


def test_numbers_of_other_columns() -> None:
    assert list(cols.numbers(column([True, False]))) == [1.0, 0.0]
    assert np.isnan(cols.numbers(column([None]))).all()
    assert cols.numbers(column(["a"])) is None
    assert cols.numbers(column([[1]])) is None


def test_booleans() -> None:
    expected = [1.0, 0.0, np.nan]
    for values in ([True, False, None], ["TRUE", "false", ""], [1, 0, None], ["1", "0", "NA"]):
        assert np.array_equal(cols.booleans(column(values)), expected, equal_nan=True)
    assert cols.booleans(column(["yes"])) is None
    assert cols.booleans(column([2])) is None


def test_codes() -> None:
    found = cols.codes(column(["b", "z", None, "a"]), ("a", "b"))
    assert np.array_equal(found, [1, -1, np.nan, 0], equal_nan=True)
    assert np.array_equal(cols.codes(column([7, 8]), ("7",)), [0, -1])
    assert cols.codes(column([[1]]), ("a",)) is None


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["1.234,5", "950,25", "1.000"], [1234.5, 950.25, 1000.0]),
        (["-1.234.567,8", "+12,5", "3"], [-1234567.8, 12.5, 3.0]),
        (["1.234", "950,25"], [1.234, 950.25]),
    ],
)
def test_decimal_commas(values: list[object], wanted: list[float]) -> None:
    found = cols.numbers(column(values))
    assert found is not None
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    ("values", "wanted", "mark"),
    [
        (["45%", " 7.5 %", None, "-3%", "NA", "+0.25%", "1e2%"], None, ""),
        (["45%", " 7.5 %", None, "-3%", "NA", "+0.25%"], [45, 7.5, None, -3, None, 0.25], "%"),
        (["$1,234.50", "$7", "($20)", "-$3.5", "$-2", "−$1"], [1234.5, 7, -20, -3.5, -2, -1], "$"),
        (["1.234,50 €", "7 €", "-0,5€"], [1234.5, 7, -0.5], "€"),
        (["£12", "£1,000,000"], [12, 1e6], "£"),
        (["$5", "7"], None, ""),  # not all of it
        (["$5", "€7"], None, ""),
        (["45%", "$5"], None, ""),
        (["$5 a day", "$7 a day"], None, ""),
        (["%", "%"], None, ""),
        (["$", "$1"], None, ""),
        (["12", "13"], None, ""),
        (["$1.2.3", "$4"], None, ""),
        ([None, "NA"], None, ""),
        ([1.5, 2.0], None, ""),
    ],
)
def test_percentages_and_amounts_of_money(values: list[object], wanted: list[float | None] | None, mark: str) -> None:
    found = cols.unmarked(column(values))
    if wanted is None:
        assert found is None
        return
    assert found is not None
    plain = cols.ungrouped(found[0])
    numbers = cols.numbers(cols.cleaned(found[0] if plain is None else plain))
    assert np.array_equal(numbers, [np.nan if item is None else item for item in wanted], equal_nan=True)
    assert found[1] == mark


@pytest.mark.parametrize(
    "values",
    [["03/14/2026 5:07 PM", "12/1/2025 11:59 am"], ["03/14/2026, 5:07:09 p.m.", "3/4/2026"], ["2026-03-14T05:07:09Z"]],
)
def test_dates_with_the_half_of_the_day(values: list[str]) -> None:
    assert cols.parsed(column(values))[0] == cols.DATE


def test_a_time_without_a_date_is_text() -> None:
    assert cols.parsed(column(["5:07 PM", "6:00 AM"]))[0] == cols.CATEGORICAL

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.data.table_schema import Column, TableSchema
from babysit.errors import InputError

SCHEMA = TableSchema(
    (Column("size", "numeric"), Column("colour", "categorical", ("blue", "red")), Column("new", "boolean")), "price"
)


def test_encodes_by_name_whatever_the_order() -> None:
    table = pa.table(
        {"new": ["TRUE", "false", ""], "other": [1, 2, 3], "colour": ["red", "?", "pink"], "size": [1, 2, 3]}
    )
    x, notes = SCHEMA.encode(table, "toy")
    expected = [[1, 1, 1], [2, np.nan, 0], [3, -1, np.nan]]
    assert np.array_equal(x, np.array(expected, dtype=np.float32), equal_nan=True)
    assert x.dtype == np.float32
    assert notes == ()


@given(st.lists(st.tuples(st.floats(width=32), st.sampled_from(["blue", "red", "x", ""]), st.booleans()), min_size=1))
def test_encodes_as_a_loop_over_rows_would(rows: list[tuple[float, str, bool]]) -> None:
    size, colour, new = zip(*rows, strict=True)
    x, _ = SCHEMA.encode(pa.table({"size": size, "colour": colour, "new": new}), "toy")
    codes = {"blue": 0.0, "red": 1.0, "x": -1.0, "": float("nan")}
    expected = np.array([[s, codes[c], n] for s, c, n in rows], dtype=np.float32)
    assert np.array_equal(x, expected, equal_nan=True)


def test_survives_json() -> None:
    assert TableSchema.from_json(json.loads(json.dumps(SCHEMA.to_json()))) == SCHEMA
    with pytest.raises(ValueError, match="unknown kind of column"):
        TableSchema.from_json({"columns": [{"name": "a", "kind": "magic", "categories": []}], "target": None})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"Size": [1], "colour": ["red"], "new": [True]},
            "also size, found columns Size, colour, new; did you mean 'Size'",
        ),
        (
            {"size": ["1", "big"], "colour": ["red"] * 2, "new": [True] * 2},
            "a numeric column 'size', found 'big' in row 1",
        ),
        ({"size": [1], "colour": ["red"], "new": ["maybe"]}, "a boolean column 'new', found 'maybe' in row 0"),
        ({"size": [1], "colour": ["red"], "new": [7]}, "a boolean column 'new', found other numbers"),
        ({"size": [1], "colour": [[1]], "new": [True]}, r"a categorical column 'colour', found '\[1\]' in row 0"),
    ],
)
def test_other_tables_are_refused(table: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SCHEMA.encode(pa.table(table), "toy")

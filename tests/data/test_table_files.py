from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babysit.data import columns as cols
from babysit.data.table_files import read_table
from babysit.errors import InputError

cells = st.text(  # without marks, that may be left out
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="%$€£¥₹") | st.just("\n"),
    max_size=8,
)


def write(folder: Path, content: str | bytes, name: str = "toy.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_reads_what_the_csv_module_writes(tmp_path: Path, rows: list[tuple[str, ...]], delimiter: str) -> None:
    path = tmp_path / "toy.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([("one", "two", "three"), *rows])
    table, _ = read_table(path)
    assert table.column_names == ["one", "two", "three"]
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n1,x\n", "toy.csv"),
        ("\ufeffa,b\n1,x\n", "toy.csv"),
        ("a;b\n1;x\n", "toy.csv"),
        ("a|b\n1|x\n", "toy.csv"),
        ("a\tb\n1\tx\n", "toy.tsv"),
        ("a, b\r\n1,x\r\n", "toy.csv"),
        ('"a","b"\n1,"x"', "toy.csv"),
        ("\n\na,b\n\n1,x\n", "toy.CSV"),
        ("a,b\n1,x\n".encode("utf-16"), "toy.csv"),
    ],
    ids=["comma", "bom", "semicolon", "bar", "tab", "crlf", "quotes", "blank lines", "utf-16"],
)
def test_dialects(tmp_path: Path, content: str | bytes, name: str) -> None:
    table, notes = read_table(write(tmp_path, content, name))
    assert table.to_pylist() == [{"a": "1", "b": "x"}]
    assert notes == ()


def test_a_quoted_delimiter_does_not_mislead(tmp_path: Path) -> None:
    table, _ = read_table(write(tmp_path, 'a;b\n"1,2,3";x\n"4,5,6";y\n'))
    assert table.column_names == ["a", "b"]


def test_latin_1_is_read_and_noted(tmp_path: Path) -> None:
    table, notes = read_table(write(tmp_path, "a,b\nGrün,1\n".encode("latin-1")))
    assert table.column("a").to_pylist() == ["Grün"]
    assert notes == ("the text is not UTF-8: read as Latin-1",)


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, None], "b": ["x", "y"]}), tmp_path / "toy.parquet")
    assert read_table(tmp_path / "toy.parquet")[0].to_pylist() == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a header and rows, found an empty file"),
        (" \n\n", "found an empty file"),
        ("a,b\n", "expected rows under the header, found none"),
        ("a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        ("a,a\n1,2\n", "expected distinct column names, found more than one 'a'"),
        ("1,2\n3,4\n", "expected column names in the first line, found what looks like a row: 1, 2"),
        (
            "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n",
            "found what looks like a row: 5.1, 3.5, setosa; add a",
        ),
        (b"\x00\x01\x02\x03", "expected a text table, found binary data"),
        (b"PK\x03\x04", "found binary data"),
        (os.urandom(4096), "found binary data"),
        (b"\xff\xfea", "expected a table of delimited text"),
    ],
)
def test_bad_text_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_table(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_bad_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(99)), "b": ["x"] * 99}), tmp_path / "toy.parquet")
    content = (tmp_path / "toy.parquet").read_bytes()
    for bad in (b"", b"a,b\n1,2\n", content[:100], content[:-1], content[:20] + b"\0" * 20 + content[40:]):
        with pytest.raises(InputError, match="expected a Parquet file, found a damaged or different one") as caught:
            read_table(write(tmp_path, bad, "bad.parquet"))
        assert "\n" not in str(caught.value)


def test_parquet_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    wrong = pa.Array.from_buffers(pa.string(), 1, [*pa.array(["ab"]).buffers()[:2], pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"a": wrong}), tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=r"expected a Parquet file, found a damaged or different one .*UTF"):
        read_table(tmp_path / "bad.parquet")


def test_a_long_row_is_no_obstacle(tmp_path: Path) -> None:
    cell = "x" * (3 << 20)  # beyond Arrow's usual block of a mebibyte
    table, _ = read_table(write(tmp_path, f"a,b\n1,{cell}\n2,{cell}\n"))
    assert table.column("b").to_pylist() == [cell, cell]


def test_a_header_may_hold_numbers(tmp_path: Path) -> None:
    table, _ = read_table(write(tmp_path, "country,2001,2002\nfr,1,2\nde,3,4\n"))
    assert table.column_names == ["country", "2001", "2002"]


@pytest.mark.parametrize("delimiter", [",", "\t", "|"])
def test_commas_that_part_thousands_are_left_out(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ("price", "words", "mixed", "decimal"),
        ("1,234", "1,234", "1,234", "1,5"),
        ("-2,345,678.5", "a, b", "0,5", "1,234"),
        ("950", "", "7", "2"),
        ("NA", "c", "8", "3"),
    ]
    with (tmp_path / "toy.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    table, notes = read_table(tmp_path / "toy.csv")
    assert table.column("price").to_pylist() == ["1234", "-2345678.5", "950", "NA"]
    for name in ("words", "mixed", "decimal"):
        assert table.column(name).to_pylist() == [row[rows[0].index(name)] for row in rows[1:]]
    assert notes == ("commas in column 'price' part thousands: 1,000 is 1000",)


def test_marks_of_percent_and_money_are_left_out(tmp_path: Path) -> None:
    columns = {
        "rate": ["45%", "7.5 %", ""],
        "price": ["$1,234", "$950", "$7.25"],
        "both": ["$5", "5%", "x"],
        "small": ["1.2e3", "4e-2", "7"],
    }
    with (tmp_path / "toy.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    pq.write_table(pa.table(columns), tmp_path / "toy.parquet")
    for name in ("toy.csv", "toy.parquet"):
        table, notes = read_table(tmp_path / name)
        values = {item: cols.numbers(cols.cleaned(table.column(item))) for item in columns}
        assert np.array_equal(values["rate"], [45, 7.5, np.nan], equal_nan=True)
        assert values["price"].tolist() == [1234, 950, 7.25]
        assert values["both"] is None
        assert values["small"].tolist() == [1200, 0.04, 7]
        assert notes == (
            "percentages in column 'rate' were read as numbers: 45% is 45",
            "amounts of money in column 'price' were read as numbers: $5 is 5",
            "commas in column 'price' part thousands: 1,000 is 1000",
        )


def test_euros_where_semicolons_part_columns(tmp_path: Path) -> None:
    table, _ = read_table(write(tmp_path, "a;b\n1.234,50 €;x\n7,25 €;y\n"))
    assert cols.numbers(cols.cleaned(table.column("a"))).tolist() == [1234.5, 7.25]


def test_where_semicolons_part_columns_a_comma_is_decimal(tmp_path: Path) -> None:
    table, notes = read_table(write(tmp_path, "a;b\n1,234;x\n2,345;y\n"))
    assert (table.column("a").to_pylist(), notes) == (["1,234", "2,345"], ())


def test_empty_columns_without_a_name_are_dropped(tmp_path: Path) -> None:
    table, notes = read_table(write(tmp_path, "a;b;;\n1;x;;\n2;y; ;\n"))
    assert table.to_pylist() == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
    assert notes == ("dropped 2 empty columns without a name",)
    table, notes = read_table(write(tmp_path, ",b\n0,x\n1,y\n"))
    assert (table.column_names, notes) == (["", "b"], ())

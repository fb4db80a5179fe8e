"""CSV, TSV and Parquet files into Arrow tables with distinct column names; text stays text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

from babysit.data import columns as cols
from babysit.data.text import listed
from babysit.errors import InputError

DELIMITERS = ",;\t|"
HEAD = 1 << 16  # bytes looked at to tell text from rubbish and to find the delimiter
CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f")


def read_table(path: Path) -> tuple[Any, tuple[str, ...]]:
    """A table file as a ``pyarrow.Table``, and notes.

    Raises:
        InputError: The file is empty, damaged, not a table, or its header is not one of distinct names.
    """
    table, notes = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    table, dropped = _without_padding(table)
    if table.num_rows == 0:
        raise InputError(str(path), expected="rows under the header", found="none", todo="add rows")
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise InputError(
            str(path), expected="distinct column names", found=f"more than one {twice[0]!r}", todo="rename them"
        )
    return table, notes + dropped


def _without_padding(table: Any) -> tuple[Any, tuple[str, ...]]:
    """The table without the empty columns that spreadsheets write to the right of it, and a note."""
    names = table.column_names
    padding = {
        index
        for index, name in enumerate(names)
        if not name and (column := cols.cleaned(table.column(index))).null_count == len(column)
    }
    if not padding:
        return table, ()
    note = f"dropped {len(padding)} empty column{'s' * (len(padding) > 1)} without a name"
    return table.select([index for index in range(len(names)) if index not in padding]), (note,)


def _read_parquet(path: Path) -> tuple[Any, tuple[str, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read()
        table.validate(full=True)  # text that is no UTF-8 would only fail when it is looked at
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, "a Parquet file", error) from error
    return _plain(table, commas_part_thousands=True)


def _read_csv(path: Path) -> tuple[Any, tuple[str, ...]]:
    import pyarrow as pa

    head = _head(path)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf8"
    if encoding == "utf8" and not CONTROL.isdisjoint(head):
        raise InputError(str(path), expected="a text table", found="binary data", todo="save it as CSV or Parquet")
    try:
        return _parse(path, head, encoding)
    except (pa.ArrowException, OSError, ValueError) as error:
        if encoding == "utf-16" or "UTF8" not in str(error):
            raise _damaged(path, "a table of delimited text", error) from error
    try:
        table, notes = _parse(path, head, "latin-1")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, "a table of delimited text", error) from error
    return table, ("the text is not UTF-8: read as Latin-1", *notes)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise _damaged(path, "a readable file", error) from error
    if not head.strip():
        raise InputError(str(path), expected="a header and rows", found="an empty file", todo="give another file")
    return head


def _parse(path: Path, head: bytes, encoding: str) -> tuple[Any, tuple[str, ...]]:
    """All cells as text, named by the first record; and notes."""
    import pyarrow as pa
    import pyarrow.csv

    text = head.decode(encoding.replace("utf8", "utf-8-sig"), errors="replace")
    delimiter, width = _sniff(text, "\t" if path.suffix.lower() == ".tsv" else "")
    names = [f"f{index}" for index in range(width)]
    table = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(
            autogenerate_column_names=True, encoding=encoding, block_size=1 << 24, use_threads=False
        ),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    header = [column[0].as_py().strip().removeprefix("\ufeff") for column in table.columns]
    table = table.slice(1)
    if _is_no_header(header, table):
        raise InputError(
            str(path),
            expected="column names in the first line",
            found=f"what looks like a row: {listed(header)}",
            todo="add a header line",
        )
    table = table.rename_columns(header)
    # where semicolons part the columns, a comma is a decimal one
    return _plain(table, commas_part_thousands=delimiter != ";")


def _is_no_header(header: list[str], table: Any) -> bool:
    """Whether the first record is one of the rows: all of it numbers, or some of it, and the rest met again below."""
    import pyarrow.compute as pc

    words = [(name, index) for index, name in enumerate(header) if name and not _is_number(name)]
    if not words or len(words) == len(header):
        return not words
    return any(pc.any(pc.equal(table.column(index), name)).as_py() for name, index in words)


def _plain(table: Any, *, commas_part_thousands: bool) -> tuple[Any, tuple[str, ...]]:
    """The table with 45% as 45, $5 as 5 and 1,234 as 1234, and a note on each column where that was."""
    notes = []
    for index, name in enumerate(table.column_names):
        found = cols.unmarked(table.column(index))
        if found is not None:
            numbers, mark = found
            table = table.set_column(index, name, numbers)
            example = "45% is 45" if mark == cols.PERCENT else f"{mark}5 is 5"
            what = "percentages" if mark == cols.PERCENT else "amounts of money"
            notes.append(f"{what} in column {name!r} were read as numbers: {example}")
        plain = cols.ungrouped(table.column(index)) if commas_part_thousands else None
        if plain is not None:
            table = table.set_column(index, name, plain)
            notes.append(f"commas in column {name!r} part thousands: 1,000 is 1000")
    return table, tuple(notes)


def _sniff(text: str, fixed: str) -> tuple[str, int]:
    """The delimiter that cuts the first lines into the most fields, equally many in each; and how many."""
    best = (False, 0, ",")
    for delimiter in fixed or DELIMITERS:
        records = [len(r) for r in csv.reader(io.StringIO(text[:HEAD], newline=""), delimiter=delimiter) if r][:20]
        whole = records[:-1] or records  # the last may be cut
        candidate = (len(set(whole)) == 1 and whole[0] > 1, whole[0], delimiter)
        best = max(best, candidate, key=lambda found: found[:2])
    return best[2], max(best[1], 1)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _damaged(path: Path, expected: str, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
    return InputError(
        str(path),
        expected=expected,
        found=f"a damaged or different one ({reason})",
        todo="check or save the file again",
    )

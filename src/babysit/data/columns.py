"""Columns of a table as Arrow holds them: cleaned text, kinds, numbers.

Text is read with its surrounding blanks removed and the usual spellings of a missing value as nulls, so that a CSV file
and the Parquet file made from it give the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

NUMERIC: Final = "numeric"
CATEGORICAL: Final = "categorical"
BOOLEAN: Final = "boolean"
DATE: Final = "date"
MISSING: Final = "all-missing"
OTHER: Final = "unsupported"

MISSING_TEXT = (
    "",
    "?",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "NaN",
    "nan",
    "-nan",
    "NULL",
    "Null",
    "null",
    "None",
    "none",
)
DAY = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
TIME = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([AaPp]\.?[Mm]\.?)?\s*(Z|[+-]\d{2}:?\d{2})?"
DATE_PATTERN = rf"^{DAY}(,?[T ]\s*{TIME})?$"
PERCENT: Final = "%"
CURRENCIES = ("$", "€", "£", "¥", "₹")
AMOUNT = r"(\d[\d.,]*|[.,]\d+)"


def cleaned(column: Any) -> Any:
    """The column with dictionaries decoded and text trimmed; missing text and NaN are nulls.

    Args:
        column: A ``pyarrow.ChunkedArray``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    if not _is_text(column.type):
        return column
    text = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
    return pc.if_else(pc.is_in(text, pa.array(MISSING_TEXT, pa.large_string())), pa.scalar(None, text.type), text)


def parsed(raw: Any) -> tuple[str, Any]:
    """What a column holds — numeric, categorical, boolean, date, all-missing or unsupported — and the column cleaned.

    Text that is all numbers becomes float64, so that it is parsed once.
    """
    import pyarrow as pa

    column = cleaned(raw)
    if column.null_count == len(column):
        return MISSING, column
    if pa.types.is_boolean(column.type):
        return BOOLEAN, column
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return NUMERIC, column
    if pa.types.is_temporal(column.type):
        return DATE, column
    if not _is_text(column.type):
        return OTHER, column
    floats = _as_numbers(column)
    return (_kind_of_text(column), column) if floats is None else (NUMERIC, floats)


def _kind_of_text(column: Any) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    distinct = pc.unique(column.drop_null())
    if pc.all(pc.is_in(pc.utf8_lower(distinct), pa.array(["true", "false"], pa.large_string()))).as_py():
        return BOOLEAN
    return DATE if pc.all(pc.match_substring_regex(distinct, DATE_PATTERN)).as_py() else CATEGORICAL


def numbers(column: Any) -> np.ndarray | None:
    """A cleaned numeric or boolean column as ``(N,)`` float64 with NaN for missing; None where it is not one."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if _is_text(column.type):
        column = _as_numbers(column)
    elif pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return None
    if column is None:
        return None
    values: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy()
    return values.astype(np.float64)


def booleans(column: Any) -> np.ndarray | None:
    """A cleaned column of true/false (or 1/0) as ``(N,)`` float64 in 0, 1, NaN; None where it is not one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_text(column.type):
        lower = pc.utf8_lower(column)
        words = pa.array(["false", "true"], pa.large_string())
        if pc.all(pc.is_in(lower.drop_null(), words)).as_py():
            column = pc.index_in(lower, words)
    values = numbers(column)
    return None if values is None or not np.all(np.isin(values, (0, 1)) | np.isnan(values)) else values


def codes(column: Any, categories: tuple[str, ...]) -> np.ndarray | None:
    """A cleaned column as ``(N,)`` float64 category indices: -1 for unknown, NaN for missing; None if it is no text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        text = as_text(column)
    except pa.ArrowException:
        return None
    index = pc.fill_null(pc.index_in(text, pa.array(categories, pa.large_string())), -1)
    found: np.ndarray = index.to_numpy()
    return np.where(text.is_null().to_numpy(), np.nan, found.astype(np.float64))


def as_text(column: Any) -> Any:
    """A cleaned column as Arrow text."""
    import pyarrow as pa

    return column.cast(pa.large_string())


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def odd_one_out(text: Any) -> str | None:
    """The first value that is no number in a cleaned text column of which most others are; None where they are not."""
    import pyarrow.compute as pc

    distinct = pc.unique(text.drop_null())
    numeric = pc.match_substring_regex(distinct, r"^[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?$")
    words = distinct.filter(pc.invert(numeric))
    return str(words[0].as_py()) if 0 < 2 * len(words) < len(distinct) else None


def unmarked(column: Any) -> tuple[Any, str] | None:
    """A text column of percentages or of amounts of one currency as their numbers, still text; and the mark.

    None where it is none: all of it has to be of one form, such as 45%, $1,234.50, −$5, ($5) or 5 €.
    """
    import pyarrow.compute as pc

    if not _is_text(column.type):
        return None
    text = cleaned(column)
    present = text.drop_null()
    if not len(present):
        return None
    first = str(present[0].as_py())
    mark = next((item for item in (PERCENT, *CURRENCIES) if item in first), "")
    forms = _forms(mark) if mark else ()
    if not any(pc.all(pc.match_substring_regex(present, form)).as_py() for form in forms):
        return None
    # accounts write losses in brackets
    plain = pc.replace_substring_regex(text, r"^\((.*)\)$", r"-\1")
    plain = pc.replace_substring_regex(plain, rf"[+\s{mark}]", "")
    plain = pc.replace_substring(plain, "−", "-")
    is_number = _as_numbers(plain) is not None or ungrouped(plain) is not None
    return (plain, mark) if is_number else None


def _forms(mark: str) -> tuple[str, ...]:
    behind = rf"^[+−-]?\s*{AMOUNT}\s*[{mark}]$"
    if mark == PERCENT:
        return (behind,)
    before = rf"[+−-]?\s*[{mark}]\s*[+−-]?{AMOUNT}"
    return (behind, rf"^({before}|\({before}\))$")


def ungrouped(column: Any) -> Any | None:
    """A raw text column of numbers such as 1,234.5 without these commas; None where it is none.

    A comma parts thousands only if all of the column agrees: groups of three digits, no leading zero.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _is_text(column.type):
        return None
    marked = pc.match_substring(column, ",")
    if not pc.any(marked).as_py():
        return None
    if not pc.all(
        pc.match_substring_regex(column.filter(marked), r"^\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*$")
    ).as_py():
        return None
    plain = pc.if_else(marked, pc.replace_substring(column, ",", ""), column)
    return plain if pa.types.is_floating(parsed(plain)[1].type) else None


def _as_numbers(text: Any) -> Any | None:
    """Text as float64 if all of it is numbers, also with a leading plus or a decimal comma (and points before it)."""
    import pyarrow as pa

    for spelling in _spellings(text):
        try:
            return spelling.cast(pa.float64())
        except pa.ArrowInvalid:
            continue
    return None


def _spellings(text: Any) -> Iterator[Any]:
    import pyarrow.compute as pc

    yield text
    text = pc.replace_substring_regex(text, r"^\+", "")
    yield text
    if pc.any(pc.match_substring_regex(text, r"^-?\d{1,3}(\.\d{3})+,\d+$")).as_py():
        grouped = pc.match_substring_regex(text, r"^-?\d{1,3}(\.\d{3})+(,\d+)?$")
        text = pc.if_else(grouped, pc.replace_substring(text, ".", ""), text)
    yield pc.replace_substring_regex(text, r"^(-?\d+),(\d+)$", r"\1.\2")

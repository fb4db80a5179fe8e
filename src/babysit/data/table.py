"""Tables with a target column: which columns are inputs, and how they become a `Dataset`.

The kind of a column is read from all rows, as any row must be encodable. What is learned from values — categories, and
which columns say nothing — comes from the training split alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from babysit.data import columns as cols
from babysit.data.dataset import Dataset
from babysit.data.examples import known_targets
from babysit.data.labels import encode_targets
from babysit.data.options import ReadOptions
from babysit.data.schema import InputSchema, PredictionInputs
from babysit.data.splits import split
from babysit.data.table_files import read_table
from babysit.data.table_schema import Column, TableSchema
from babysit.data.text import columns_dropped, listed
from babysit.errors import InputError, suggest

USUAL_TARGETS = ("target", "label", "class", "y")
INDEX_NAMES = ("", "Unnamed: 0", "__index_level_0__")  # how pandas writes an index without a name
FEW_CATEGORIES = 50
UNKNOWN = -1  # the code of a category that the training split did not have


def read_table_dataset(path: Path, options: ReadOptions) -> Dataset:
    """A ``.csv``, ``.tsv`` or ``.parquet`` file as a `Dataset`.

    Rows without a target are dropped. Percentages and amounts of one currency are numbers, 45% as 45. Columns are
    dropped that hold dates, nothing, one value only, row numbers without a name, or text that tells rows apart (names,
    ids): another one in every row, or more than 50 distinct values that are more than half of those present. Each drop
    is noted.

    Raises:
        InputError: The file, its target or what is left of its columns cannot be used.
    """
    source = str(path)
    table, file_notes = read_table(path)
    target, target_note = _choose_target(table, options.target, source)
    present = cols.cleaned(table.column(target)).is_valid().to_numpy()
    missing = int((~present).sum())
    if missing == len(present):
        raise InputError(source, expected=f"values in target {target!r}", found="none", todo="choose another target")
    table = table.filter(present) if missing else table
    raw = _raw(*cols.parsed(table.column(target)), source, target)
    targets = encode_targets(raw, options.task, subject=source, target=target)
    part = np.zeros(len(targets.y), dtype=np.int64)
    splits, split_notes = split(targets.y, targets.class_names, part, options, source)
    schema, inputs, dropped = _infer(table.drop_columns([target]), target, splits.train, source)
    x, lost = schema.encode(inputs, source)
    rows = (f"dropped {missing} row{'s' * (missing > 1)} without a target",) if missing else ()
    return Dataset(
        name=path.stem,
        source=source,
        kind="table",
        task=targets.task,
        x=x,
        y=targets.y,
        splits=splits,
        class_names=targets.class_names,
        feature_names=tuple(column.name for column in schema.columns),
        table=schema,
        notes=file_notes + target_note + rows + targets.notes + split_notes + dropped + lost,
        fixed_test=False,
    )


def read_table_for_prediction(path: Path, like: InputSchema, options: ReadOptions) -> PredictionInputs:  # noqa: ARG001
    """The rows of a table, encoded as the model's training table was; feature sets match columns by name.

    Raises:
        InputError: The model was trained on images, or columns are missing or of another kind.
    """
    source = str(path)
    if like.kind == "image":
        raise InputError(source, expected="images, as the model was trained on", found="a table", todo="give images")
    numeric = tuple(Column(name, cols.NUMERIC) for name in like.feature_names)
    schema = like.table or TableSchema(numeric, None)
    table, notes = read_table(path)
    x, lost = schema.encode(table, source)
    y, left_out = _known_labels(table, schema.target, like, source)
    notes += lost + tuple(_new_categories(schema, table, x)) + left_out
    return PredictionInputs(x=x, y=y, names=tuple(map(str, range(len(x)))), notes=notes)


def _known_labels(
    table: Any, target: str | None, like: InputSchema, source: str
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The column of labels as the model's targets, and a note where it is left out; one without a value is none."""
    if target not in table.column_names:
        return None, ()
    kind, labels = cols.parsed(table.column(target))
    if kind == cols.MISSING:
        return None, ()
    if kind not in (cols.NUMERIC, cols.BOOLEAN, cols.CATEGORICAL):
        return None, (f"the labels in {target!r} are left out: it is a {kind} column",)
    return known_targets(_raw_with_gaps(kind, labels, source, str(target)), like, str(target))


def _raw_with_gaps(kind: str, labels: Any, source: str, target: str) -> np.ndarray:
    """A parsed column as a NumPy array: NaN or empty text where a value is missing."""
    if kind == cols.NUMERIC or not labels.null_count:
        return _raw(kind, labels, source, target)
    text = np.full(len(labels), "", dtype=object)
    present = labels.is_valid().to_numpy()
    text[present] = _raw(kind, labels.drop_null(), source, target).astype(np.str_)
    return text.astype(np.str_)


def _new_categories(schema: TableSchema, table: Any, x: np.ndarray) -> Iterator[str]:
    """A note on each column with categories that the training split did not have."""
    for index, column in enumerate(schema.columns):
        rows = np.flatnonzero(x[:, index] == UNKNOWN)
        if column.kind == cols.CATEGORICAL and len(rows):
            value = str(table.column(column.name)[int(rows[0])].as_py())
            yield (
                f"column {column.name!r} has categories that training did not have, in {len(rows)} of {len(x)} rows, "
                f"such as {value[:40]!r}"
            )


def _choose_target(table: Any, wanted: str | None, source: str) -> tuple[str, tuple[str, ...]]:
    names: list[str] = table.column_names
    if wanted is not None:
        if wanted in names:
            return wanted, ()
        raise InputError(
            source,
            expected=f"a column {wanted!r}",
            found=f"columns {listed(names)}",
            todo=suggest(wanted, names, "use --target with one of them"),
        )
    usual = [name for name in names if name.lower() in USUAL_TARGETS]
    if len(usual) == 1:
        return usual[0], (f"target: column {usual[0]!r}, by its name",)
    return names[-1], (f"target: column {names[-1]!r}, the last one (choose with --target)",)


def _raw(kind: str, labels: Any, source: str, target: str) -> np.ndarray:
    """A parsed column without nulls as a NumPy array: numbers or text."""
    values = cols.numbers(labels) if kind == cols.NUMERIC else None
    if values is not None:
        return values
    truth = cols.booleans(labels) if kind == cols.BOOLEAN else None
    if truth is not None:  # not their spelling, of which a file may have several
        return truth.astype(np.bool_)
    if kind == cols.CATEGORICAL:
        return np.array(cols.as_text(labels).to_pylist(), dtype=np.str_)
    raise InputError(
        source,
        expected=f"numbers or classes in target {target!r}",
        found=f"a {kind} column",
        todo="choose another target",
    )


def _infer(table: Any, target: str, train: np.ndarray, source: str) -> tuple[TableSchema, Any, tuple[str, ...]]:
    """The schema of the columns worth keeping, these columns parsed, and notes on the others."""
    import pyarrow as pa

    kept: list[Column] = []
    values: list[Any] = []
    dropped: dict[str, list[str]] = defaultdict(list)
    mixed: list[str] = []
    rows = pa.array(train)
    for position, name in enumerate(table.column_names):
        kind, column = cols.parsed(table.column(position))
        reason, categories = _judge(column.take(rows), kind, name)
        if reason:
            dropped[reason].append(name or f"number {position + 1}")
        else:
            kept.append(Column(name, kind, categories))
            values.append(column)
        if kind == cols.CATEGORICAL and (odd := cols.odd_one_out(column)) is not None:
            mixed.append(f"column {name!r} was read as text, as {odd[:40]!r} in it is no number")
    notes = tuple(columns_dropped(reason, names) for reason, names in dropped.items())
    if not kept:
        raise InputError(
            source,
            expected=f"at least one input column beside target {target!r}",
            found="none that can be used" + (f" ({'; '.join(notes)})" if notes else ""),
            todo="add numeric, boolean or categorical columns",
        )
    return TableSchema(tuple(kept), target), pa.table(values, [column.name for column in kept]), (*notes, *mixed)


def _judge(train: Any, kind: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Why the column is of no use, or an empty reason and its categories."""
    import pyarrow.compute as pc

    if kind in (cols.DATE, cols.OTHER):
        return kind, ()
    present = train.drop_null()
    if len(present) == 0:
        return cols.MISSING, ()
    distinct = pc.unique(present)
    if len(distinct) == 1 and not train.null_count:
        return "constant", ()
    if name in INDEX_NAMES and len(distinct) == len(train):
        return "nameless row number", ()
    if kind != cols.CATEGORICAL:
        return "", ()
    if len(distinct) == len(present) or (len(distinct) > FEW_CATEGORIES and 2 * len(distinct) > len(present)):
        return "mostly distinct text", ()
    return "", tuple(sorted(distinct.to_pylist()))

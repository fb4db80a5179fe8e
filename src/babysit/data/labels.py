"""Labels of any form into class codes or regression targets, and the guess which of the two is meant.

The guess (`guess_task`): text and booleans are classes; numbers with fractions are quantities; whole numbers are
classes where they look like a numbering: at most 20 distinct values, each met twice on average, or any number of
distinct values that run from 0 or 1 without a gap, each met ten times on average. Everything else is a quantity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from babysit.data.text import listed
from babysit.errors import InputError

FEW_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Targets:
    """Encoded targets: ``(N,)`` ``int64`` codes with their class names, or ``(N,)`` ``float32`` values."""

    task: str
    y: np.ndarray
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def encode_targets(raw: np.ndarray, task: str | None, *, subject: str, target: str = "y") -> Targets:
    """Turn labels of any form into codes 0…C-1, or into regression targets.

    Args:
        raw: ``(N,)`` or ``(N, 1)`` text, booleans or numbers, or ``(N, C)`` one-hot rows.
        task: ``"classification"`` or ``"regression"``; None guesses and says so in the notes.
        subject: What an error is about, such as the file.
        target: What the labels are called in messages.

    Raises:
        InputError: Missing labels, one class only, text for a regression, or a shape that is not one label a row.

    Example:
        >>> targets = encode_targets(np.array([-1, 1, 1, -1, -1]), None, subject="toy")
        >>> targets.y, targets.class_names
        (array([0, 1, 1, 0, 0]), ('-1', '1'))
    """
    values, notes = one_label_each(raw, subject=subject, target=target)
    _refuse_missing(values, subject, target)
    if task is None:
        task = guess_task(values)
        if is_number(values):
            distinct = len(np.unique(values))
            notes += (f"target {target!r} has {distinct} distinct value{'s' * (distinct != 1)}: {task}",)
    encode = _as_classes if task == "classification" else _as_quantities
    return encode(values, notes, subject, target)


def guess_task(values: np.ndarray) -> str:
    """``"classification"`` or ``"regression"``, by the rule at the top of this file.

    Example:
        >>> guess_task(np.arange(442.0)), guess_task(np.arange(1000) % 100)
        ('regression', 'classification')
    """
    if not is_number(values):
        return "classification"
    distinct = np.unique(values)
    count, total = len(distinct), len(values)
    if np.any(distinct != np.rint(distinct)):
        return "regression"
    few = count <= FEW_CLASSES and 2 * count <= total
    numbering = distinct[0] in (0, 1) and distinct[-1] - distinct[0] == count - 1 and 10 * count <= total
    return "classification" if few or numbering else "regression"


def map_labels(raw: np.ndarray, class_names: Sequence[str]) -> np.ndarray | None:
    """The codes of labels under known class names, ``(N,)`` ``int64``, -1 for those that are none of them.

    None where these are no labels at all.

    Example:
        >>> map_labels(np.array([1.0, -1.0, 2.0]), ("-1", "1"))
        array([ 1,  0, -1])
    """
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim == 2 and raw.shape[1] == len(class_names) and _is_one_hot(raw):
        return np.asarray(raw.argmax(axis=1), dtype=np.int64)
    if raw.ndim != 1 or raw.dtype.kind not in "biufUS":
        return None
    distinct, inverse = np.unique(_text(raw), return_inverse=True)
    codes = {name: code for code, name in enumerate(class_names)}
    table = np.array([codes.get(label_text(value), -1) for value in distinct], dtype=np.int64)
    mapped: np.ndarray = table[inverse]
    return mapped


def label_text(value: np.generic) -> str:
    """A label as text: whole numbers without a point.

    Example:
        >>> label_text(np.float64(3.0)), label_text(np.float64(0.5)), label_text(np.str_("cat"))
        ('3', '0.5', 'cat')
    """
    plain = value.item()
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def is_number(values: np.ndarray) -> bool:
    """Whether these are integers or floats, rather than text or booleans."""
    return values.dtype.kind in "iuf"


def one_label_each(raw: np.ndarray, *, subject: str, target: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """``(N,)`` labels from a column or from one-hot rows, and a note if they were one-hot.

    Raises:
        InputError: The shape or the dtype cannot be labels.
    """
    if raw.dtype.kind not in "biufUS":
        raise InputError(
            subject,
            expected=f"numbers, booleans or text in {target!r}",
            found=f"an array of {raw.dtype}",
            todo="save the labels as integers, floats or text",
        )
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim == 2 and _is_one_hot(raw):
        return raw.argmax(axis=1), (f"target {target!r} was one-hot: {raw.shape[1]} classes",)
    if raw.ndim != 1:
        raise InputError(
            subject,
            expected=f"one label an example in {target!r}: shape (N,), (N, 1) or one-hot (N, C)",
            found=f"shape {raw.shape}",
            todo="keep one target",
        )
    return _text(raw), ()


def _text(raw: np.ndarray) -> np.ndarray:
    return np.char.decode(raw, "utf-8", "replace") if raw.dtype.kind == "S" else raw


def _is_one_hot(raw: np.ndarray) -> bool:
    if raw.dtype.kind not in "biuf" or raw.shape[1] < 2:
        return False
    return bool(np.all((raw == 0) | (raw == 1)) and np.all(raw.sum(axis=1) == 1))


def _refuse_missing(values: np.ndarray, subject: str, target: str) -> None:
    if values.dtype.kind == "f":
        missing, what = ~np.isfinite(values), "NaN or infinite"
    elif values.dtype.kind == "U":
        missing, what = values == "", "empty"
    else:
        return
    if missing.any():
        raise InputError(
            subject,
            expected=f"a label for every example in {target!r}",
            found=f"{int(missing.sum())} {what}, the first in row {int(missing.argmax())}",
            todo="drop or repair these rows",
        )


def _as_quantities(values: np.ndarray, notes: tuple[str, ...], subject: str, target: str) -> Targets:
    if values.dtype.kind == "U":
        raise InputError(
            subject,
            expected=f"numbers in {target!r} for a regression",
            found=f"text such as {str(values[0])!r}",
            todo="use --task classification or another target",
        )
    if len(values) and np.all(values == values[0]):
        raise InputError(
            subject,
            expected=f"values that differ in {target!r}",
            found=f"{label_text(values[0])} in every example",
            todo="choose another target",
        )
    with np.errstate(over="ignore"):
        y = values.astype(np.float32)
    _refuse_missing(y, subject, target)
    return Targets("regression", y, (), notes)


def _as_classes(values: np.ndarray, notes: tuple[str, ...], subject: str, target: str) -> Targets:
    distinct, codes = np.unique(values, return_inverse=True)
    if distinct.dtype.kind == "U" and len(distinct) and all(_is_numeral(value) for value in distinct):
        order = np.argsort(distinct.astype(np.float64), kind="stable")
        distinct, codes = distinct[order], np.argsort(order)[codes]
    names = tuple(label_text(value) for value in distinct)
    if len(names) < 2:
        raise InputError(
            subject,
            expected=f"at least 2 classes in {target!r}",
            found=f"one class only: {names[0]!r}" if names else "no example",
            todo="add examples of another class or choose another target",
        )
    if 2 * len(names) > len(values) >= FEW_CLASSES:
        raise InputError(
            subject,
            expected=f"classes that repeat in {target!r}",
            found=f"{len(names)} different values in {len(values)} examples",
            todo="use --task regression if they are quantities, else choose another target",
        )
    if is_number(values) and not np.array_equal(distinct, np.arange(len(distinct))):
        notes += (f"labels {listed(names)} became classes 0 to {len(names) - 1}",)
    return Targets("classification", codes.astype(np.int64), names, notes)


def _is_numeral(value: str) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False

"""What a reader of arrays or images hands on, and how it becomes a `Dataset` or inputs for a prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from babysit.data.dataset import Dataset
from babysit.data.labels import Targets, encode_targets, label_text, map_labels
from babysit.data.options import ReadOptions
from babysit.data.schema import InputSchema, PredictionInputs
from babysit.data.splits import TEST, split
from babysit.data.text import listed
from babysit.errors import InputError


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples as their source has them: inputs arranged, labels still raw.

    Attributes:
        name: Short name of the data set.
        source: The absolute path, or the name of an embedded set.
        kind: ``"image"`` or ``"features"``.
        x: ``(N, …)`` in a `Dataset`'s layout.
        y: ``(N, …)`` raw labels; None where there are none. Codes 0…C-1 where there are class names.
        part: ``(N,)`` integers: where the source puts each example (see `babysit.data.splits`).
        class_names: The names the source gives its codes; empty where the labels name themselves.
        feature_names: One per column; empty for images.
        names: One per example; empty means their row numbers.
        notes: What was guessed or repaired.
    """

    name: str
    source: str
    kind: str
    x: np.ndarray
    y: np.ndarray | None
    part: np.ndarray
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def to_dataset(examples: Examples, options: ReadOptions) -> Dataset:
    """Encode the labels and divide the examples.

    Raises:
        InputError: There are no labels, they cannot be encoded, or there are too few examples.
    """
    targets = _targets(examples, options)
    splits, notes = split(targets.y, targets.class_names, examples.part, options, examples.source)
    return Dataset(
        name=examples.name,
        source=examples.source,
        kind=examples.kind,
        task=targets.task,
        x=examples.x,
        y=targets.y,
        splits=splits,
        class_names=targets.class_names,
        feature_names=examples.feature_names,
        table=None,
        notes=examples.notes + targets.notes + notes,
        fixed_test=bool(np.any(examples.part == TEST)),
    )


def to_prediction(examples: Examples, like: InputSchema) -> PredictionInputs:
    """Check the examples against what the model was trained on; of a source with a test split, take that alone.

    Raises:
        InputError: Shape or pixel scale differ from the training data's.
    """
    chosen = np.arange(len(examples.x))
    notes = examples.notes
    if np.any(examples.part == TEST) and not np.all(examples.part == TEST):
        chosen = np.flatnonzero(examples.part == TEST)
        notes += (f"only the test split is used: {len(chosen)} of {len(examples.x)} examples",)
    x, note = _match(examples.x, like, examples.source)
    names = examples.names or tuple(map(str, range(len(examples.x))))
    y, left_out = (None, ()) if examples.y is None else known_targets(_named(examples)[chosen], like)
    return PredictionInputs(
        x=x if len(chosen) == len(x) else x[chosen],
        y=y,
        names=tuple(names[index] for index in chosen),
        notes=notes + note + left_out,
    )


def known_targets(raw: np.ndarray, like: InputSchema, target: str = "y") -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Raw labels as the model's targets, -1 or NaN for those that it could not hit; and a note on these.

    None in place of them all where it knows none.

    Args:
        raw: As the source has them; of text that is missing, empty.
        like: What the model was trained on.
        target: What the labels are called in the note.
    """
    if like.task == "classification":
        codes = map_labels(raw, like.class_names)
        if codes is None:
            return None, (f"the labels in {target!r} are left out: they are no classes, but {raw.dtype} {raw.shape}",)
        return _noted(codes, codes >= 0, raw, target, f"none of the model's classes ({listed(like.class_names)})")
    if raw.dtype.kind not in "biuf" or raw.size != len(raw):
        return None, (f"the labels in {target!r} are left out: the model gives one number, and they are no numbers",)
    values = raw.reshape(-1).astype(np.float32)
    known = np.isfinite(values)
    return _noted(np.where(known, values, np.float32(np.nan)), known, raw, target, "no number")


def _noted(
    values: np.ndarray, known: np.ndarray, raw: np.ndarray, target: str, lack: str
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if known.all():
        return values, ()
    missing, first = int((~known).sum()), label_text(raw.reshape(len(raw), -1)[int(known.argmin()), 0])
    example = "an empty one" if first in ("", "nan") else repr(first[:40])
    are = f"{missing} of {len(raw)} {'is' if missing == 1 else 'are'} {lack}, such as {example}"
    if missing == len(raw):
        return None, (f"the labels in {target!r} are left out: {are}",)
    return values, (f"of the labels in {target!r}, {are}: the score is of the others",)


def _named(examples: Examples) -> np.ndarray:
    labels = np.asarray(examples.y)
    return np.array(examples.class_names)[labels] if examples.class_names else labels


def _targets(examples: Examples, options: ReadOptions) -> Targets:
    if examples.y is None:
        raise InputError(
            examples.source, expected="labels to learn from", found="none", todo="add them; predict needs none"
        )
    if not examples.class_names:
        return encode_targets(examples.y, options.task, subject=examples.source)
    if options.task == "regression":
        raise InputError(
            examples.source,
            expected="a numeric target for a regression",
            found=f"classes such as {examples.class_names[0]!r}",
            todo="use --task classification",
        )
    return Targets("classification", examples.y.astype(np.int64), examples.class_names)


def _match(x: np.ndarray, like: InputSchema, subject: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if x.shape[1:] != like.example_shape:
        raise InputError(
            subject,
            expected=f"examples of shape {like.example_shape}, as the model was trained on",
            found=f"shape {x.shape[1:]}",
            todo="give data of the same layout",
        )
    if str(x.dtype) == like.dtype:
        return x, ()
    if like.dtype != "uint8":
        return x.astype(np.float32), ("pixels are 0 to 255 here and were floats in training: their scales must agree",)
    if np.all((x == np.rint(x)) & (x >= 0) & (x <= 255)) and x.max() > 1:
        return x.astype(np.uint8), ()
    raise InputError(
        subject,
        expected="pixels from 0 to 255, as the model was trained on",
        found=f"values from {x.min():g} to {x.max():g}",
        todo="scale them to 0…255",
    )

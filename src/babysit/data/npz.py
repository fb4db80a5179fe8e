"""NumPy archives: ``x_train y_train x_test y_test`` or ``x y``; never a pickle."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from babysit.data.examples import Examples
from babysit.data.inputs import arrange_inputs
from babysit.data.labels import one_label_each
from babysit.data.options import ReadOptions
from babysit.data.splits import TEST, TRAIN, VALIDATION
from babysit.data.text import listed
from babysit.errors import InputError

PARTS = {"": TRAIN, "_train": TRAIN, "_val": VALIDATION, "_valid": VALIDATION, "_validation": VALIDATION, "_test": TEST}
NPZ_ERRORS = (
    ValueError,
    EOFError,
    OSError,
    KeyError,
    RuntimeError,  # zipfile's word for an encrypted member; NotImplementedError is one too
    zipfile.BadZipFile,
    zlib.error,
)
WANTED = "arrays x_train, y_train, x_test, y_test, or x, y"


def load_npz(path: Path, options: ReadOptions) -> Examples:  # noqa: ARG001 - all readers are called alike
    """The examples of a ``.npz`` file; names of arrays in any case, ``x_val y_val`` are kept as validation split.

    Raises:
        InputError: The file is damaged or a pickle, arrays are missing, differ in length or are not numeric.
    """
    return _examples(path, _arrays(path), labelled=True)


def load_npz_for_prediction(path: Path) -> Examples:
    """As `load_npz`, but the labels may be missing, and a lone array is the inputs whatever its name.

    Raises:
        InputError: As `load_npz`.
    """
    arrays = _arrays(path)
    return _examples(path, {"x": next(iter(arrays.values()))} if len(arrays) == 1 else arrays, labelled=False)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    _check_head(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name.lower(): archive[name] for name in archive.files}
    except NPZ_ERRORS as error:
        if "allow_pickle" in str(error):
            raise _pickled(path) from error
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise _refused(path, f"a damaged one ({reason})") from error
    except MemoryError as error:
        raise _refused(path, "an array larger than memory") from error
    if others := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise _refused(path, f"an archive of other files, such as {others[0]!r}")
    return arrays


def _check_head(path: Path) -> None:
    """Tell a pickle, a lone array and rubbish apart from an archive before NumPy sees them."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise _refused(path, f"no access ({error.strerror})") from error
    if not head:
        raise _refused(path, "an empty file")
    if head == b"\x93NUMPY":
        raise _refused(path, "a single array, as np.save writes it")
    if head[:1] == b"\x80":
        raise _pickled(path)
    if not head.startswith(b"PK"):
        raise _refused(path, f"other data, starting with {head!r}")


def _refused(path: Path, found: str) -> InputError:
    return InputError(
        str(path), expected="an archive written by np.savez", found=found, todo=f"save {WANTED} with np.savez"
    )


def _pickled(path: Path) -> InputError:
    return InputError(
        str(path),
        expected="plain numeric or text arrays",
        found="a pickle dressed as npz, which could run any program when loaded",
        todo="save the arrays with a numeric or text dtype (not object)",
    )


def _examples(path: Path, arrays: Mapping[str, np.ndarray], *, labelled: bool) -> Examples:
    source = str(path)
    suffixes = _suffixes(source, arrays)
    xs = [_inputs(arrays, suffix, source) for suffix in suffixes]
    ys, notes = _labels(source, arrays, suffixes, labelled=labelled)
    for suffix, x, y in zip(suffixes, xs, ys, strict=False):
        if len(x) != len(y):
            raise InputError(
                source,
                expected=f"as many labels in y{suffix} as examples in x{suffix}",
                found=f"{len(y)} and {len(x)}",
                todo="save arrays of equal length",
            )
    used = {f"{letter}{suffix}" for suffix in suffixes for letter in "xy"}
    ignored = sorted(arrays.keys() - used)
    kind, x, more = arrange_inputs(_joined(xs, source, "x"), subject=source)
    return Examples(
        name=path.stem,
        source=source,
        kind=kind,
        x=x,
        y=_joined(ys, source, "y") if ys else None,
        part=np.repeat([PARTS[suffix] for suffix in suffixes], [len(x) for x in xs]),
        feature_names=tuple(f"x{index}" for index in range(x.shape[1])) if kind == "features" else (),
        notes=((f"ignored arrays: {listed(ignored)}",) if ignored else ()) + notes + more,
    )


def _suffixes(source: str, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Which parts the archive has: either the plain ``x``, or those named by split."""
    named = [suffix for suffix in PARTS if suffix and f"x{suffix}" in arrays]
    if "_train" in named or ("x" not in arrays and named):
        return named
    if "x" in arrays:
        return [""]
    raise InputError(source, expected=WANTED, found=f"arrays {listed(list(arrays)) or '(none)'}", todo="rename them")


def _inputs(arrays: Mapping[str, np.ndarray], suffix: str, source: str) -> np.ndarray:
    x = arrays[f"x{suffix}"]
    if x.ndim == 0:
        raise InputError(source, expected=f"examples in x{suffix}", found="a single number", todo="save an array")
    return x


def _labels(
    source: str, arrays: Mapping[str, np.ndarray], suffixes: list[str], *, labelled: bool
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels of each part, one an example; none at all where a prediction has not all of them."""
    missing = [f"y{suffix}" for suffix in suffixes if f"y{suffix}" not in arrays]
    if missing and not labelled:
        return [], ()
    if labelled and (missing or not {"", "_train"} & set(suffixes)):
        raise InputError(
            source,
            expected=WANTED,
            found=f"arrays {listed(list(arrays))}",
            todo=f"add {missing[0] if missing else 'x_train and y_train'}",
        )
    pairs = [one_label_each(np.atleast_1d(arrays[f"y{s}"]), subject=source, target=f"y{s}") for s in suffixes]
    return [labels for labels, _ in pairs], tuple(note for _, notes in pairs for note in notes)


def _joined(parts: list[np.ndarray], source: str, what: str) -> np.ndarray:
    """All parts as one array; they must be of one shape and kind, as their scales would differ otherwise."""
    first = parts[0]
    for other in parts[1:]:
        if other.shape[1:] != first.shape[1:] or _family(other) != _family(first):
            raise InputError(
                source,
                expected=f"the same shape and kind of values in every {what}",
                found=f"{first.dtype} {first.shape[1:]} and {other.dtype} {other.shape[1:]}",
                todo="prepare all splits alike",
            )
    return np.concatenate(parts) if len(parts) > 1 else first


def _family(array: np.ndarray) -> str:
    return {"b": "integer", "i": "integer", "u": "integer", "S": "text", "U": "text"}.get(
        array.dtype.kind, array.dtype.kind
    )

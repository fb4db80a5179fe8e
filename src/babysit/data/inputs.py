"""Arrays of any numeric dtype and usual layout into the layout of a `Dataset`."""

from __future__ import annotations

import numpy as np

from babysit.errors import InputError

CHANNELS = (1, 3, 4)
LEAST_STEPS = 1000
LARGEST_EXACT = 2**24  # the integers up to here are exact in float32


def arrange_inputs(x: np.ndarray, *, subject: str, what: str = "x") -> tuple[str, np.ndarray, tuple[str, ...]]:
    """The kind (``"image"`` or ``"features"``), the array in a `Dataset`'s layout and dtype, and notes.

    ``(N,)`` becomes ``(N, 1)``; ``(N, F)`` stays. ``(N, H, W)`` is grey images if uint8 or at least 4 by 4. Of 4-D
    arrays the axis of size 1, 3 or 4 is the channels; where both could be, the two that are equal are height and width,
    else channels come first. uint8 images stay uint8, all else becomes float32.

    Raises:
        InputError: The dtype is not numeric, or the shape is none of these.

    Example:
        >>> arrange_inputs(np.zeros((5, 32, 32, 3), np.uint8), subject="toy")[1].shape
        (5, 3, 32, 32)
    """
    if x.dtype.kind not in "biuf":
        raise InputError(
            subject,
            expected=f"numbers in {what!r} (uint8, integers, floats or booleans)",
            found=f"an array of {x.dtype}",
            todo="convert it to numbers first",
        )
    if x.ndim == 0 or x.size == 0:
        raise _unknown_shape(x, subject, what)
    if x.ndim <= 2:
        values, notes = to_float32(x.reshape(len(x), -1), what)
        return "features", values, notes
    images, notes = _channels_first(x, subject, what)
    if images.dtype == np.uint8:
        return "image", np.ascontiguousarray(images), notes
    values, more = to_float32(images, what)
    return "image", values, notes + more


def to_float32(x: np.ndarray, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The array as contiguous float32, and a note on each thing that was lost.

    Example:
        >>> to_float32(np.array([2**30 + 1]), "x")[1]
        ("'x' has integers beyond 16777216, which float32 rounds",)
    """
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(x, dtype=np.float32)
    notes = []
    if x.dtype.kind in "iu" and x.size and max(abs(int(x.min())), abs(int(x.max()))) > LARGEST_EXACT:
        notes.append(f"{what!r} has integers beyond {LARGEST_EXACT}, which float32 rounds")
    if x.dtype.kind == "f" and x.dtype.itemsize > 4:
        overflowed = int(np.isinf(values).sum()) - int(np.isinf(x).sum())
        if overflowed:
            notes.append(f"{what!r} has {overflowed} values beyond float32's range, now infinite")
        if _is_coarse(x, values):
            notes.append(
                f"{what!r} has large values close to each other, which float32 rounds: subtract their smallest"
            )
    return values, tuple(notes)


def _is_coarse(x: np.ndarray, values: np.ndarray) -> bool:
    """Whether rounding leaves a column fewer than a thousand steps between its ends, such as seconds since 1970."""
    rows, rounded = x.reshape(len(x), -1), values.reshape(len(x), -1)
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
    with np.errstate(invalid="ignore"):
        spread, largest = high - low, np.maximum(np.abs(low), np.abs(high))
    suspects = np.flatnonzero((spread > 0) & (spread < LEAST_STEPS * np.finfo(np.float32).eps * largest))
    return any(bool(np.any(rows[:, index] != rounded[:, index].astype(x.dtype))) for index in suspects)


def _channels_first(x: np.ndarray, subject: str, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if x.ndim == 3 and (x.dtype == np.uint8 or min(x.shape[1:]) >= 4):
        return x[:, None], ()
    if x.ndim != 4:
        raise _unknown_shape(x, subject, what)
    first, height, width, last = x.shape[1] in CHANNELS, x.shape[1], x.shape[2], x.shape[3] in CHANNELS
    if first and last:
        last_is_channels = height == width != x.shape[3]
        layout = "(N, H, W, C)" if last_is_channels else "(N, C, H, W)"
        note = (f"{what!r} of shape {x.shape} was taken as {layout}",)
        return (x.transpose(0, 3, 1, 2) if last_is_channels else x), note
    if not first and not last:
        raise _unknown_shape(x, subject, what)
    return (x if first else x.transpose(0, 3, 1, 2)), ()


def _unknown_shape(x: np.ndarray, subject: str, what: str) -> InputError:
    return InputError(
        subject,
        expected=f"{what!r} of shape (N,), (N, F), (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels",
        found=f"shape {x.shape} of {x.dtype}",
        todo="reshape the examples, one along the first axis",
    )

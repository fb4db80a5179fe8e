"""Read CIFAR's pickles without running them: arrays, bytes, str, list, dict and int, and nothing else.

A pickle is a program that names functions to call. Here the few names an array needs are given stand-ins that only keep
their arguments; any other name is refused, so nothing from outside this file is ever called.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import numpy as np

INTEGERS = frozenset({"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"})
PICKLE_ERRORS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    ImportError,
    struct.error,
)


class _DType:
    """Stands for ``numpy.dtype``: keeps the code of an integer type."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else str(code)
        if self.code not in INTEGERS:
            raise pickle.UnpicklingError(f"an array of {self.code!r}, not of integers")
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else str(order)


class _Array:
    """Stands for ``numpy.ndarray``: keeps shape, dtype and bytes until the array is asked for."""

    def __init__(self, *_placeholders: Any) -> None:
        self.value = np.empty(0, dtype=np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        if not (isinstance(dtype, _DType) and isinstance(raw, bytes)):
            raise pickle.UnpicklingError("an array that is not plain bytes")
        flat = np.frombuffer(raw, dtype=np.dtype(dtype.order.replace("|", "<") + dtype.code))
        self.value = flat.reshape(tuple(map(int, shape)), order="F" if fortran else "C")


def _encode(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which Python 3 writes bytes in old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it calls {module}.{name}, which no data needs") from None

    def persistent_load(self, _pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside the file")


def load_plain(content: bytes) -> Any:
    """The value of a pickle of plain data; texts of Python 2 are bytes, arrays are NumPy's.

    Raises:
        ValueError: The pickle is damaged, or holds or calls anything else.

    Example:
        >>> load_plain(pickle.dumps({"labels": [3, 1]}))
        {'labels': [3, 1]}
    """
    try:
        return _plain(_Unpickler(io.BytesIO(content), encoding="bytes").load())
    except PICKLE_ERRORS as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _plain(value: Any) -> Any:
    """Arrays in place of their stand-ins; anything but plain data is refused."""
    if isinstance(value, _Array):
        return value.value
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items() if _is_scalar(key)}
    if type(value) is list:
        return [_plain(item) for item in value]
    if _is_scalar(value):
        return value
    raise ValueError(f"it holds a {type(value).__name__}")


def _is_scalar(value: Any) -> bool:
    return type(value) in (int, str, bytes)

"""What a function that `--data` names gives, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from babysit.data import Dataset
from babysit.errors import InputError, told
from babysit.preflight.target import function_named

WANTED = "(x, y), a loader, or (training, validation) of these"


def data_of(target: str) -> dict[str, Any]:
    """The arguments ``data`` and, where there is one, ``validation`` of `bs.search`.

    Args:
        target: ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``, a function that takes nothing.

    Raises:
        InputError: There is no such function, it raises, or it gives something else.
    """
    function, name = function_named(target), target.rpartition(":")[2]
    try:
        value = function()
    except (Exception, SystemExit) as error:  # as of every function that is named on the command line
        raise InputError(
            target, expected=f"{name}() to return {WANTED}", found=told(error), todo="mend the function"
        ) from error
    if _is_data(value):
        return {"data": value}
    if isinstance(value, tuple) and len(value) == 2 and _is_data(value[0]) and (value[1] is None or _is_data(value[1])):
        return {"data": value[0], "validation": value[1]}
    raise InputError(target, expected=f"{name}() to return {WANTED}", found=_kind(value), todo="return one of these")


def _is_data(value: object) -> bool:
    if isinstance(value, tuple):
        return _is_pair(value)
    if isinstance(value, Sequence):
        return len(value) > 0 and all(map(_is_pair, value))
    is_loader = isinstance(value, Iterable) and not isinstance(value, Mapping) and not _is_array(value)
    return isinstance(value, Dataset) or is_loader


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_array, value))


def _is_array(value: object) -> bool:
    return len(getattr(value, "shape", ())) > 0


def _kind(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(item).__name__ for item in value)})"
    return "nothing" if value is None else f"a {type(value).__name__}"

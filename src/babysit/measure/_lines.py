"""One record as one line of JSON, and back."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from babysit.measure._kinds import (
    Evaluation,
    LossBlock,
    Probe,
    Record,
    RoundRecord,
    StepRecord,
    TrialRecord,
)
from babysit.measure._seen import Coverage, Forward, Graph, LossCall, Origin, Replica

_KINDS: dict[str, Any] = {
    "losses": LossBlock,
    "step": StepRecord,
    "evaluation": Evaluation,
    "probe": Probe,
    "round": RoundRecord,
    "trial": TrialRecord,
    "call": LossCall,
    "forward": Forward,
    "graph": Graph,
    "coverage": Coverage,
    "replica": Replica,
    "origin": Origin,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}

_Reader = Callable[[Any], Any]


def to_line(record: Record) -> dict[str, Any]:
    """One record as the JSON object of its line; fields that are unset or at their default are left out."""
    return {"kind": _NAMES[type(record)], **_fields(record)}


def from_line(line: Any) -> Record | None:
    """Undo :func:`to_line`; ``None`` for a kind this version does not know or a damaged line."""
    try:
        fields = dict(line)
        record: Record = _record_reader(_KINDS[fields.pop("kind")])(fields)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None
    return record


def _fields(record: Any) -> dict[str, Any]:
    fields = ((item, getattr(record, item.name)) for item in dataclasses.fields(record))
    return {item.name: _plain(value) for item, value in fields if value is not None and value != item.default}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _reader(hint: Any) -> _Reader:
    """What turns a JSON value into one of the type that a field is declared with."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record_reader(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        inner = _reader(next(item for item in arguments if item is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item_reader = _reader(arguments[0])
        return lambda value: tuple([item_reader(item) for item in _a_list(value)])
    if origin in (dict, Mapping):
        value_reader = _reader(arguments[1])
        return lambda value: {name: value_reader(item) for name, item in _an_object(value).items()}
    return hint if hint in (float, int) else _checked(hint)


@functools.cache
def _record_reader(kind: Any) -> _Reader:
    hints = typing.get_type_hints(kind)
    readers = {item.name: _reader(hints[item.name]) for item in dataclasses.fields(kind)}
    return lambda fields: kind(**{name: readers[name](value) for name, value in dict(fields).items()})


def _checked(hint: Any) -> _Reader:
    """Text and truth values as they are; anything else in their place is damage."""

    def read(value: Any) -> Any:
        if hint is not Any and not isinstance(value, hint):
            raise TypeError(f"expected {hint}")
        return value

    return read


def _an_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return value


def _a_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("expected a list")
    return value

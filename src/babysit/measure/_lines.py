"""One record as one line of JSON, and back."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
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
_Writer = Callable[[Any], Any]


def to_line(record: Record) -> dict[str, Any]:
    """One record as the JSON object of its line; fields that are unset or at their default are left out."""
    kind: Any = type(record)
    return {"kind": _NAMES[kind], **_record_writer(kind)(record)}


def from_line(line: Any) -> Record | None:
    """Undo :func:`to_line`; ``None`` for a kind this version does not know or a damaged line."""
    try:
        fields = dict(line)
        record: Record = _record_reader(_KINDS[fields.pop("kind")])(fields)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None
    return record


@functools.cache
def _record_writer(kind: Any) -> _Writer:
    """What turns a record into an object; it is made once, as records are written while others train."""
    hints = typing.get_type_hints(kind)
    fields = [(item.name, item.default, _writer(hints[item.name])) for item in dataclasses.fields(kind)]

    def write(record: Any) -> dict[str, Any]:
        line: dict[str, Any] = {}
        for name, default, writer in fields:
            value = getattr(record, name)
            if value is not None and value != default:
                line[name] = value if writer is None else writer(value)
        return line

    return write


def _writer(hint: Any) -> _Writer | None:
    """What turns a field's value into one of JSON; ``None`` where it is one already."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record_writer(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return _writer(_not_none(arguments))
    if origin is tuple:
        item_writer = _writer(arguments[0])
        return list if item_writer is None else lambda value: [item_writer(item) for item in value]
    if origin in (dict, Mapping):
        value_writer = _writer(arguments[1])
        if value_writer is None:
            return dict
        return lambda value: {name: value_writer(item) for name, item in value.items()}
    return None


def _reader(hint: Any) -> _Reader:
    """What turns a JSON value into one of the type that a field is declared with."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record_reader(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        inner = _reader(_not_none(arguments))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item_reader = _reader(arguments[0])
        return lambda value: tuple(map(item_reader, _a_list(value)))
    if origin in (dict, Mapping):
        value_reader = _reader(arguments[1])
        return lambda value: {name: value_reader(item) for name, item in _an_object(value).items()}
    return hint if hint in (float, int) else _checked(hint)


@functools.cache
def _record_reader(kind: Any) -> _Reader:
    hints = typing.get_type_hints(kind)
    readers = {item.name: _reader(hints[item.name]) for item in dataclasses.fields(kind)}
    return lambda fields: kind(**{name: readers[name](value) for name, value in dict(fields).items()})


def _not_none(kinds: Sequence[Any]) -> Any:
    return next(item for item in kinds if item is not types.NoneType)


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

"""The command line that does a run again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from babysit.measure.record import RunHeader

_NEGATABLE = ("batch_norm",)
_SEPARATORS = {"image_size": "x"}
_REPEATED = ("space",)
_TYPED = {"target_column": "target"}

_DECIDED = ("in_memory",)
"""What a run decided by itself and keeps beside its options."""
_OF_MODELS = ("optimizer", "lr", "l2", "momentum", "schedule", "batch_size", "engine")
"""What a loop of the user's own decides by itself: in a search of it these are at their defaults, without effect."""


def command_line(header: RunHeader) -> str:
    """What to type to do the run again; the header's command where it kept no options.

    A search that was started from Python has no such command: ``""``.

    Example:
        >>> options = {"data": "my digits", "hidden": [50, 20], "task": None}
        >>> command_line(RunHeader("train", settings={"options": options}))
        "babysit train 'my digits' --hidden 50,20"
    """
    options = header.settings.get("options")
    if not isinstance(options, Mapping):
        return "" if header.command == "search" else header.command
    named = "target" if header.command == "search" else "data"
    subject = [shlex.quote(str(options[named]))] if named in options else []
    is_loop = header.command == "search" and "data" not in options
    left_out = (named, *_DECIDED, *(_OF_MODELS if is_loop else ()))
    typed = {str(name): value for name, value in options.items() if name not in left_out}
    flags = [flag for name, value in typed.items() for flag in _flag(name, value)]
    return " ".join(["babysit", header.command, *subject, *flags])


def _flag(name: str, value: Any) -> list[str]:
    """An option as it is typed; nothing where it was left to the data."""
    flag = f"--{_TYPED.get(name, name).replace('_', '-')}"
    if name in _REPEATED:
        return [part for item in value for part in (flag, shlex.quote(str(item)))]
    if value is False:
        return [f"--no-{flag[2:]}"] if name in _NEGATABLE else []
    if value is True:
        return [flag]
    if isinstance(value, list):
        value = _SEPARATORS.get(name, ",").join(map(str, value))
    return [] if value is None or value == "" else [flag, shlex.quote(str(value))]

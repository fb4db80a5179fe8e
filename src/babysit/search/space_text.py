"""Spaces as a person writes them: short texts on the command line, or a table of a TOML file.

===============================  =====================================================
``lr=log:1e-5..1e-1``            real numbers, uniform in the logarithm
``dropout=0..0.5``               real numbers
``depth=int:1..4``               whole numbers
``width=logint:16..512``         whole numbers, uniform in the logarithm
``hidden=50|256-128``            one of several values; layers' widths with ``-`` between
``l2=1e-4``                      this value, always
``… in 0..0.95``                 behind a range: where it ends when it moves past its edge
``… if optimizer=sgd|momentum``  behind all of it: only where another one has one of these values
===============================  =====================================================

A range that begins at zero never moves below it, nor one of whole numbers from one on below one. Learning rates,
momentum, dropout and whatever else :data:`babysit.search.bounds.BOUNDS` names stay where they make sense.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from babysit.errors import InputError, suggest
from babysit.fit.optimizers import OPTIMIZERS
from babysit.fit.schedules import SCHEDULES
from babysit.search.bounds import within
from babysit.search.space import Choice, Distribution, IntUniform, LogIntUniform, LogUniform, Space, Uniform, When

KINDS: Mapping[str, Callable[[float, float, float, float], Distribution]] = {
    "": Uniform,
    "log": LogUniform,
    "int": IntUniform,
    "logint": LogIntUniform,
}
KNOWN_NAMES: Mapping[str, Iterable[str]] = {
    "optimizer": tuple(OPTIMIZERS),
    # a plateau needs a validation score every epoch, which trials have not
    "schedule": tuple(name for name in SCHEDULES if name != "plateau"),
}
"""What hyperparameters that :mod:`babysit.fit` understands may be called."""
FORM = "low..high, log:low..high, int:low..high, logint:low..high or one|another"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_WIDTHS = re.compile(r"\d+(-\d+)+")


def parse_space(
    items: Sequence[str], known: Mapping[str, Iterable[str]] = KNOWN_NAMES, *, of_loop: bool = False
) -> Space:
    """Read a space from the command line.

    Args:
        items: Each ``name=values``, as the module's table has them.
        known: What values of some hyperparameters may be called.
        of_loop: It is that of a training loop of the user's own, in which ``lr`` may as well be an exponent.

    Raises:
        InputError: A text makes no sense, or a name comes twice.

    Example:
        >>> space = parse_space(["optimizer=sgd|adam", "momentum=0.5..0.9 if optimizer=adam"])
        >>> space.at([0.5, 0.0])
        {'optimizer': 'adam', 'momentum': 0.5}
    """
    found: dict[str, Distribution] = {}
    for item in items:
        name, given, text = (part.strip() for part in item.partition("="))
        if not (name and given and text):
            raise InputError(
                item.strip() or "search space", expected=f"name={FORM}", found=repr(item), todo="add what is missing"
            )
        if name in found:
            raise InputError(item, expected="every name once", found=f"{name} again", todo="take one of them out")
        found[name] = _within(f"{name}={text}", name, _distribution(f"{name}={text}", name, text, known), of_loop)
    return Space(found)


def read_space(file: Path, known: Mapping[str, Iterable[str]] = KNOWN_NAMES, *, of_loop: bool = False) -> Space:
    """Read a space from a TOML file: its table ``[space]``, or all of it where there is none.

    A value is a text as on the command line, a list to choose from, or a single number. The condition of a
    hyperparameter can stand by itself: ``momentum = { of = "0.5..0.9", if = "optimizer=momentum" }``.

    Args:
        file: The file.
        known: What values of some hyperparameters may be called.
        of_loop: As for :func:`parse_space`.

    Raises:
        InputError: It cannot be read; the message names the line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "bytes that are no UTF-8"
        raise InputError(str(file), expected="a readable TOML file", found=reason, todo="name another file") from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(str(file), expected="TOML", found=str(error), todo="correct it there") from error
    values = table.get("space", table)
    if not isinstance(values, dict) or not values:
        raise InputError(
            str(file), expected="hyperparameters in a table [space]", found="none", todo='write lr = "log:1e-5..1e-1"'
        )
    lines = _lines_of(text)
    subjects = {name: f"{file}, line {lines[name]}" if name in lines else f"{file}, {name}" for name in values}
    found = {
        name: _within(subjects[name], name, _from_toml(subjects[name], name, value, known), of_loop)
        for name, value in values.items()
    }
    try:
        return Space(found)
    except InputError as error:
        # conditions are checked when all are there, and the message says whose it is
        name = error.subject.removeprefix("search space, ")
        raise _at(subjects.get(name, str(file)), error) from error


def require_known(space: Space, known: Mapping[str, Iterable[str]] = KNOWN_NAMES) -> None:
    """Check the names among a space's values that training has to understand.

    Args:
        space: The space.
        known: What values of some hyperparameters may be called.

    Raises:
        InputError: There is no such update rule or schedule.

    Example:
        >>> require_known(Space({"optimizer": Choice("sgd", "adam")}))
    """
    for name, distribution in space.items():
        _require_names(f"search space, {name}", name, distribution, known)


def _within(subject: str, name: str, known: Distribution, of_loop: bool) -> Distribution:
    """Ended where the hyperparameter does; of a loop of the user's own where it can be what is meant elsewhere."""
    try:
        return within(subject, name, known)
    except InputError:
        if not of_loop:
            raise
        return known


def _from_toml(subject: str, name: str, value: Any, known: Mapping[str, Iterable[str]]) -> Distribution:
    if isinstance(value, str):
        return _distribution(subject, name, value, known)
    if isinstance(value, dict):
        if set(value) != {"of", "if"} or not isinstance(value["if"], str):
            raise InputError(
                subject,
                expected=f'{name} = {{ of = "…", if = "another=value" }}',
                found=f"a table of {', '.join(value) or 'nothing'}",
                todo="write it like that",
            )
        return _condition(subject, value["if"], _from_toml(subject, name, value["of"], known))
    values = tuple(map(_hashable, value)) if isinstance(value, list) else (value,)
    try:
        distribution = Choice(*values)
    except InputError as error:
        raise _at(subject, error) from error
    _require_names(subject, name, distribution, known)
    return distribution


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _distribution(subject: str, name: str, text: str, known: Mapping[str, Iterable[str]]) -> Distribution:
    values, conditional, condition = (part.strip() for part in re.sub(r"\s+", " ", text).partition(" if "))
    distribution = _unconditional(subject, values)
    _require_names(subject, name, distribution, known)
    return _condition(subject, condition, distribution) if conditional else distribution


def _condition(subject: str, text: str, of: Distribution) -> Distribution:
    parent, given, values = (part.strip() for part in text.partition("="))
    if not (parent and given and values):
        raise InputError(
            subject, expected="a condition such as optimizer=sgd|momentum", found=repr(text), todo="write it like that"
        )
    return When(parent, [_literal(value) for value in values.split("|")], of)


def _unconditional(subject: str, text: str) -> Distribution:
    if ".." in text and "|" not in text:
        return _range(subject, text)
    parts = [part.strip() for part in text.split("|")]
    if not all(parts) or ".." in text:
        raise InputError(subject, expected=FORM, found=repr(text), todo="name single values on both sides of every |")
    return Choice(*map(_literal, parts))


def _range(subject: str, text: str) -> Distribution:
    ends, limited, limits = text.partition(" in ")
    kind, colon, numbers = ends.rpartition(":")
    if kind not in KINDS or (colon and not kind):
        raise InputError(
            subject,
            expected=f"one of {', '.join(filter(None, KINDS))} before the colon",
            found=repr(kind),
            todo=suggest(kind, filter(None, KINDS)),
        )
    low, high = _numbers(subject, numbers)
    floor, ceiling = _numbers(subject, limits) if limited else _usual_limits(low, "int" in kind)
    try:
        return KINDS[kind](low, high, floor, ceiling)
    except InputError as error:
        raise _at(subject, error) from error


def _numbers(subject: str, text: str) -> tuple[float, float]:
    ends = [part.strip() for part in text.split("..", 1)]
    wrong = [end for end in ends if not _NUMBER.fullmatch(end)]
    if wrong or len(ends) < 2:
        raise InputError(
            subject, expected="two numbers, low..high", found=repr((wrong or ends)[0]), todo="write it like 1e-5..1e-1"
        )
    low, high = (_literal(end) for end in ends)
    return low, high


def _usual_limits(low: float, whole: bool) -> tuple[float, float]:
    natural = 1.0 if whole and low >= 1 else 0.0
    return natural if low >= 0 else -math.inf, math.inf


def _literal(text: str) -> Any:
    """What a text stands for: a number, yes or no, widths of layers, or itself."""
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return tuple(map(int, text.split("-"))) if _WIDTHS.fullmatch(text) else text


def _require_names(subject: str, name: str, distribution: Distribution, known: Mapping[str, Iterable[str]]) -> None:
    of = distribution.of if isinstance(distribution, When) else distribution
    if name not in known or not isinstance(of, Choice):
        return
    names = list(known[name])
    if unknown := [value for value in of.values if value not in names]:
        raise InputError(
            subject,
            expected=f"{name} one of {', '.join(names)}",
            found=repr(unknown[0]),
            todo=suggest(str(unknown[0]), names),
        )


def _at(subject: str, error: InputError) -> InputError:
    return InputError(subject, expected=error.expected, found=error.found, todo=error.todo)


def _lines_of(text: str) -> dict[str, int]:
    """On which line each key of the table ``[space]``, or of a file without tables, begins."""
    lines: dict[str, int] = {}
    within = True
    has_table = re.search(r"^\s*\[\s*space\s*\]", text, re.MULTILINE) is not None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"""\s*\[\s*([\w."'-]+)\s*\]""", line):
            path = heading[1].replace('"', "").split(".")
            within = path == ["space"]
            if path[0] == "space" and len(path) == 2:
                lines.setdefault(path[1], number)
        elif number == 1 or not heading:
            key = re.match(r"""\s*["']?([\w-]+)["']?\s*=""", line)
            if key and (within if has_table else True):
                lines.setdefault(key[1], number)
    return lines

"""What `--search` may name, and the range each name stands for unless one is given."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from babysit.errors import InputError
from babysit.fit.optimizers import OPTIMIZERS
from babysit.nn.activations import ACTIVATIONS
from babysit.search.space import Choice, Distribution, LogUniform, Space, Uniform

L2_RANGE = (1e-6, 1e-1)
"""Wide enough for nets from a hundred examples to a hundred thousand; the lecture draws 10**uniform(-5, 5)."""

_Values = Callable[[str], Any]


def _units(text: str) -> tuple[int, ...]:
    """``"100"`` or ``"256-128"``: units of each hidden layer."""
    return tuple(int(part) for part in text.split("-"))


def _flag(text: str) -> bool:
    return {"true": True, "on": True, "false": False, "off": False}[text.lower()]


_CHOICES: Mapping[str, tuple[_Values, tuple[Any, ...]]] = {
    "hidden": (_units, ((50,), (100,), (200,), (400,), (200, 100))),
    "channels": (_units, ((16, 32), (32, 64), (32, 64, 128))),
    "activation": (str, tuple(ACTIVATIONS)),
    "init": (str, ("he", "xavier", "orthogonal")),
    "batch_norm": (_flag, (False, True)),
    "optimizer": (str, tuple(OPTIMIZERS)),
    "schedule": (str, ("constant", "step", "exponential", "1/t", "cosine")),
    "batch_size": (int, (32, 64, 128, 256)),
}
_RANGES: Mapping[str, tuple[float, float]] = {"dropout": (0.0, 0.5), "momentum": (0.5, 0.99)}
_LOG_RANGES: Mapping[str, tuple[float, float] | None] = {"lr": None, "l2": L2_RANGE}

SEARCHABLE = (*_LOG_RANGES, *_RANGES, *_CHOICES)


def parse_search(items: Sequence[str]) -> dict[str, Distribution | None]:
    """What is searched beside the defaults; ``None`` for a range that the data decide.

    Args:
        items: Each a name, ``name=low..high`` or ``name=a|b|c``; hidden layers as ``256-128``.

    Raises:
        InputError: No such name, or its values make no sense.

    Example:
        >>> parse_search(["dropout=0..0.3"])["dropout"].to_range().high
        0.3
    """
    return dict(_parse(item) for item in items)


def space_of(named: Mapping[str, Distribution | None], lr: tuple[float, float]) -> Space:
    """The space of the first round: learning rate and L2, in log space, and whatever was named.

    Args:
        named: From :func:`parse_search`.
        lr: The usable learning rates, as they were measured.
    """
    return Space(
        {
            "lr": named.get("lr") or LogUniform(*lr, ceiling=1e4),
            "l2": named.get("l2") or LogUniform(*L2_RANGE, floor=1e-12, ceiling=1e3),
            **{name: distribution for name, distribution in named.items() if distribution is not None},
        }
    )


def _parse(item: str) -> tuple[str, Distribution | None]:
    name, given, text = item.partition("=")
    name = name.strip().replace("-", "_")
    if name not in SEARCHABLE:
        near = difflib.get_close_matches(name, SEARCHABLE, n=1)
        raise InputError(
            "--search",
            expected=f"one of {', '.join(SEARCHABLE)}",
            found=repr(name),
            todo=f"did you mean {near[0]!r}?" if near else "choose one of them",
        )
    try:
        return name, _given(name, text) if given else _default(name)
    except (ValueError, KeyError) as error:
        raise InputError(
            "--search",
            expected=f"{name}=a|b|c" if name in _CHOICES else f"{name}=low..high",
            found=repr(item),
            todo="write the values like that",
        ) from error


def _default(name: str) -> Distribution | None:
    if name in _CHOICES:
        return Choice(*_CHOICES[name][1])
    if name in _RANGES:
        low, high = _RANGES[name]
        return Uniform(low, high, floor=0.0, ceiling=0.95 if name == "dropout" else 0.999)
    known = _LOG_RANGES[name]
    return LogUniform(*known, floor=1e-12, ceiling=1e3) if known else None


def _given(name: str, text: str) -> Distribution:
    if name in _CHOICES:
        return Choice(*(_CHOICES[name][0](value.strip()) for value in text.split("|")))
    low, separator, high = text.partition("..")
    if not separator:
        raise ValueError(text)
    if name in _RANGES:
        return Uniform(float(low), float(high), floor=0.0, ceiling=0.95 if name == "dropout" else 0.999)
    return LogUniform(float(low), float(high), floor=1e-12, ceiling=math.inf)

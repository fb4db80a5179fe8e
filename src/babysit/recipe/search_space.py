"""What `--search` may name, and the range each name stands for unless one is given."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from babysit.errors import InputError, suggest
from babysit.fit.optimizers import OPTIMIZERS
from babysit.fit.schedules import SCHEDULES
from babysit.nn import ACTIVATIONS, parse_scheme
from babysit.search.distributions import Interval
from babysit.search.space import Choice, Distribution, LogUniform, Space, Uniform

L2_RANGE = (1e-5, 1e-1)
"""The part of the lecture's 10**uniform(-5, 5) in which networks still train; the search moves past its ends."""
OF_ANOTHER_TRAINING = frozenset(
    {"hidden", "channels", "activation", "init", "batch_norm", "optimizer", "momentum", "batch_size"}
)
"""Where one of these is searched, other rates explode than the range test found: by half a decade or more (measured).

L2, dropout and the schedules are not among them: they let the loss explode at no higher rate.
"""
BELOW_EXPLODING = 0.9
"""The share of the first learning rate that explodes up to which rates are searched (heuristic: near it, not at it)."""


@dataclass(frozen=True)
class _Numbers:
    """A hyperparameter that is a number: its scale, the range it stands for, and its own limits."""

    scale: type[Uniform] | type[LogUniform]
    default: tuple[float, float] | None
    floor: float
    ceiling: float

    form: ClassVar[str] = "low..high"

    def usual(self) -> Distribution | None:
        """The range it stands for; ``None`` where the data decide."""
        return self.between(*self.default) if self.default else None

    def read(self, text: str) -> Distribution:
        """What a person wrote, as ``low..high``."""
        low, _, high = text.partition("..")
        return self.between(float(low), float(high))

    def between(self, low: float, high: float) -> Distribution:
        """A range of it."""
        return self.scale(low, high, self.floor, self.ceiling)


@dataclass(frozen=True)
class _Choices:
    """A hyperparameter that is one of several: how one is written, and those it stands for."""

    value: Callable[[str], Any]
    defaults: tuple[Any, ...]
    form: str

    def usual(self) -> Distribution:
        """What it stands for."""
        return Choice(*self.defaults)

    def read(self, text: str) -> Distribution:
        """What a person wrote, with ``|`` between."""
        return Choice(*(self.value(part.strip()) for part in text.split("|")))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _units(text: str) -> tuple[int, ...]:
    """``"100"`` or ``"256-128"``: units of each hidden layer."""
    return tuple(_positive(part) for part in text.split("-"))


def _flag(text: str) -> bool:
    return {"true": True, "on": True, "false": False, "off": False}[text.lower()]


def _scheme(text: str) -> str:
    parse_scheme(text)
    return text


def _names(known: Iterable[str]) -> _Choices:
    """One of some names, each standing for itself."""
    names = {name: name for name in known}
    return _Choices(names.__getitem__, tuple(names), f"one|another of {', '.join(names)}")


_LR = _Numbers(LogUniform, None, 1e-12, 1e6)
_L2 = _Numbers(LogUniform, L2_RANGE, 1e-12, 1e6)
_HYPERPARAMETERS: Mapping[str, _Numbers | _Choices] = {
    "lr": _LR,
    "l2": _L2,
    "dropout": _Numbers(Uniform, (0.0, 0.5), 0.0, 0.95),
    "momentum": _Numbers(Uniform, (0.5, 0.99), 0.0, 0.999),
    "hidden": _Choices(_units, ((50,), (100,), (200,), (400,), (200, 100)), "50|100|200-100"),
    "channels": _Choices(_units, ((16, 32), (32, 64), (32, 64, 128)), "16-32|32-64"),
    "activation": _names(ACTIVATIONS),
    "init": _Choices(_scheme, ("he", "xavier", "orthogonal"), "he|xavier"),
    "batch_norm": _Choices(_flag, (False, True), "true|false"),
    "optimizer": _names(OPTIMIZERS),
    # a plateau needs a validation score every epoch, which trials have not
    "schedule": _names(name for name in SCHEDULES if name != "plateau"),
    "batch_size": _Choices(_positive, (32, 64, 128, 256), "32|64|128"),
}

SEARCHABLE = tuple(_HYPERPARAMETERS)


def parse_search(items: Sequence[str]) -> dict[str, Distribution | None]:
    """What is searched beside the defaults; ``None`` for a range that the data decide.

    Args:
        items: Each a name, ``name=low..high`` or ``name=a|b|c``; hidden layers as ``256-128``.

    Raises:
        InputError: No such name, a name that is there twice, or its values make no sense.

    Example:
        >>> parse_search(["dropout=0..0.3"])["dropout"].to_range().high
        0.3
    """
    named: dict[str, Distribution | None] = {}
    for name, distribution in map(_parse, items):
        if name in named:
            raise InputError("--search", expected="each name once", found=f"{name} twice", todo="leave one of them out")
        named[name] = distribution
    return named


def space_of(
    named: Mapping[str, Distribution | None], lr: tuple[float, float], exploding: float | None = None
) -> Space:
    """The space of the first round: learning rate and L2, in log space, and whatever was named.

    Args:
        named: From :func:`parse_search`.
        lr: The usable learning rates, as they were measured.
        exploding: The first rate that was seen to explode. No round comes to it, unless something is searched that
            decides which rate that is, or the range that was named reaches it.
    """
    limit = math.inf if exploding is None or OF_ANOTHER_TRAINING & named.keys() else exploding
    low, high = lr
    return Space(
        {
            "lr": _below(limit, named.get("lr") or _LR.between(low, min(high, BELOW_EXPLODING * limit))),
            "l2": _L2.between(*L2_RANGE),
            **{name: known for name, known in named.items() if known is not None and name != "lr"},
        }
    )


def _below(exploding: float, rates: Distribution) -> Distribution:
    """The same rates, which never move as far as one that explodes; as they are where they lie there already."""
    if not isinstance(rates, Interval) or rates.high >= exploding:
        return rates
    limit = max(rates.high, BELOW_EXPLODING * exploding)
    return dataclasses.replace(rates, ceiling=min(rates.ceiling, limit))


def _parse(item: str) -> tuple[str, Distribution | None]:
    name, given, text = item.partition("=")
    name = name.strip().replace("-", "_")
    if name not in _HYPERPARAMETERS:
        raise InputError(
            "--search",
            expected=f"one of {', '.join(SEARCHABLE)}",
            found=repr(name),
            todo=suggest(name, SEARCHABLE),
        )
    known = _HYPERPARAMETERS[name]
    try:
        return name, known.read(text) if given else known.usual()
    except (ValueError, KeyError) as error:
        raise InputError(
            "--search", expected=f"{name}={known.form}", found=repr(item), todo="write the values like that"
        ) from error

"""How much a search may take, and a clock that tells the same time again when the search is resumed."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from babysit.errors import InputError
from babysit.search.ledgers import Ledger
from babysit.search.plan import RoundPlan

_UNITS = {
    "s": ("seconds", 1.0),
    "m": ("seconds", 60.0),
    "h": ("seconds", 3600.0),
    "trial": ("trials", 1.0),
    "epoch": ("epochs", 1.0),
}


@dataclass(frozen=True)
class Limits:
    """What a search may take in all; a round that would take more gets fewer trials.

    Attributes:
        trials: Trials, those of extra rounds included.
        epochs: Epochs trained, over all trials.
        seconds: Time; looked at before every round and every rung, never inside one.

    Raises:
        InputError: A limit is not above zero.
    """

    trials: int | None = None
    epochs: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "epochs", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(
                    f"search limit, {name}", expected="a number above 0", found=f"{value:g}", todo="raise it"
                )


NO_LIMITS = Limits()


def parse_limits(text: str | None) -> Limits:
    """Read what a search may take.

    Args:
        text: Any of ``"90s"``, ``"10m"``, ``"1.5h"``, ``"200trials"`` and ``"500epochs"``, with commas between;
            ``None`` for no limit.

    Raises:
        InputError: It is none of these, zero, a part of a trial, or says two things of one kind.

    Example:
        >>> parse_limits("10m,500epochs")
        Limits(trials=None, epochs=500.0, seconds=600.0)
    """
    found: dict[str, float] = {}
    for part in text.split(",") if text is not None else ():
        match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]+)?)\s*(s|m|h|trials?|epochs?)\s*", part)
        name, factor = _UNITS[match[2].rstrip("s") or "s"] if match else ("", 0.0)
        amount = float(match[1]) * factor if match else 0.0
        if amount <= 0 or name in found or (name == "trials" and not amount.is_integer()):
            raise InputError(
                "budget",
                expected="a time such as 90s, 10m or 1h, a number such as 200trials or 500epochs, or one of each",
                found=repr(text),
                todo="write it like that",
            )
        found[name] = amount
    whole = {"trials": int(found["trials"])} if "trials" in found else {}
    return Limits(**{**found, **whole})  # type: ignore[arg-type]  # whole trials, and numbers


@dataclass(frozen=True)
class Spent:
    """What a search has taken so far."""

    trials: int = 0
    epochs: float = 0.0
    seconds: float = 0.0


def affordable(plan: RoundPlan, limits: Limits, spent: Spent) -> tuple[int, str]:
    """How many of a round's trials the limits leave room for.

    Args:
        plan: The round.
        limits: What may be spent.
        spent: What has been; its pace says how long an epoch takes. Of a first round the time is not known.

    Returns:
        The number, and which limit keeps it below the plan's; ``""`` where none does.

    Example:
        >>> affordable(RoundPlan("fine", 20, 2.0), Limits(epochs=50), Spent(10, 20.0))
        (15, 'the limit of 50 epochs')
    """
    rooms = [(float(plan.trials), "")]
    if limits.trials is not None:
        rooms.append((limits.trials - spent.trials, f"the limit of {limits.trials} trials"))
    if limits.epochs is not None:
        rooms.append((_fitting(plan, limits.epochs - spent.epochs), f"the limit of {limits.epochs:g} epochs"))
    if limits.seconds is not None:
        left = limits.seconds - spent.seconds
        pace = spent.seconds / spent.epochs if spent.epochs else 0.0
        room = 0 if left <= 0 else _fitting(plan, left / pace) if pace else math.inf
        rooms.append((room, f"the limit of {limits.seconds:g} s"))
    number, why = min(rooms, key=lambda room: room[0])
    return max(0, int(number)), why


def _fitting(plan: RoundPlan, epochs: float) -> int:
    """The most trials of a round that so many epochs are enough for."""
    room = epochs * (1 + 1e-9)  # sums of epochs miss whole numbers by rounding
    return next((trials for trials in range(plan.trials, 0, -1) if plan.most_epochs(trials) <= room), 0)


def no_room(plan: RoundPlan, why: str) -> InputError:
    """The error of limits that do not even leave room for the first trial."""
    return InputError(
        "search limits",
        expected=f"room for one trial of {plan.epochs:g} epochs",
        found=why,
        todo="raise it, or let trials be shorter",
    )


def require_room(plan: RoundPlan, limits: Limits) -> None:
    """Check that a search may begin.

    Args:
        plan: Its first round.
        limits: What it may take.

    Raises:
        InputError: There is not even room for one trial.
    """
    trials, why = affordable(plan, limits, Spent())
    if trials < 1:
        raise no_room(plan, why)


class Clock:
    """Tells how long a search has taken; what it has told once it tells again, and goes on from there.

    Args:
        ledger: Remembers what was told.
        now: Seconds since some beginning.
    """

    def __init__(self, ledger: Ledger, now: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._now = now
        self._told, self._when = 0.0, now()

    def at(self, moment: str) -> float:
        """Seconds the search has taken, in all its processes' lives, when it comes to that moment first."""
        self._told = float(self._ledger.decide(f"seconds {moment}", lambda: self._told + self._now() - self._when))
        self._when = self._now()
        return self._told

"""From a budget to a plan: how many trials, how long each, how long the full training.

Without a time limit the plan follows from the size of data and model alone, so that the same command gives the same
run on every machine. A time limit is turned into a plan by the measured time of a step; the plan is written down and
kept when the run is resumed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from babysit.errors import InputError
from babysit.search.study import RoundPlan

DEFAULT_TRIALS = 28
NOMINAL_BUDGET = 300.0
"""Seconds the default plan is made for, on a nominal core."""
NOMINAL_FLOPS = 3e10
"""Floating-point operations a second of that nominal core (about a third of one AVX2 core's peak)."""
NOMINAL_OVERHEAD = 3e-4
"""Seconds of a step on it that do not depend on the model's size."""
SEARCH_SHARE = 0.5
"""Of the time, for the search; the rest is for the full training and what comes around it."""
TRAINING_SHARE = 0.4
_LONGEST_COARSE = 8.0
_LONGEST_TRAINING = 60
_SHORTEST_TRIAL = 20
"""Steps below which a trial says nothing."""


@dataclass(frozen=True)
class Budget:
    """What a person allows: seconds, or a number of trials, or neither."""

    seconds: float | None = None
    trials: int | None = None


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Attributes:
        rounds: Of the search.
        seconds_per_step: What the plan was made with.
        epochs: Of the full training.
    """

    rounds: tuple[RoundPlan, ...]
    seconds_per_step: float
    epochs: int


def parse_budget(text: str | None) -> Budget:
    """Read a budget.

    Args:
        text: ``"60s"``, ``"10m"``, ``"1.5h"``, ``"200trials"``; ``None`` for the default.

    Raises:
        InputError: It is none of these, or zero.

    Example:
        >>> parse_budget("10m")
        Budget(seconds=600.0, trials=None)
    """
    if text is None:
        return Budget()
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|trials?)\s*", text)
    amount = float(match[1]) if match else 0.0
    if not match or amount <= 0 or (match[2].startswith("t") and amount != int(amount)):
        raise InputError(
            "--budget",
            expected="a time such as 60s, 10m or 1h, or a number of trials such as 200trials",
            found=repr(text),
            todo="write it like one of these",
        )
    if match[2].startswith("t"):
        return Budget(trials=int(amount))
    return Budget(seconds=amount * {"s": 1, "m": 60, "h": 3600}[match[2]])


def nominal_seconds_per_step(flops: float) -> float:
    """Seconds a step would take on the nominal core.

    Args:
        flops: Floating-point operations of one training step.
    """
    return NOMINAL_OVERHEAD + flops / NOMINAL_FLOPS


def make_plan(
    budget: Budget,
    *,
    seconds_per_step: float,
    steps_per_epoch: int,
    models: int = 1,
    epochs: int | None = None,
) -> Plan:
    """Divide a budget between the rounds of the search and the full training.

    Args:
        budget: The person's limit.
        seconds_per_step: Measured, where the limit is a time; nominal otherwise.
        steps_per_epoch: Steps in one pass over the training split.
        models: Full trainings to make, for an ensemble.
        epochs: Of the full training, where the person set them.

    Example:
        >>> plan = make_plan(Budget(), seconds_per_step=0.001, steps_per_epoch=100)
        >>> [round.name for round in plan.rounds]
        ['coarse', 'fine', 'final']
    """
    seconds = budget.seconds if budget.seconds is not None else NOMINAL_BUDGET
    trials = max(1, budget.trials or DEFAULT_TRIALS)
    epoch_seconds = seconds_per_step * steps_per_epoch
    final = min(3, trials)
    fine = round((trials - final) * 0.4)
    coarse = trials - final - fine
    # a coarse round of two halvings costs half of its trials' full length, a fine one of one halving three quarters
    # of twice that, and each of the finalists three coarse lengths
    weight = coarse * 0.5 + fine * 1.5 + final * 3
    longest = SEARCH_SHARE * seconds / (epoch_seconds * weight)
    shortest = _SHORTEST_TRIAL / steps_per_epoch
    length = _rounded(min(max(longest, shortest), _LONGEST_COARSE))
    rounds = (
        RoundPlan("coarse", coarse, length, halvings=2),
        RoundPlan("fine", fine, 2 * length, halvings=1),
        RoundPlan("final", final, 3 * length),
    )
    return Plan(
        rounds=tuple(plan for plan in rounds if plan.trials > 0),
        seconds_per_step=seconds_per_step,
        epochs=epochs or training_epochs(TRAINING_SHARE * seconds / models, epoch_seconds),
    )


def training_epochs(seconds: float, epoch_seconds: float) -> int:
    """Epochs of a full training that fit into some time, between 1 and 60."""
    return max(1, min(_LONGEST_TRAINING, math.floor(seconds / epoch_seconds)))


def _rounded(epochs: float) -> float:
    """To two significant digits, for a reader's sake."""
    return float(f"{epochs:.2g}")

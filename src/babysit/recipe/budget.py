"""From a budget to a plan: how many trials, how long each, how long the full training.

Without a time limit the plan follows from the size of data and model alone, so that the same command gives the same
run on every machine. A time limit is turned into a plan by the measured time of a step; the plan is written down and
kept when the run is resumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from babysit.errors import InputError
from babysit.search.limits import parse_limits
from babysit.search.plan import SHORTEST_TRIAL, RoundPlan, final_trials, plan_rounds, weight_of

DEFAULT_TRIALS = 28
NOMINAL_BUDGET = 300.0
"""Seconds the default plan is made for, on a nominal core."""
NOMINAL_FLOPS = 6e10
"""Floating-point operations a second of that nominal core (about half of one AVX2 core's peak)."""
NOMINAL_OVERHEAD = 3e-4
"""Seconds of a step on it that do not depend on the model's size."""
USABLE_SHARE = 0.85
"""Of the time, for training; the rest is for reading, checking, evaluating and reporting."""
OVERFITS_AFTER = 8
"""Epochs of the full training from which more regularisation than short trials suggest is worth a trial (heuristic)."""
_LONGEST_TRAINING = 60


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
    try:
        limits = parse_limits(text)
    except InputError as error:
        raise _no_budget(text) from error
    if limits.epochs is not None or (limits.seconds is not None and limits.trials is not None):
        raise _no_budget(text)
    return Budget(limits.seconds, limits.trials)


def _no_budget(text: str | None) -> InputError:
    return InputError(
        "--budget",
        expected="a time such as 60s, 10m or 1h, or a number of trials such as 200trials",
        found=repr(text),
        todo="write it like one of these",
    )


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
    finalists: int = 4,
    epochs: int | None = None,
) -> Plan:
    """Divide a budget between the rounds of the search and the full training.

    Args:
        budget: The person's limit.
        seconds_per_step: Measured, where the limit is a time; nominal otherwise.
        steps_per_epoch: Steps in one pass over the training split.
        models: Full trainings to make, for an ensemble.
        finalists: Settings of the final round, where there are trials enough.
        epochs: Of the full training, where the person set them.

    Example:
        >>> plan = make_plan(Budget(), seconds_per_step=0.001, steps_per_epoch=100)
        >>> [round.name for round in plan.rounds]
        ['coarse', 'fine', 'final']
    """
    seconds = USABLE_SHARE * (budget.seconds if budget.seconds is not None else NOMINAL_BUDGET)
    epochs_in_all = seconds / (seconds_per_step * steps_per_epoch)
    trials = max(1, budget.trials or DEFAULT_TRIALS)
    most = final_trials(trials, finalists)
    # a training too short to overfit needs few finalists; beyond that each further one has to leave it this long
    final = next(
        (n for n in range(most, 2, -1) if epochs_in_all >= OVERFITS_AFTER * _weight(trials, n, models)), min(most, 2)
    )
    affordable = epochs_in_all / _weight(trials, final, models)
    longest = _LONGEST_TRAINING if final == most else OVERFITS_AFTER
    whole = max(1, min(longest, math.floor(affordable)))
    left = epochs_in_all - whole * _weight(trials, final, models)
    # no more than one, since with a little more time it would be the finalists' length, too
    full = epochs or whole + (whole < OVERFITS_AFTER and left >= models)
    # where the person asks for a longer full training than the budget holds, the search keeps to the budget
    length = min(float(epochs or whole), affordable)
    longest_trial = float(f"{max(length, SHORTEST_TRIAL / steps_per_epoch):.2g}")
    rounds = plan_rounds(trials, longest_trial, steps_per_epoch, final=final)
    return Plan(
        rounds=rounds,
        seconds_per_step=seconds_per_step,
        epochs=full,
    )


def _weight(trials: int, final: int, models: int) -> float:
    """The cost of a plan in full trainings.

    Finalists train as long as the full training will, since what is best after a few epochs (a high rate, little
    regularisation) need not be best in the end; two halvings cost half, one three quarters of all trials' full length.
    """
    return weight_of(trials, final) + models

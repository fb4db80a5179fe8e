"""Longer trials of a few learning rates, from the best of a range test towards the lowest loss."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from babysit.measure.rate_range import rates_that, tried_rates
from babysit.measure.record import Probe
from babysit.preflight.batch import Batch
from babysit.preflight.learning_rate import try_rates, untrained_losses
from babysit.preflight.subject import Subject

MOST = 4
"""Trials: with three or four a rate is found as good as with six (simulated, see docs/check.md)."""
NEAR, NOTHING = 0.1, 0.001
"""A loss this share above the lowest is as good; so is any below this share of the untrained model's."""
LONG = 200
"""Steps from which on the higher of two rates that are as good is as good for a whole training: in fewer, high rates
are ahead that are not later (simulated, see docs/check.md)."""


def try_longer(
    subject: Subject,
    batches: Sequence[Batch],
    make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer],
    probe: Probe,
    rates: Sequence[float],
    *,
    steps: int,
    latest: float = math.inf,
) -> dict[float, float]:
    """Train at the best rate and the one below it, and go on beside the lowest loss until both its sides are known.

    Args:
        subject: Left as it is.
        batches: Trained on in turn, over and over.
        make_optimizer: ``(model, rate) -> optimizer``.
        probe: A range test in which any rate brings the loss down; what explodes there or is slow is not tried.
        rates: All that may be tried, ascending, those of the range test among them.
        steps: At each rate.
        latest: Of :func:`time.monotonic`: no rate is begun then, but the second one, as one alone tells nothing.

    Returns:
        Rate → mean loss over the last quarter of its steps, ascending; infinite where it exploded.
    """
    repeated = list(itertools.islice(itertools.cycle(batches), steps))
    untrained = untrained_losses(subject.model, subject.loss, repeated[: len(batches)])
    known = list(itertools.islice(itertools.cycle(untrained), steps))
    usable = usable_rates(probe, rates)
    ends: dict[float, float] = {}
    for rate in _walk(rates, usable, probe.numbers["best"], ends):
        if len(ends) == MOST or (len(ends) > 1 and time.monotonic() > latest):
            break
        found = try_rates(subject.model, subject.loss, repeated, make_optimizer, rates=[rate], untrained=known)
        exploded = bool(rates_that("explodes", found))
        losses = found.series[f"losses:{rate:.3g}"][-max(1, steps // 4) :]
        ends[rate] = math.inf if exploded else statistics.fmean(losses)
    return dict(sorted(ends.items()))


def usable_rates(probe: Probe, rates: Sequence[float]) -> list[float]:
    """Those of the rates at which the loss fell in a range test, and those that it left out.

    Example:
        >>> series, texts = {"lr": (0.1, 1.0), "ratio": (0.5, 9.0)}, {"verdicts": "falls,explodes"}
        >>> usable_rates(Probe("learning-rate", series=series, texts=texts), [0.1, 0.3, 1.0])
        [0.1, 0.3]
    """
    verdicts = {item.rate: item.verdict for item in tried_rates(probe)}
    return [rate for rate in rates if verdicts.get(rate, "falls") == "falls"]


def _walk(
    rates: Sequence[float], usable: Sequence[float], start: float, ends: Mapping[float, float]
) -> Iterator[float]:
    """Which rate to try next, after what the ones before came to.

    Example:
        >>> ends = {}
        >>> for rate in _walk([1, 2, 3, 4, 5], [1, 2, 3, 4], 3, ends):
        ...     ends[rate] = abs(rate - 4.4)
        >>> list(ends)
        [3, 2, 4]
    """
    yield start
    following = _beside(rates, usable, start, ends)[:1]
    while following:
        yield following[0]
        best = min(ends, key=ends.__getitem__)
        following = _beside(rates, usable, best, ends)


def _beside(rates: Sequence[float], usable: Sequence[float], rate: float, ends: Mapping[float, float]) -> list[float]:
    """The rates next to one that may be tried yet, the lower one first: it is rather better for longer."""
    place = rates.index(rate)
    both = [*rates[max(0, place - 1) : place], *rates[place + 1 : place + 2]]
    return [item for item in both if item in usable and item not in ends]


def middle_of_good(ends: Mapping[float, float], untrained: float, *, steps: int = LONG) -> float:
    """Of the rates whose loss is nearly the lowest, or next to nothing, the middle one, which has room on both sides.

    A loss that becomes negative has no bottom to be near to: what counts is how far it fell.

    Args:
        ends: Rate → loss after so many steps.
        untrained: The loss before training.
        steps: Of two in the middle the higher one is taken after ``LONG`` steps or more, otherwise the lower one.

    Example:
        >>> middle_of_good({0.001: 0.52, 0.01: 0.105, 0.1: 0.1, 1.0: 0.104}, 2.3)
        0.1
        >>> middle_of_good({0.01: -1.0, 0.1: -5.0}, -0.5)
        0.1
        >>> middle_of_good({0.01: 0.5, 0.1: 0.49}, 2.3, steps=80)
        0.01
    """
    best = min(ends.values())
    limit = best + NEAR * (best if best >= 0 else max(untrained - best, 0.0))
    if best >= 0:
        limit = max(limit, NOTHING * untrained)
    good = sorted(rate for rate, end in ends.items() if end <= limit)
    return good[(len(good) - (steps < LONG)) // 2]

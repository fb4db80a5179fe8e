"""Which learning rate should a training begin with?

The range test says at which rates the loss falls within some forty steps. What is best for so many is mostly not best
for hundreds, so the rates that did well are tried for longer before one of them is suggested.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import nn

from babysit.measure.record import Probe
from babysit.preflight.batch import Batch
from babysit.preflight.isolation import isolated
from babysit.preflight.learning_rate import RATES, tried, try_rates
from babysit.preflight.subject import Subject
from babysit.preflight.timing import quickest

MakeOptimizer: TypeAlias = Callable[[nn.Module, float], torch.optim.Optimizer]

ENOUGH = 0.97
"""A rate that brings the loss down by this share of what the best does is as good (benchmarks/learning_rates.py)."""
GRACE = 1.5
"""Times the time limit that it may take where steps turn out slower than they were when they were timed."""
STEPS = (12, 40)
"""Fewest and most steps at each rate, as time allows (heuristic)."""
LONGER = (80, 200)
"""Likewise for each of the rates that did well."""
WORTH_LONGER, MOST_LONGER = 0.6, 4
"""A rate is tried for longer that brings the loss down by this share of what the best does, and how many of them: in 50
of 53 healthy trainings one of the first three is as good as the best of all rates (benchmarks/learning_rates.py)."""
NEAR, NOTHING = 0.1, 0.001
"""A loss this share above the lowest is as good; so is any below this share of the untrained model's."""
SEVERAL = 12
"""With fewer batches, a longer trial tells how well they are learnt by heart, which a high rate is better at."""


def probe_rates(
    subject: Subject, batches: Sequence[Batch], *, time_limit: float = math.inf, rates: Sequence[float] = RATES
) -> Probe:
    """The range test of a subject with its own optimizer, and a rate to suggest.

    Args:
        subject: Left as it is; where its parameter groups have different rates, their ratios are kept.
        batches: Trained on over and over.
        time_limit: Seconds, which decide how many steps are made at each rate, and whether at every other rate only.
        rates: Of the first parameter group, ascending.

    Returns:
        The probe of :func:`try_rates`, and where any rate is usable: ``suggested``; ``suggested_ratio`` and
        ``best_ratio``, what remained of the loss at this rate and at the best in the test; ``given``, the optimizer's
        own rate. Suggested is, of the rates that were tried for longer (series ``longer:lr`` and ``longer:loss``, the
        mean over the last tenth; ``longer_steps``), the lowest that is as good as the best; without the time or the
        batches for that, the lowest that brings the loss down by ``ENOUGH`` of what the best does and is not next to
        one that explodes. A reason instead where there is no time, or no rate.
    """
    reason = _without_rate(subject.optimizer)
    if reason:
        return Probe("learning-rate", texts={"reason": reason})
    fewest, most = STEPS
    seconds = _seconds_a_step(subject, batches) if math.isfinite(time_limit) else 0.0
    if seconds * len(rates) * fewest > time_limit:
        rates = rates[::2]
    steps = most if not seconds else min(most, int(time_limit / (seconds * len(rates))))
    if steps < fewest:
        needed = seconds * len(rates) * fewest
        reason = f"trying {len(rates)} rates takes {needed:.2g} s, more than there was"
        return Probe("learning-rate", texts={"reason": reason})
    begin = time.monotonic()
    probe = _attempt(subject, batches, rates, steps, begin + GRACE * time_limit)
    if not probe.numbers:
        return probe
    given = {} if subject.optimizer is None else {"given": float(subject.optimizer.param_groups[0]["lr"])}
    probe = dataclasses.replace(probe, numbers={**probe.numbers, **_suggested(probe), **given})
    if "best" not in probe.numbers or steps < most or len(batches) < SEVERAL:
        return probe
    spent = time.monotonic() - begin
    taken = sum(len(losses) for name, losses in probe.series.items() if name.startswith("losses:"))
    chosen, length = _affordable(_promising(probe), max(seconds, spent / taken), time_limit - spent)
    if not chosen:
        return probe
    return _decided(probe, _attempt(subject, batches, sorted(chosen), length, begin + GRACE * time_limit))


def _without_rate(optimizer: torch.optim.Optimizer | None) -> str:
    """Why an optimizer has no rate to look for; ``""`` where it has one."""
    if isinstance(optimizer, torch.optim.LBFGS):
        return "L-BFGS chooses the length of its steps by itself"
    if optimizer is not None and any("lr" not in group for group in optimizer.param_groups):
        return "the optimizer has no learning rate"
    return ""


def _attempt(subject: Subject, batches: Sequence[Batch], rates: Sequence[float], steps: int, until: float) -> Probe:
    """So many steps at each rate, over the batches again and again."""
    repeated = list(itertools.islice(itertools.cycle(batches), steps))
    return try_rates(subject.model, subject.loss, repeated, _optimizers(subject), rates=rates, until=until)


def _optimizers(subject: Subject) -> MakeOptimizer:
    """The subject's own optimizer with another rate; several groups keep the ratios of theirs."""
    given = [] if subject.optimizer is None else [float(group["lr"]) for group in subject.optimizer.param_groups]

    def make(model: nn.Module, rate: float) -> torch.optim.Optimizer:
        optimizer = subject.optimizer_for(model, lr=rate)
        if given and given[0] > 0:
            for group, lr in zip(optimizer.param_groups, given, strict=True):
                group["lr"] = rate * (lr / given[0])
        return optimizer

    return make


def _suggested(probe: Probe) -> dict[str, float]:
    """The lowest rate that does nearly what the best does, a step away from those that explode."""
    if "best" not in probe.numbers:
        return {}
    rates, ratios, verdicts = zip(*tried(probe), strict=True)
    falling = [place for place, verdict in enumerate(verdicts) if verdict == "falls"]
    best = min(ratios[place] for place in falling)
    place = next(place for place in falling if 1 - ratios[place] >= ENOUGH * (1 - best))
    above = verdicts[place + 1] if place + 1 < len(verdicts) else ""
    if above == "explodes" and place and verdicts[place - 1] == "falls":
        place -= 1
    rate, ratio = rates[place], ratios[place]
    return {"suggested": rate, "suggested_ratio": ratio, "best_ratio": best}


def _promising(probe: Probe) -> list[float]:
    """The rates that are worth a longer trial, the best first."""
    falling = sorted((ratio, rate) for rate, ratio, verdict in tried(probe) if verdict == "falls")
    return [rate for ratio, rate in falling if 1 - ratio >= WORTH_LONGER * (1 - falling[0][0])][:MOST_LONGER]


def _affordable(rates: list[float], seconds: float, left: float) -> tuple[list[float], int]:
    """As many of the rates, and steps at each, as there is time for; no steps where that is too few of either."""
    fewest, most = LONGER
    for count in range(len(rates), 1, -1):
        steps = int(min(most, left / (seconds * count)))
        if steps >= fewest:
            return rates[:count], steps
    return [], 0


def _decided(probe: Probe, longer: Probe) -> Probe:
    """The range test with the rate that longer trials suggest; as it is where they exploded or there was no time."""
    rates = [rate for rate, _, verdict in tried(longer) if verdict != "explodes"]
    if not rates:
        return probe
    curves = [longer.series[f"losses:{rate:.3g}"] for rate in rates]
    ends = [statistics.fmean(losses[-max(1, len(losses) // 10) :]) for losses in curves]
    rate = _lowest_as_good(dict(zip(rates, ends, strict=True)), curves[0][0])
    ratio = probe.series["ratio"][probe.series["lr"].index(rate)]
    numbers = {"suggested": rate, "suggested_ratio": ratio, "longer_steps": float(len(curves[0]))}
    series = {"longer:lr": tuple(rates), "longer:loss": tuple(ends)}
    return dataclasses.replace(probe, numbers={**probe.numbers, **numbers}, series={**probe.series, **series})


def _lowest_as_good(ends: Mapping[float, float], untrained: float) -> float:
    """The lowest rate whose loss is nearly the lowest, or next to nothing; lower rates have more to spare.

    A loss that becomes negative has no bottom to be near to: what counts is how far it fell.

    Example:
        >>> _lowest_as_good({0.001: 0.52, 0.01: 0.105, 0.1: 0.1}, 2.3), _lowest_as_good({0.01: -1.0, 0.1: -5.0}, -0.5)
        (0.01, 0.1)
    """
    best = min(ends.values())
    limit = best + NEAR * (best if best >= 0 else max(untrained - best, 0.0))
    return min(rate for rate, end in ends.items() if end <= (max(limit, NOTHING * untrained) if best >= 0 else limit))


def _seconds_a_step(subject: Subject, batches: Sequence[Batch]) -> float:
    with isolated(subject.model) as model:
        optimizer = _optimizers(subject)(model, 1e-9)

        def step() -> None:
            optimizer.zero_grad()
            subject.loss(model, batches[0]).backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            optimizer.step()

        return quickest(step, 2)

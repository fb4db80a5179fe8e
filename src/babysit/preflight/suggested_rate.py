"""Which learning rate should a training begin with?

The range test says at which rates the loss falls within some forty steps. What is best for so many is mostly not best
for hundreds, so the rates that did well are tried for longer before one of them is suggested.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import nn

from babysit.measure.rate_range import tried_rates
from babysit.measure.record import Probe
from babysit.preflight.batch import Batch
from babysit.preflight.clipping import clips_gradients
from babysit.preflight.isolation import isolated
from babysit.preflight.learning_rate import RATES, try_rates
from babysit.preflight.longer_trials import MOST, middle_of_good, try_longer, usable_rates
from babysit.preflight.subject import Subject
from babysit.preflight.timing import quickest

MakeOptimizer: TypeAlias = Callable[[nn.Module, float], torch.optim.Optimizer]

ENOUGH = 0.97
"""A rate that brings the loss down by this share of what the best does is as good (benchmarks/learning_rates.py)."""
GRACE = 1.5
"""Times the time limit that it may take where steps turn out slower than they were when they were timed."""
STEPS = (12, 40)
"""Fewest and most steps at each rate, as time allows (heuristic)."""
TRIED = 0.65
"""Of the rates, that are tried to the end, as others are too low or soon explode (healthy zoo: 10 to 12, at most 15,
of 19)."""
LATER = 2 / 3
"""Of the time, that is kept for longer trials."""
LONGER = (80, 300)
"""Likewise for each of the rates that did well: after 100 steps, 200 and 300 the rate suggested is as good as the best
of all in about 34, 42 and 44 of 46 healthy trainings, and after 400 in no more (simulated, see docs/check.md)."""
TRIALS = 3
"""So many longer trials there should be time for: at the best rate, and at those on both sides of it."""
HOPELESS = 0.1
"""Of the time, for one step, that leaves none for a range of rates."""
UNTRAINED = 0.5
"""Of a step, that the loss of the untrained model on a batch takes at most."""
CLOSE = 5.0
"""A rate this many times as high is next to one; where every other rate is tried, none is (heuristic)."""
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
        The probe of :func:`try_rates`, and where any rate is usable ``suggested``; ``given``, the optimizer's own rate,
        ``first``, what it is while a schedule warms up, and ``clipped``, 1 where the script clips gradients. Suggested
        is, of the rates that were tried for longer (series ``longer:lr`` and ``longer:loss``, the mean over the last
        quarter, infinite where it exploded; ``longer_steps``), the middle one of those as good as the best; without the
        time or the batches for that, the lowest that brings the loss down by ``ENOUGH`` of what the best does and is
        not next to one that explodes. A reason instead where there is no time, or no rate.
    """
    reason = _without_rate(subject.optimizer)
    if reason:
        return Probe("learning-rate", texts={"reason": reason})
    seconds = _seconds_a_step(subject, batches, time_limit) if math.isfinite(time_limit) else 0.0
    several = len(batches) >= SEVERAL
    some, steps = _planned(rates, time_limit / seconds if seconds else math.inf, longer=several)
    if not steps:
        needed = seconds * TRIED * len(some) * STEPS[0]
        reason = f"trying {len(some)} rates takes {needed:.2g} s, more than there was"
        return Probe("learning-rate", texts={"reason": reason})
    begin = time.monotonic()
    probe = _attempt(subject, batches, some, steps, begin + GRACE * time_limit)
    if not probe.numbers:
        return probe
    probe = dataclasses.replace(probe, numbers={**probe.numbers, **_suggested(probe), **_own(subject.optimizer)})
    if "best" not in probe.numbers or not several:
        return probe
    return _tried_longer(subject, batches, probe, rates, begin, time_limit)


def _tried_longer(
    subject: Subject, batches: Sequence[Batch], probe: Probe, rates: Sequence[float], begin: float, time_limit: float
) -> Probe:
    """The range test with what longer trials suggest, where there is time for them."""
    spent = time.monotonic() - begin
    seconds = spent / sum(len(losses) for name, losses in probe.series.items() if name.startswith("losses:"))
    above = next((rate for rate in rates if rate > probe.numbers["best"]), None)
    trials = TRIALS if above in usable_rates(probe, rates) else TRIALS - 1
    steps = _affordable(seconds, time_limit - spent - UNTRAINED * seconds * len(batches), trials)
    if not steps:
        return probe
    # steps never take just as long as before: half a trial more is better than one less to compare
    latest = begin + time_limit - steps * seconds / 2
    ends = try_longer(subject, batches, _optimizers(subject), probe, rates, steps=steps, latest=latest)
    return _decided(probe, ends, steps) if len(ends) > 1 and min(ends.values()) < math.inf else probe


def _planned(rates: Sequence[float], affordable: float, *, longer: bool) -> tuple[Sequence[float], int]:
    """Which rates to try, and for how many steps, so that there is time for longer trials of some, where it suffices.

    Example:
        >>> _planned(RATES, 2000, longer=True)[1], _planned(RATES, 1000, longer=True)[1]
        (40, 26)
        >>> some, steps = _planned(RATES, 350, longer=True)
        >>> len(some), steps
        (10, 16)
    """
    fewest, most = STEPS
    kept = max(TRIALS * LONGER[0], min(MOST * LONGER[1], LATER * affordable)) if longer else 0.0
    for some, left in ((rates, kept), (rates[::2], kept), (rates, 0.0), (rates[::2], 0.0)):
        steps = int(min(most, (affordable - left) / (TRIED * len(some))))
        if steps >= fewest:
            return some, steps
    return rates[::2], 0


def _without_rate(optimizer: torch.optim.Optimizer | None) -> str:
    """Why an optimizer has no rate to look for; ``""`` where it has one."""
    if isinstance(optimizer, torch.optim.LBFGS):
        return "L-BFGS chooses the length of its steps by itself"
    if optimizer is not None and any("lr" not in group for group in optimizer.param_groups):
        return "the optimizer has no learning rate"
    return ""


def _own(optimizer: torch.optim.Optimizer | None) -> dict[str, float]:
    """The rate that an optimizer is to have, the one that it has, and whether its gradients are clipped."""
    clipped = {"clipped": float(clips_gradients())}
    if optimizer is None:
        return clipped
    return {"given": _rates_of(optimizer)[0], "first": float(optimizer.param_groups[0]["lr"]), **clipped}


def _rates_of(optimizer: torch.optim.Optimizer) -> list[float]:
    """The rate of each parameter group; where a schedule begins below it, that which it goes up to.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> optimizer.param_groups[0]["lr"] = 1e-4  # as a loop does that warms up by itself
        >>> _rates_of(optimizer)
        [0.1]
    """
    groups = optimizer.param_groups
    rates = [max(float(group[name]) for name in ("lr", "initial_lr", "max_lr") if name in group) for group in groups]
    made_with = float(optimizer.defaults.get("lr", 0.0))
    # several rates are those of the groups, and the one that the optimizer was made with may be none of them
    return [made_with] * len(rates) if len(set(rates)) == 1 and rates[0] < made_with else rates


def _attempt(subject: Subject, batches: Sequence[Batch], rates: Sequence[float], steps: int, until: float) -> Probe:
    """So many steps at each rate, over the batches again and again."""
    repeated = list(itertools.islice(itertools.cycle(batches), steps))
    return try_rates(
        subject.model, subject.loss, repeated, _optimizers(subject), rates=rates, until=until, quickly=True
    )


def _optimizers(subject: Subject) -> MakeOptimizer:
    """The subject's own optimizer with another rate; several groups keep the ratios of theirs."""
    given = [] if subject.optimizer is None else _rates_of(subject.optimizer)

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
    rates, ratios, verdicts = zip(*tried_rates(probe), strict=True)
    falling = [place for place, verdict in enumerate(verdicts) if verdict == "falls"]
    best = min(ratios[place] for place in falling)
    place = next(place for place in falling if 1 - ratios[place] >= ENOUGH * (1 - best))
    above = place + 1
    is_next = above < len(rates) and verdicts[above] == "explodes" and rates[above] < CLOSE * rates[place]
    if is_next and place and verdicts[place - 1] == "falls":
        place -= 1
    return {"suggested": rates[place]}


def _affordable(seconds: float, left: float, trials: int) -> int:
    """How many steps there is time for at each of so many rates, or of two; none where that is too few to tell much."""
    fewest, most = LONGER
    for count in range(trials, 1, -1):
        steps = min(most, left / (seconds * count)) if seconds else most
        if steps >= fewest:
            return int(steps)
    return 0


def _decided(probe: Probe, ends: Mapping[float, float], length: int) -> Probe:
    """The range test with the rate that longer trials suggest."""
    untrained = probe.series[f"losses:{probe.series['lr'][0]:.3g}"][0]
    numbers = {"suggested": middle_of_good(ends, untrained, steps=length), "longer_steps": float(length)}
    series = {"longer:lr": tuple(ends), "longer:loss": tuple(ends.values())}
    return dataclasses.replace(probe, numbers={**probe.numbers, **numbers}, series={**probe.series, **series})


def _seconds_a_step(subject: Subject, batches: Sequence[Batch], time_limit: float) -> float:
    with isolated(subject.model) as model:
        optimizer = _optimizers(subject)(model, 1e-9)

        def step() -> None:
            optimizer.zero_grad()
            subject.loss(model, batches[0]).backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            optimizer.step()

        return quickest(step, 2, enough=HOPELESS * time_limit)

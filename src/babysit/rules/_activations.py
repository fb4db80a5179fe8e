"""What the layers' activations did over a run: a share of them at the start, lately, and since when it is high."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._words import change_rate, names, number, percent, rate_at

_MOST = 0.75


@dataclass(frozen=True)
class Share:
    """A share of one module's activations over the sampled steps.

    Attributes:
        module: Module path.
        type: Class name of the module.
        start: At the first sampled step, before any update.
        lately: Median of the last sampled steps.
        since: First of the steps since which it has been above the limit without a break.
        until: Last sampled step.
    """

    module: str
    type: str
    start: float
    lately: float
    since: int
    until: int

    @property
    def from_the_start(self) -> bool:
        """Whether most of it was there before any update, so that the steps are not to blame."""
        return self.start > _MOST * self.lately


def lasting_shares(
    run: RunRecord, share: Callable[[LayerStats], float | None], *, limit: float, samples: int, skip: int = 0
) -> Iterator[Share]:
    """The modules whose share has been above the limit in the median of the last ``samples`` sampled steps.

    Args:
        run: The records.
        share: Which share, 0 to 1.
        limit: What counts as high.
        samples: Sampled steps that the median is taken over; modules with fewer are left out.
        skip: First sampled steps that do not count, but for the share at the start.
    """
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for step in run.steps:
        for layer in step.layers:
            value = share(layer)
            if value is not None and math.isfinite(value):
                found.setdefault((layer.module, layer.type), []).append((step.step, value))
    for (module, kind), values in found.items():
        counted = values[skip:]
        if len(counted) >= samples:
            lately = median(value for _, value in counted[-samples:])
            if lately > limit:
                yield Share(module, kind, values[0][1], lately, _since(counted, limit), counted[-1][0])


def among(shares: Sequence[Share]) -> str:
    """Which layers it is about where there are several, in brackets; ``""`` for one alone."""
    return f" (of {len(shares)} such layers: {names([share.module for share in shares])})" if len(shares) > 1 else ""


def cause(run: RunRecord, share: Share, *, start: str, training: str) -> str:
    """How it came about, with the numbers that tell.

    Args:
        run: For the learning rate at that time.
        share: Of the worst layer.
        start: What to say of a share that was there before any update.
        training: What to say of one that the updates brought.
    """
    if share.from_the_start:
        return f", {percent(share.start)} from the start: {start}"
    rate = rate_at(run, share.since)
    at = f" (lr {number(rate)})" if rate else ""
    return f", {percent(share.start)} at the start: {training}, the learning rate is too high{at}"


def remedy(run: RunRecord, share: Share, *, start: str) -> str:
    """A lower learning rate, or what to do about a share that was there before any update."""
    return start if share.from_the_start else change_rate(rate_at(run, share.since), 0.1)


def _since(values: list[tuple[int, float]], limit: float) -> int:
    """First step of the last unbroken stretch above the limit; the last step where that one is below it."""
    since = values[-1][0]
    for step, value in reversed(values):
        if value <= limit:
            break
        since = step
    return since

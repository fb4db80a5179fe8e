"""Which learning rates barely move the loss, which bring it down, which make it explode?

Every rate starts from the same weights and sees the same batches, and its losses are held against those of the
untrained model on these batches, so that one early spike or one lucky batch fools nobody; a single sweep with a growing
rate, the usual way, mixes the effects of all the rates before.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from babysit.measure.record import Probe
from babysit.preflight.batch import Batch
from babysit.preflight.isolation import isolated
from babysit.preflight.subject import Subject
from babysit.preflight.timing import quickest

Example = TypeVar("Example")

RATES = tuple(10 ** (exponent / 2) for exponent in range(-14, 5))
"""1e-7 to 1e2, two a decade."""
EXPLODES = 3.0
"""Over this many times the untrained model's loss the cost is exploding (the lecture)."""
FALLS = 0.98
"""A loss that ends above this share of the untrained model's has hardly moved (heuristic)."""
ENOUGH = 0.97
"""A rate that brings the loss down by this share of what the best does is as good (benchmarks/learning_rates.py)."""
GRACE = 1.5
"""Times the time limit that it may take where steps turn out slower than they were when they were timed."""
STEPS = (12, 40)
"""Fewest and most steps at each rate, as time allows (heuristic)."""


def probe_learning_rates(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[tuple[Tensor, Tensor]],
    make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer],
    *,
    rates: Sequence[float] = RATES,
    between: Callable[[], None] = lambda: None,
) -> Probe:
    """Train a copy of the model for some steps at each of many rates.

    Args:
        model: Untrained.
        loss_fn: ``(outputs, targets) -> mean loss``.
        batches: What every rate trains on, in this order, one step a batch.
        make_optimizer: ``(model, rate) -> optimizer``, as training will make it.
        rates: Rates to try, ascending; those above two that explode in a row are left out.
        between: Called after every step, for signals.

    Returns:
        A probe with series ``lr`` and ``ratio`` (loss over the last quarter of the batches, over the untrained model's
        there) and the losses at each rate, the verdicts, and where any rate is usable: ``low`` and ``high``, the range
        to search, and ``best``.
    """

    def loss_of(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return loss_fn(network(batch[0]), batch[1])

    return try_rates(model, loss_of, batches, make_optimizer, rates=rates, between=between)


def probe_rates(
    subject: Subject, batches: Sequence[Batch], *, time_limit: float = math.inf, rates: Sequence[float] = RATES
) -> Probe:
    """The same for a subject, with its own optimizer, and a rate to suggest.

    Args:
        subject: Left as it is; where its parameter groups have different rates, their ratios are kept.
        batches: Trained on over and over.
        time_limit: Seconds, which decide how many steps are made at each rate, and whether at every other rate only.
        rates: Of the first parameter group, ascending.

    Returns:
        The probe of :func:`try_rates`, and where any rate is usable: ``suggested``, the lowest rate that brings the
        loss down by ``ENOUGH`` of what the best does and is not next to one that explodes; ``suggested_ratio`` and
        ``best_ratio``, what remains of the loss at either; ``given``, the optimizer's own rate. A reason instead where
        there is no time, or no rate.
    """
    own = [] if subject.optimizer is None else subject.optimizer.param_groups
    if isinstance(subject.optimizer, torch.optim.LBFGS):
        return Probe("learning-rate", texts={"reason": "L-BFGS chooses the length of its steps by itself"})
    if any("lr" not in group for group in own):
        return Probe("learning-rate", texts={"reason": "the optimizer has no learning rate"})
    given = [float(group["lr"]) for group in own]

    def make_optimizer(model: nn.Module, rate: float) -> torch.optim.Optimizer:
        optimizer = subject.optimizer_for(model, lr=rate)
        if given and given[0] > 0:
            for group, lr in zip(optimizer.param_groups, given, strict=True):
                group["lr"] = rate * (lr / given[0])
        return optimizer

    fewest, most = STEPS
    seconds = _seconds_a_step(subject, batches, make_optimizer) if math.isfinite(time_limit) else 0.0
    if seconds * len(rates) * fewest > time_limit:
        rates = rates[::2]
    steps = most if not seconds else min(most, int(time_limit / (seconds * len(rates))))
    if steps < fewest:
        needed = seconds * len(rates) * fewest
        reason = f"trying {len(rates)} rates takes {needed:.2g} s, more than there was"
        return Probe("learning-rate", texts={"reason": reason})
    repeated = list(itertools.islice(itertools.cycle(batches), steps))
    until = time.monotonic() + GRACE * time_limit
    probe = try_rates(subject.model, subject.loss, repeated, make_optimizer, rates=rates, until=until)
    if not probe.numbers:
        return probe
    numbers = {**probe.numbers, **_suggested(probe), **({"given": given[0]} if given else {})}
    return Probe(probe.name, numbers, probe.series, probe.texts)


def try_rates(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Example], Tensor],
    batches: Sequence[Example],
    make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer],
    *,
    rates: Sequence[float] = RATES,
    between: Callable[[], None] = lambda: None,
    until: float = math.inf,
) -> Probe:
    """The same for any kind of batch.

    Args:
        model: Untrained.
        loss_of: ``(model, batch) -> mean loss``.
        batches: What every rate trains on, in this order, one step a batch.
        make_optimizer: ``(model, rate) -> optimizer``, as training will make it.
        rates: Rates to try, ascending.
        between: Called after every step, for signals.
        until: Of :func:`time.monotonic`: no further rate is begun then, and nothing is said but a reason.
    """
    with isolated(model) as copy, torch.no_grad():
        copy.train()
        untrained = [loss_of(copy, batch).item() for batch in batches]
    curves: dict[float, list[float]] = {}
    verdicts: list[str] = []
    for rate in rates:
        if time.monotonic() > until:
            reason = f"the time was over after {len(curves)} of {len(rates)} rates"
            return Probe("learning-rate", texts={"reason": reason})
        with isolated(model) as copy:
            curves[rate] = _train(copy, loss_of, batches, make_optimizer(copy, rate), untrained, between)
        verdicts.append(_verdict(_ratio(curves[rate], untrained)))
        if verdicts[-2:] == ["explodes", "explodes"]:
            break
    tried, ratios = list(curves), [_ratio(losses, untrained) for losses in curves.values()]
    numbers = {"steps": float(len(batches)), **_usable(tried, ratios, verdicts)}
    return Probe(
        "learning-rate",
        numbers=numbers,
        series={
            "lr": tuple(tried),
            "ratio": tuple(ratios),
            **{f"losses:{rate:.3g}": tuple(losses) for rate, losses in curves.items()},
        },
        texts={"verdicts": ",".join(verdicts)},
    )


def _train(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Example], Tensor],
    batches: Sequence[Example],
    optimizer: torch.optim.Optimizer,
    untrained: Sequence[float],
    between: Callable[[], None],
) -> list[float]:
    """The loss of every step, ending early once it explodes."""
    model.train()
    losses: list[float] = []
    for batch in batches:
        loss = loss_of(model, batch)
        losses.append(loss.item())
        if _explodes(losses, untrained):
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        between()
    return losses


def _explodes(losses: Sequence[float], untrained: Sequence[float]) -> bool:
    """Whether the last loss is over the limit; an easy batch does not lower the limit, a hard one raises it."""
    return not losses[-1] <= EXPLODES * max(untrained[len(losses) - 1], statistics.fmean(untrained))


def _ratio(losses: Sequence[float], untrained: Sequence[float]) -> float:
    """The loss at the end over that of the untrained model on the same batches; infinite when it exploded."""
    if _explodes(losses, untrained):
        return math.inf
    last = slice(-max(1, len(losses) // 4), None)
    before = statistics.fmean(untrained[last])
    return statistics.fmean(losses[last]) / before if before else math.nan


def _verdict(ratio: float) -> str:
    if not ratio <= 1 / FALLS:
        return "explodes"
    return "slow" if ratio > FALLS else "falls"


def _usable(rates: Sequence[float], ratios: Sequence[float], verdicts: Sequence[str]) -> dict[str, float]:
    """The rates worth searching: from where the loss begins to fall to just past where it still does."""
    falling = [rate for rate, verdict in zip(rates, verdicts, strict=True) if verdict == "falls"]
    if not falling:
        return {}
    best = min(zip(ratios, rates, strict=True))[1]
    return {"low": falling[0], "high": falling[-1] * math.sqrt(10), "best": best}


def _suggested(probe: Probe) -> dict[str, float]:
    """The lowest rate that does nearly what the best does, a step away from those that explode."""
    if "best" not in probe.numbers:
        return {}
    verdicts = probe.texts["verdicts"].split(",")
    tried = list(zip(probe.series["lr"], probe.series["ratio"], verdicts, strict=True))
    best = min(ratio for _, ratio, verdict in tried if verdict == "falls")
    place = next(at for at, item in enumerate(tried) if item[2] == "falls" and 1 - item[1] >= ENOUGH * (1 - best))
    above = verdicts[place + 1] if place + 1 < len(verdicts) else ""
    if above == "explodes" and place and verdicts[place - 1] == "falls":
        place -= 1
    rate, ratio, _ = tried[place]
    return {"suggested": rate, "suggested_ratio": ratio, "best_ratio": best}


def _seconds_a_step(
    subject: Subject, batches: Sequence[Batch], make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer]
) -> float:
    with isolated(subject.model) as model:
        optimizer = make_optimizer(model, 1e-9)

        def step() -> None:
            optimizer.zero_grad()
            subject.loss(model, batches[0]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        return quickest(step, 2)

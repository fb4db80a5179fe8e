"""Which learning rates barely move the loss, which bring it down, which make it explode?

Every rate starts from the same weights and sees the same batches, and its losses are held against those of the
untrained model on these batches, so that one early spike or one lucky batch fools nobody; a single sweep with a growing
rate, the usual way, mixes the effects of all the rates before. A loss may be negative, as a log-likelihood is: a change
is held against the size of the untrained model's losses, whatever their sign.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from babysit.measure.rate_range import Verdict
from babysit.measure.record import Probe
from babysit.preflight.failures import lacks_memory
from babysit.preflight.isolation import isolated, without_graph
from babysit.preflight.modes import set_training

Example = TypeVar("Example")

RATES = tuple(10 ** (exponent / 2) for exponent in range(-14, 5))
"""1e-7 to 1e2, two a decade."""
EXPLODES = 3.0
"""Over this many times the untrained model's loss the cost is exploding (the lecture)."""
_ALL_ZERO = "the loss is 0 before training, against which no change can be measured"
FALLS = 0.98
"""A loss that ends above this share of the untrained model's has hardly moved (heuristic)."""


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
        there; both raised alike where that is negative) and the losses at each rate, the verdicts, and where any rate
        is usable: ``low`` and ``high``, the range to search, and ``best``; a reason where no change can be measured.
    """

    def loss_of(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return loss_fn(network(batch[0]), batch[1])

    return try_rates(model, loss_of, batches, make_optimizer, rates=rates, between=between)


def try_rates(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Example], Tensor],
    batches: Sequence[Example],
    make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer],
    *,
    rates: Sequence[float] = RATES,
    between: Callable[[], None] = lambda: None,
    until: float = math.inf,
    untrained: Sequence[float] = (),
    quickly: bool = False,
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
        untrained: The losses of the untrained model on each batch, where they are known.
        quickly: Begin in the middle, and leave out what is below two rates that are slow in a row, where any falls.
    """
    untrained = untrained or untrained_losses(model, loss_of, batches)
    curves: dict[float, list[float]] = {}
    found: dict[float, Verdict] = {}
    for rate in _outward(rates, found) if quickly else _upward(rates, found):
        if time.monotonic() > until:
            reason = f"the time was over after {len(curves)} of {len(rates)} rates"
            return Probe("learning-rate", texts={"reason": reason})
        with isolated(model) as copy:
            curves[rate] = _train(copy, loss_of, batches, make_optimizer(copy, rate), untrained, between)
        found[rate] = _verdict(_ratio(curves[rate], untrained))
    tried = list(_upward(sorted(found), found))
    verdicts, ratios = [found[rate] for rate in tried], [_ratio(curves[rate], untrained) for rate in tried]
    numbers = {"steps": float(len(batches)), **_usable(tried, ratios, verdicts)}
    return Probe(
        "learning-rate",
        numbers=numbers,
        series={
            "lr": tuple(tried),
            "ratio": tuple(ratios),
            **{f"losses:{rate:.3g}": tuple(curves[rate]) for rate in tried},
        },
        texts={"verdicts": ",".join(verdicts), **({} if _size(untrained) else {"reason": _ALL_ZERO})},
    )


def _upward(rates: Sequence[float], verdicts: Mapping[float, str]) -> Iterator[float]:
    """Rates in this order, as far as two of them that explode in a row."""
    for place, rate in enumerate(rates):
        if [verdicts.get(one) for one in rates[max(0, place - 2) : place]] == ["explodes", "explodes"]:
            return
        yield rate


def _outward(rates: Sequence[float], verdicts: Mapping[float, str]) -> Iterator[float]:
    """Rates from the middle upward, and then downward as far as two of them that are slow in a row.

    Where the loss falls at none above, they may be so high that they leave it at the level of guessing.

    Example:
        >>> verdicts = {1: "slow", 2: "slow", 3: "slow", 4: "falls", 5: "falls", 6: "explodes", 7: "explodes"}
        >>> list(_outward([1, 2, 3, 4, 5, 6, 7, 8], verdicts))
        [5, 6, 7, 4, 3, 2]
    """
    middle = len(rates) // 2
    yield from _upward(rates[middle:], verdicts)
    for place in reversed(range(middle)):
        below = [verdicts[rate] for rate in rates[place + 1 : place + 3]]
        if below == ["slow", "slow"] and "falls" in verdicts.values():
            return
        yield rates[place]


@without_graph
def untrained_losses(
    model: nn.Module, loss_of: Callable[[nn.Module, Example], Tensor], batches: Sequence[Example]
) -> list[float]:
    """The losses of the model as it is on every batch, in training mode."""
    with isolated(model) as copy:
        set_training(copy, True)
        return [loss_of(copy, batch).item() for batch in batches]


def _train(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Example], Tensor],
    batches: Sequence[Example],
    optimizer: torch.optim.Optimizer,
    untrained: Sequence[float],
    between: Callable[[], None],
) -> list[float]:
    """The loss of every step, ending early once it explodes."""
    set_training(model, True)
    losses: list[float] = []
    for batch in batches:
        try:
            loss = loss_of(model, batch)
        except (RuntimeError, ValueError) as error:
            if not losses or lacks_memory(error):
                raise
            losses.append(math.inf)  # as losses do that are given probabilities which are none any longer
            break
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
    before = max(untrained[len(losses) - 1], statistics.fmean(untrained))
    limit = before + (EXPLODES - 1) * max(before, _size(untrained))
    return not (math.isfinite(losses[-1]) and losses[-1] <= limit)


def _size(losses: Sequence[float]) -> float:
    """How large the losses are, whatever their sign."""
    return statistics.fmean(map(abs, losses))


def _ratio(losses: Sequence[float], untrained: Sequence[float]) -> float:
    """The loss at the end over that of the untrained model on the same batches; infinite when it exploded.

    Where losses are negative, all are raised until the untrained model's mean is as large as its losses are.
    """
    if _explodes(losses, untrained):
        return math.inf
    last = slice(-max(1, len(losses) // 4), None)
    size = _size(untrained[last])
    raised = size - statistics.fmean(untrained[last])
    return (statistics.fmean(losses[last]) + raised) / size if size else math.nan


def _verdict(ratio: float) -> Verdict:
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

"""Does the model use its input? Trained for a moment on real inputs it must get further than on inputs of zero."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from babysit.measure.record import Probe
from babysit.preflight.answers import (
    Clock,
    NotApplicable,
    asked,
    attempt,
    batch_axis,
    difference,
    finite,
    floating,
    own,
    pick,
    worst,
)
from babysit.preflight.batch import Batch, map_tensors, tensors_of
from babysit.preflight.isolation import without_graph
from babysit.preflight.modes import set_training
from babysit.preflight.subject import Subject

NAME = "input-ignored"
EXAMPLES = 20
"""The lecture's."""
STEPS = 60
"""Full-batch steps at each rate: twenty examples are well on their way by then."""
FEWEST = 8
"""Steps without which the two trainings are not compared."""
RATES = (1e-3, 1e-2)
"""Adam's usual rate; a higher one where real inputs got no further."""
CLEARLY = 0.9
"""Share of the other's loss below which one training got further, and the next rate is not tried."""
LAST = 5
"""Steps at the end over which losses are averaged."""


def probe_ignored_input(subject: Subject, *, time_limit: float = 10.0) -> Probe:
    """Train two copies on a few examples, one on the real inputs, one on inputs that are all the same.

    Args:
        subject: Left as it is.
        time_limit: Seconds after which no further step is begun.

    Returns:
        A probe with ``initial_loss``, ``real_loss`` and ``blank_loss`` at the rate that tells them apart best, and
        ``variation``: how much, relative to the outputs, the trained model's outputs differ from example to example.
        A reason where targets are constant, or among the inputs, so that inputs cannot be taken away alone.
    """
    return attempt(NAME, lambda: _measure(subject, Clock(time_limit)))


def _measure(subject: Subject, clock: Clock) -> Probe:
    if subject.entangled:
        raise NotApplicable("inputs reach the model by way of other functions, too: these cannot be taken away alone")
    axis = batch_axis(subject.batch)
    targets = tensors_of(subject.batch.targets)
    # where examples cannot be taken apart, as with flattened targets or the edges of a graph, all are trained on
    unequal = [item for item in subject.batch.tensors() if item.dim() > 1 and len(item) != subject.batch.size]
    is_whole = any(item.dim() and len(item) != subject.batch.size for item in targets) or bool(unequal)
    batch = subject.batch if is_whole else subject.few(EXAMPLES, spread=True)
    _refuse(batch, axis)
    blank = _blank(batch, axis)
    best: dict[str, float] = {}
    curves: dict[str, tuple[float, ...]] = {}
    for rate in RATES:
        real_losses, variation = _train(subject, batch, batch, rate, STEPS, Clock(clock.left / 2), axis)
        if len(real_losses) <= FEWEST:
            break
        blank_losses, _ = _train(subject, blank, None, rate, len(real_losses) - 1, clock, axis)
        count = min(len(real_losses), len(blank_losses))
        if count <= FEWEST:
            break
        real, without = (statistics.fmean(losses[:count][-LAST:]) for losses in (real_losses, blank_losses))
        if not best or real / without < best["real_loss"] / best["blank_loss"]:
            best = {
                "initial_loss": real_losses[0],
                "real_loss": real,
                "blank_loss": without,
                "variation": variation,
                "lr": rate,
                "steps": float(count - 1),
                "examples": float(min(EXAMPLES, batch.size)),
            }
            curves = {"real": tuple(real_losses), "blank": tuple(blank_losses)}
        if real < CLEARLY * without:
            break
    if not best:
        raise NotApplicable("there was no time for the steps of two trainings")
    return Probe(NAME, numbers=best, series=curves)


def _refuse(batch: Batch, axis: int) -> None:
    """Raise NotApplicable where the comparison would say nothing."""
    if batch.size < 4:
        raise NotApplicable("too few examples to be told apart")
    targets = tensors_of(batch.targets)
    if not targets:
        raise NotApplicable("the targets are among the inputs: these cannot be taken away alone")
    if all(bool((item == item[:1]).all()) for item in targets if item.dim()):
        raise NotApplicable("the targets of these examples are all the same")
    inputs = [item.movedim(axis, 0) for item in batch.tensors() if _is_batched(item, batch, axis)]
    if all(bool((item == item[:1]).all()) for item in inputs):
        raise NotApplicable("the inputs of these examples are all the same")


def _is_batched(item: Tensor, batch: Batch, axis: int) -> bool:
    return item.dim() > axis and item.shape[axis] == batch.size


def _blank(batch: Batch, axis: int) -> Batch:
    """Inputs of zero; tokens that are all the first; what is true or false stays, as masks have to leave something."""

    def change(item: Tensor) -> Tensor:
        if item.dtype is torch.bool or not _is_batched(item, batch, axis):
            return item
        if item.is_floating_point() or item.is_complex():
            return torch.zeros_like(item)
        if item.min() >= 0 and item.max() <= 1 and item.dim() > 1:
            return item  # a mask of ones and zeros
        return torch.full_like(item, int(item.flatten()[0]))

    return batch.with_inputs(change)


def _train(
    subject: Subject,
    batch: Batch,
    judged: Batch | None,
    rate: float,
    steps: int,
    clock: Clock,
    axis: int,
) -> tuple[list[float], float]:
    """Losses before every step and after the last; and how the outputs vary with the example then."""
    losses: list[float] = []
    with asked(subject, training=True) as model:
        optimizer = torch.optim.Adam([item for item in model.parameters() if item.requires_grad], lr=rate)
        left = [clock.left]
        while True:
            loss = subject.loss(model, own(batch))
            losses.append(loss.item())
            finite(loss.detach())
            if not loss.requires_grad:
                raise NotApplicable("the loss has no gradient")
            left.append(clock.left)
            if len(losses) > steps or clock.over or _is_too_slow(left):
                break
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if judged is None or len(losses) <= FEWEST:
            return losses, 0.0
        if not _needs_targets(subject, model, judged):
            raise NotApplicable("the loss does not use the targets: they may be among the inputs")
        return losses, _variation(subject, model, judged, axis)


def _is_too_slow(left: Sequence[float]) -> bool:
    """Whether there is no time for enough steps, judged by the second, as the first sets things up."""
    if len(left) == 2:  # only a forward pass
        return FEWEST * (left[0] - left[1]) > left[0]
    return len(left) == 4 and FEWEST * (left[2] - left[3]) > left[0]


@without_graph
def _needs_targets(subject: Subject, model: torch.nn.Module, batch: Batch) -> bool:
    """Whether the loss is another with other targets."""
    state = torch.get_rng_state()
    losses = []
    for place in (None, 0, batch.size // 2, batch.size - 1):

        def change(item: Tensor, place: int | None = place) -> Tensor:
            if place is None or not item.dim() or not len(item):
                return item
            first = place * len(item) // batch.size  # targets of sequences may be flattened
            return item[first : first + 1].expand_as(item).clone()

        torch.set_rng_state(state)
        given = Batch(own(batch).inputs, map_tensors(batch.targets, change), batch.size)
        losses.append(subject.loss(model, given).item())
    return len(set(losses)) > 1


@without_graph
def _variation(subject: Subject, model: torch.nn.Module, batch: Batch, axis: int) -> float:
    """How the outputs change, relative to themselves, when examples are replaced by others."""
    set_training(model, False)
    count = min(EXAMPLES, batch.size)
    state = torch.get_rng_state()

    def given(places: list[int]) -> list[Tensor]:
        torch.set_rng_state(state)
        return floating(subject.forward(model, own(pick(batch, places, axis))))

    alone = [given([place] * batch.size) for place in (0, count // 3, 2 * count // 3, count - 1)]
    pairs = [(alone[0], other) for other in alone[1:]]
    with suppress(Exception):  # lengths may have to be sorted
        pairs.append((given(list(range(batch.size))), given([(place + 1) % batch.size for place in range(batch.size)])))
    return worst(
        [
            1.0 if one.shape != other.shape else difference(one, other)
            for pair in pairs
            for one, other in zip(*pair, strict=False)
        ]
    )

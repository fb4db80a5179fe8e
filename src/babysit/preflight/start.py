"""The loss before training of any model, beside what guessing would lose with this loss function."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from babysit.measure.record import LossCall, Probe, RunRecord
from babysit.preflight.batch import Batch, tensors_of
from babysit.preflight.initial_loss import beside
from babysit.preflight.isolation import isolated, without_graph
from babysit.preflight.subject import Subject
from babysit.watch.phases import CLOSE_CALLS

_BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
_CLASSES = ("cross_entropy", "nll_loss")
_SAME = 0.01
_ERRORS = 4.0
_TWICE = 0.25
_NEAR = 0.2


@without_graph
def probe_start(subject: Subject, batches: Sequence[Batch], run: RunRecord, *, time_limit: float = math.inf) -> Probe:
    """The loss of the untrained model on every batch, in training mode.

    Args:
        subject: Left as it is.
        batches: Of training data.
        run: The records of a trial, which tell what the loss function is and how its value becomes the loss.
        time_limit: Seconds after which no further batch is looked at.

    Returns:
        A probe that says why in ``texts["reason"]`` where the level of guessing is unknown. Where the loss is far from
        it, ``loss_of_scaled`` is the loss for the same inputs with zero mean and unit spread; where it is above, and
        it is the outputs that make it so, ``loss_of_halved`` is the loss with all parameters divided by two.
        ``times_mean`` tells what of it comes of adding: the loss over the mean of what the loss function gave.
    """
    level = "a model makes the targets: what guessing loses changes with it" if subject.taught else guessing(run)
    if isinstance(level, str):
        return Probe("initial-loss", texts={"reason": level})
    losses = _losses(subject, batches, until=time.monotonic() + time_limit)
    batches = batches[: len(losses)]
    call = run.calls[0]
    loss = statistics.fmean(losses)
    if call.classes > 1 and call.targets.low == call.targets.high and loss < level:
        return Probe("initial-loss", texts={"reason": "the right one of several candidates is always in one place"})
    if loss < level and _knows_already(call, loss / level):
        return Probe("initial-loss", texts={"reason": "the model does better than guessing: it is trained already"})
    probe = beside(losses, level, size=subject.batch.size, loss_name=call.name)
    others = {"times_mean": _times_mean(run, [item for item in run.calls if item.step == call.step]), **_shifts(run)}
    if not abs(loss - level) > _NEAR * level:
        return dataclasses.replace(probe, numbers={**probe.numbers, **others})
    if not any(item.is_floating_point() for item in tensors_of(subject.batch.inputs)):
        probe = dataclasses.replace(probe, texts={**probe.texts, "inputs": "integers"})
    else:
        scaled = [batch.with_inputs(_standardised) for batch in batches]
        others["loss_of_scaled"] = statistics.fmean(_losses(subject, scaled))
    if loss > level and _is_of_the_outputs(call):
        others["loss_of_halved"] = statistics.fmean(_losses(subject, batches, factor=0.5))
    return dataclasses.replace(probe, numbers={**probe.numbers, **others})


def _losses(subject: Subject, batches: Sequence[Batch], *, factor: float = 1.0, until: float = math.inf) -> list[float]:
    """The loss of every batch that there is time for, with all parameters multiplied by a factor."""
    losses: list[float] = []
    with isolated(subject.model) as model:
        for parameter in model.parameters():
            if factor != 1 and parameter.is_floating_point():
                parameter.data.mul_(factor)
        for batch in batches:
            losses.append(subject.loss(model, batch).item())
            if time.monotonic() > until:
                break
    return losses


def _is_of_the_outputs(call: LossCall) -> bool:
    """Whether the loss of one target is above guessing, as by a loss of classes it is of large outputs only."""
    level = _level(call)
    return call.name in (*_CLASSES, *_BINARY) and level is not None and call.value > (1 + _NEAR) * level


def _standardised(inputs: Tensor) -> Tensor:
    """Zero mean and unit spread: of each feature in a table, of all numbers together in images and sequences."""
    if not inputs.is_floating_point() or inputs.numel() < 2:
        return inputs
    is_table = inputs.dim() == 2 and len(inputs) > 1
    mean, std = (inputs.mean(0), inputs.std(0)) if is_table else (inputs.mean(), inputs.std())
    return (inputs - mean) / torch.where(std > 0, std, torch.ones_like(std))


def guessing(run: RunRecord) -> float | str:
    """What an untrained model should lose: equal probabilities, or the mean of the targets; else why it is unknown."""
    if not run.calls:
        return "no loss function of torch was called: what guessing loses is unknown"
    call = run.calls[0]
    if not run.header.loss_name:
        return f"the loss is more than {call.name}: what guessing loses is unknown"
    # of every batch that was seen, as targets spread otherwise in the next one
    by_step: dict[int, list[LossCall]] = {}
    for item in run.calls:
        if item.name == call.name:
            by_step.setdefault(item.step, []).append(item)
    levels = [level for calls in by_step.values() if (level := _mean_level(calls)) is not None]
    if not levels:
        return f"what guessing loses with {call.name} is unknown"
    return statistics.fmean(levels) * _scale(run, by_step[call.step])


def _mean_level(calls: Sequence[LossCall]) -> float | None:
    """The mean over the calls of one step, each of which may have targets of its own; ``None`` where it is unknown."""
    levels = [_level(call) for call in calls]
    known = [level for level in levels if level is not None]
    # a constant target is guessed without any loss
    return sum(known) / len(levels) if known else None


def _shifts(run: RunRecord) -> dict[str, float]:
    """How far from zero, and from the first outputs, the targets of a squared error lie, in their deviations."""
    first = run.calls[0]
    calls = [item for item in run.calls if item.name == first.name == "mse_loss" and item.targets.std > 0]
    if not calls:
        return {}
    deviation = math.sqrt(statistics.fmean(item.targets.std**2 for item in calls))
    shifts = {"target_offset": math.sqrt(statistics.fmean(item.targets.mean**2 for item in calls)) / deviation}
    untrained = [item for item in calls if item.step == first.step]
    if untrained:
        away = statistics.fmean(item.outputs.mean - item.targets.mean for item in untrained)
        shifts["output_offset"] = abs(away) / deviation
    return shifts


def _level(call: LossCall) -> float | None:
    if call.name in _CLASSES and call.classes > 1:
        return math.log(call.classes)
    if call.name in _BINARY:
        return math.log(2)
    if call.name == "mse_loss" and call.targets.std > 0:
        return call.targets.std**2
    return None


def _scale(run: RunRecord, calls: Sequence[LossCall]) -> float:
    """The multiple of the mean that the loss is; 1 where that is a sum over the batch, which is worth telling."""
    call, ratio = calls[0], _times_mean(run, calls)
    examples = max(1, call.output_shape[0] if call.output_shape else 1)
    elements = math.prod(call.target_shape) or 1
    own = elements / examples  # a sum over an example's own numbers, and a mean over the batch, is a usual loss
    if own > 1 and abs(ratio / own - 1) < _SAME:
        return ratio
    parts = len(calls) if all(item.reduction == "mean" for item in calls) else 1
    if parts > 1 and abs(ratio / parts - 1) < _SAME:  # a sum of as many means, even if they are as many as examples
        return ratio
    if CLOSE_CALLS <= parts < ratio:  # of more of them than are recorded, as of the words of a sequence
        return ratio
    sums = (examples, elements, math.prod(call.output_shape) or 1)
    is_sum = any(abs(ratio / size - 1) < _SAME or abs(ratio * size - 1) < _SAME for size in sums if size > 1)
    return 1.0 if is_sum or not 0 < ratio < math.inf else ratio


def _times_mean(run: RunRecord, calls: Sequence[LossCall]) -> float:
    """The first loss over the mean of what its calls gave; 1 where that is nothing."""
    value = statistics.fmean(item.value for item in calls)
    return run.losses[0] / value if value else 1.0


def _knows_already(call: LossCall, factor: float) -> bool:
    """Whether the answers are right more often than guesses could be."""
    if call.name == "mse_loss":  # an autoencoder may begin so; what is a batch's size too low is divided twice
        return not abs(factor * call.output_shape[0] - 1) < _TWICE
    classes = max(call.classes, 2)
    examples = max(1, math.prod(call.target_shape))
    error = math.sqrt((1 / classes) * (1 - 1 / classes) / examples)
    return call.accuracy is not None and call.accuracy > 1 / classes + _ERRORS * error

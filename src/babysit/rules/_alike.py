"""Recorded calls of loss functions, sorted by what they were given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from babysit.measure.record import LossCall

_VALUES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "gaussian_nll_loss")


def alike(calls: Iterable[LossCall]) -> Iterator[list[LossCall]]:
    """Calls of one kind, the first of each step together, the second together; those whose spread is known."""
    groups: dict[tuple[object, ...], list[LossCall]] = {}
    counts: Counter[tuple[object, ...]] = Counter()
    for call in calls:
        counts[call.step, *kind(call)] += 1
        if call.example_std is not None:
            groups.setdefault((counts[call.step, *kind(call)], *kind(call)), []).append(call)
    yield from groups.values()


def kind(call: LossCall) -> tuple[object, ...]:
    """What calls of one output of a model have in common."""
    return call.name, len(call.output_shape), call.output_shape[1:2]


def spread(call: LossCall) -> float:
    """How much the outputs differ from example to example; 0 where that is unknown."""
    return call.example_std if call.example_std is not None else 0.0


def scale(call: LossCall) -> float:
    """What a spread is measured in: the targets', where the outputs are to be like them; else the unit of logits."""
    return call.targets.std if is_like_targets(call) else 1.0


def size(call: LossCall) -> float:
    """How large the outputs are, or how much they differ between units."""
    return max(call.outputs.std, abs(call.outputs.mean))


def is_like_targets(call: LossCall) -> bool:
    """Whether the outputs are to be of the targets' kind, and no logits."""
    return call.name in _VALUES


def targets_vary(call: LossCall) -> bool:
    """Whether there are different targets in the batch."""
    return sum(count > 0 for count in call.counts) > 1 if call.counts else call.targets.std > 0

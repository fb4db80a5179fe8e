"""How often the gradient of a recurrent layer jumps while the loss has not run away."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from statistics import median

from babysit.measure.record import RunRecord
from babysit.rules._gradients import arrivals
from babysit.rules._passes import base, first_passes

_RECURRENT = ("RNN", "LSTM", "GRU")


@dataclass(frozen=True)
class Jumps:
    """The jumps of one layer's gradient norm × weight norm, in units of the loss.

    Attributes:
        module: The layer.
        steps: At which it jumped.
        seen: Sampled steps that were looked at.
        largest: The largest.
        typical: The median of all steps.
    """

    module: str
    steps: tuple[int, ...]
    seen: int
    largest: float
    typical: float


def jumps(run: RunRecord, *, level: float, limit: float, exploded: float) -> Iterator[Jumps]:
    """The layers used again and again that have gradients above a limit, up to the step at which the loss explodes.

    Args:
        run: The records.
        level: What the loss is measured in.
        limit: What is a jump.
        exploded: A loss that has run away.
    """
    recurrent = used_again(run)
    sizes: dict[str, list[tuple[float, int]]] = {}
    for step in takewhile(lambda step: step.loss <= exploded, run.steps):
        for module, item in arrivals(step, level).items():
            if module in recurrent and math.isfinite(item.sensitivity):
                sizes.setdefault(module, []).append((item.sensitivity, step.step))
    for module, seen in sizes.items():
        steps = tuple(step for size, step in seen if size > limit)
        if steps:
            yield Jumps(module, steps, len(seen), max(seen)[0], median(size for size, _ in seen))


def used_again(run: RunRecord) -> set[str]:
    """Recurrent layers, and others that one pass through the model uses several times."""
    layers = first_passes(dataclasses.replace(run, steps=run.steps[:1])).steps[0].layers
    again = {base(layer.module) for layer in layers if base(layer.module) != layer.module}
    return again | {layer.module for layer in layers if layer.type.startswith(_RECURRENT)}

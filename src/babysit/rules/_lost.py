"""At which layer a model loses what tells one example from another."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from statistics import median

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._passes import carries, first_passes

_SATURATED = 0.9
_EQUAL = 1e-6  # what rounding leaves between equal outputs, beside their size


@dataclass(frozen=True)
class Lost:
    """Where the outputs begin to be alike.

    Attributes:
        module: The layer.
        before: The one before it; ``""`` for the first.
        relative: Spread of its outputs over the examples, beside their size.
        dead: It is a dead rectifier or a saturated hidden activation, or the layer that made it so.
    """

    module: str
    before: str
    relative: float
    dead: bool


def lost_at(run: RunRecord, since: int, *, least: float, dead: float) -> Lost | None:
    """The first of the last layers whose outputs are all alike; ``None`` where the very last one's differ.

    Args:
        run: The records.
        since: First step that counts.
        least: Spread over the examples beside the outputs' size that counts as none.
        dead: Share of a rectifier's units that is a dead layer.
    """
    lost: Lost | None = None
    previous = ""
    lately = _lately(run, since)
    last = max((place for place, seen in enumerate(lately.values()) if carries(seen[0])), default=0)
    for place, (module, seen) in enumerate(lately.items()):
        relative = median(_relative(layer) or 0.0 for layer in seen)
        is_dead = median(layer.dead_fraction or 0.0 for layer in seen) >= dead or (
            place < last and median(layer.saturated_fraction or 0.0 for layer in seen) >= _SATURATED
        )
        if relative > least:
            lost = None
        elif lost is None:
            lost = Lost(module, previous, relative, is_dead)
        elif lost.module == previous and is_dead and lost.relative > _EQUAL:
            lost = dataclasses.replace(lost, dead=True)
        previous = module
    return lost


def _lately(run: RunRecord, since: int) -> dict[str, list[LayerStats]]:
    found: dict[str, list[LayerStats]] = {}
    for step in first_passes(run).steps:
        for layer in step.layers if step.step >= since else ():
            if _relative(layer) is not None:
                found.setdefault(layer.module, []).append(layer)
    return found


def _relative(layer: LayerStats) -> float | None:
    if layer.example_std is None or layer.std is None or layer.mean is None:
        return None
    size = max(layer.std, abs(layer.mean))
    return layer.example_std / size if size > 0 else 0.0

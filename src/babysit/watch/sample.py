"""Everything that is measured around one sampled step, until it becomes records."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from babysit.measure.record import LayerStats, StepRecord
from babysit.measure.statistics import has_comparable_units, identical_units
from babysit.watch.activations import ActivationSample
from babysit.watch.gather import Gather, Values
from babysit.watch.names import Names
from babysit.watch.parameters import UpdateSample, WeightStats, largest_gradient

_MOST_BACKWARDS = 8


@dataclass
class StepSample:
    """One sampled step while it goes on.

    Attributes:
        step: Its number.
        detailed: Whether batches and losses are looked at closely.
        structural: Whether the graph and the coverage are looked at.
        activations: What the layers put out.
        updates: What the optimizers do.
        gather: Numbers on their way to the host.
        called: Paths of the modules that were called.
        clip: Norm before clipping, and its limit.
        peaks: Largest element of the gradients after the backward pass, and when the step is taken.
        left: For each optimizer, whether any gradient was left at the beginning of each backward pass.
    """

    step: int
    detailed: bool
    structural: bool
    activations: ActivationSample
    updates: UpdateSample
    gather: Gather = field(default_factory=Gather)
    called: set[str] = field(default_factory=set)
    fewest: list[tuple[str, int]] = field(default_factory=list)
    clip: tuple[Callable[[], Values] | None, float] | None = None
    peaks: list[Tensor] = field(default_factory=list)
    left: dict[int, list[Callable[[], Values]]] = field(default_factory=dict)
    backwards: int = 0

    def finish(self, lr: float | None, names: Names, skipped: int) -> StepRecord:
        """Copy the numbers to the host, once, and make the record; its loss is for the caller to fill in."""
        activations = self.activations.reduce(self.gather)
        updates = self.updates.reduce(names, self.gather)
        peaks = self.gather.put(torch.stack(self.peaks).float()) if len(self.peaks) == 2 else None
        symmetry = self._symmetry(names) if self.structural else {}
        self.gather.read()
        moved = updates()
        layers = merge(activations(moved.layers), moved.layers, names)
        layers = [
            dataclasses.replace(item, identical_units=float(symmetry[item.module]()[0]))
            if item.module in symmetry
            else item
            for item in layers
        ]
        clipped_from = None
        if self.clip is not None and self.clip[0] is not None:
            clipped_from = float(self.clip[0]()[0])
        return StepRecord(
            self.step,
            math.nan,
            lr,
            tuple(layers),
            gradient_norm=moved.gradient_norm,
            clipped_from=clipped_from,
            clip_limit=None if self.clip is None else self.clip[1],
            gradient_peaks=None if peaks is None else tuple(float(value) for value in peaks()),
            backwards=max(1, self.backwards),
            cleared=self._cleared(),
            skipped=skipped,
            descent=moved.descent,
        )

    def note_peak(self, parameters: Sequence[Tensor], *, taken: bool) -> None:
        """Look at the largest gradient.

        Args:
            parameters: All that are trained.
            taken: Whether the step is about to be taken, and not a backward pass over, of which the last one counts.
        """
        if taken and not self.peaks:
            return
        peak = largest_gradient(parameters)
        if peak is not None:
            self.peaks = [*self.peaks[:1], peak] if taken else [peak]

    def note_gradients_before(self, optimizer: int, parameters: Sequence[Tensor]) -> None:
        """Look whether any gradient is left when a backward pass begins.

        Args:
            optimizer: Tells apart what takes the steps.
            parameters: What it trains.
        """
        seen = self.left.setdefault(optimizer, [])
        if len(seen) >= _MOST_BACKWARDS:
            return
        gradients = [item.grad.detach() for item in parameters if item.grad is not None and not item.grad.is_sparse]
        # a few tell as much as all of them
        some = gradients[:4] + gradients[-4:]
        seen.append(self.gather.put(torch.stack([item.any() for item in some]).any()) if some else _nothing)

    def _cleared(self) -> bool | None:
        """Whether every optimizer began at least one backward pass with clean gradients."""
        if not self.left:
            return None
        return all(any(float(read()[0]) == 0 for read in readers) for readers in self.left.values())

    def _symmetry(self, names: Names) -> dict[str, Callable[[], Values]]:
        found: dict[str, Callable[[], Values]] = {}
        for parameter in self.updates.parameters:
            owner = names.owner_of(parameter)
            if owner not in found and has_comparable_units(parameter):
                found[owner] = self.gather.put(identical_units(parameter))
        return found


def merge(activations: Sequence[LayerStats], weights: Mapping[str, WeightStats], names: Names) -> list[LayerStats]:
    """Activations in the order of the forward pass, and the weights of modules of which none were seen.

    Modules whose forward pass is not seen, as those inside fused attention, come after the module before them.
    """
    seen = {layer.module for layer in activations}
    unseen = [(path, item) for path, item in weights.items() if path not in seen]
    merged = list(activations)
    kinds = {path: type(module).__name__ for path, module in names.owners()} if unseen else {}
    order = {path: place for place, path in enumerate(kinds)}
    for path, item in unseen:
        place = order.get(path, math.inf)
        before = [index for index, other in enumerate(merged) if order.get(other.module, -1) < place]
        at = before[-1] + 1 if before else 0
        layer = LayerStats(path, kinds.get(path, ""), **item._asdict())
        merged.insert(len(merged) if math.isinf(place) else at, layer)
    return merged


def _nothing() -> Values:
    return np.zeros(1)

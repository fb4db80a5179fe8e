"""The inputs of the first training batches together, feature by feature, and the targets' balance."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from babysit.measure.record import Probe
from babysit.watch.facts import Facts

BATCHES = 64
_MOST_FEATURES = 1 << 16
_ROUNDING = 1e-6
"""A feature whose variance is a smaller share of its mean square is constant: sums of single precision end there."""


class InputProbes:
    """Sums over the first training batches, on their device.

    Attributes:
        batch_size: Examples of the largest batch so far; 0 before any.
    """

    def __init__(self) -> None:
        self.batch_size = 0
        self._batches = 0
        self._rows = 0
        self._sums: Tensor | None = None
        self._nonfinite: Tensor | None = None
        self._written: Probe | None = None

    def add(self, batch: Tensor) -> None:
        """Take the inputs of a training batch, ``(N, …)``, into account."""
        if batch.dim() == 0 or batch.numel() == 0:
            return
        self.batch_size = max(self.batch_size, len(batch))
        if self._batches >= BATCHES or not batch.is_floating_point() or batch.dim() < 2:
            return
        rows = batch.detach().reshape(len(batch), -1)
        if rows.shape[1] > _MOST_FEATURES:
            return
        rows = rows.float() if rows.itemsize < 4 else rows
        sums = torch.stack([rows.sum(dim=0), rows.square().sum(dim=0)])
        broken = sums[1].isfinite().logical_not().sum()
        sums = torch.where(sums.isfinite(), sums, 0).to(torch.float32 if rows.device.type == "mps" else torch.float64)
        if self._sums is None or self._nonfinite is None:
            self._sums, self._nonfinite = sums, broken
        elif self._sums.shape == sums.shape and self._sums.device == sums.device:
            self._sums = self._sums + sums
            self._nonfinite = self._nonfinite + broken
        else:  # sizes vary from batch to batch: there are no features to speak of
            return
        self._batches += 1
        self._rows += len(batch)

    def probes(self, facts: Facts) -> Iterator[Probe]:
        """What is known so far, where anything is new."""
        numbers: dict[str, float] = {}
        if self._nonfinite is not None:
            numbers["nonfinite"] = float(self._nonfinite)
        counts = facts.class_counts()
        # where there are more labels than examples they are words or pixels, which are never balanced
        if counts is not None and len(counts) > 1 and 0 < facts.labels <= (self.batch_size or facts.rows):
            present = counts[counts > 0]
            numbers["imbalance_ratio"] = float(present.max() / present.min()) if len(present) > 1 else 1.0
            numbers["examples_counted"] = float(counts.sum())
            numbers["smallest_class"] = float(present.min()) if len(present) else 0.0
        probe = Probe("data", numbers)
        if numbers and probe != self._written:
            self._written = probe
            yield probe
            yield from self._inputs()

    def _inputs(self) -> Iterator[Probe]:
        if self._sums is None or self._rows < 2:
            return
        means, squares = self._sums / self._rows
        variances = (squares - means.square()).clamp_min(0)
        stds = variances.sqrt()
        mean = float(means.mean())
        std = math.sqrt(max(float(squares.mean()) - mean * mean, 0.0))
        varying = (stds > 1e-6 * max(std, 1e-30)) & (variances > _ROUNDING * squares)
        if not bool(varying.any()):
            return
        yield Probe(
            "inputs",
            {
                "mean": mean,
                "std": std,
                "largest_offset": float((means[varying].abs() / stds[varying]).max()),
                "largest_shift": float(means[varying].abs().max() / variances[varying].mean().sqrt()),
                "smallest_std": float(stds[varying].min()),
                "largest_std": float(stds[varying].max()),
            },
        )

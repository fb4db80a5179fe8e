"""What the calls of loss functions tell of the whole training: the task, the loss, and what guessing would cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babysit.watch.calls import BINARY, Call, correct_share, counts_entropy

OBSERVED = 256
"""Calls whose targets are counted."""

_MOST_CLASSES = 1 << 17
_EXAMPLES_PER_CLASS = 5
_MOST_OUTPUTS = 1 << 16
_SAME = 0.01
_HEADS = 4
"""Calls before one backward pass that may well be of as many heads of one model, with the same examples."""
_FIXED = 1e-3


@dataclass(frozen=True)
class Targets:
    """The targets of one call, counted or summed.

    Attributes:
        name: Of the loss function.
        counts: Of each class, ``(C,)``; ``None`` where they are no class indices.
        sums: Sum of the targets of each output, and of their squares, ``(2, D)``; ``None`` for class indices.
        rows: How many examples.
        labels: How many targets.
        weighted: Whether classes or examples were given weights.
        smoothing: Of the labels.
    """

    name: str
    counts: Tensor | None
    sums: Tensor | None
    rows: int
    labels: int
    weighted: bool
    smoothing: float


def observe(call: Call) -> Targets:
    """Count or sum the targets of a call."""
    weighted = call.options.get("weight") is not None or call.options.get("pos_weight") is not None
    smoothing = float(call.options.get("label_smoothing", 0.0))
    targets = call.targets.detach()
    rows = len(targets) if targets.dim() else 1
    counts = sums = None
    if call.is_classification and call.outputs.dim() > 1:
        classes = call.outputs.shape[1]
        flat = targets.reshape(-1)
        flat = flat[(flat >= 0) & (flat < classes)].long().cpu()
        counts = torch.bincount(flat, minlength=classes) if classes <= _MOST_CLASSES else None
    elif targets.is_floating_point() and targets.numel() <= _MOST_OUTPUTS * max(rows, 1):
        wide = targets.reshape(rows, -1).to(torch.float32 if targets.device.type == "mps" else torch.float64)
        sums = torch.stack([wide.sum(dim=0), wide.square().sum(dim=0)])
    return Targets(call.name, counts, sums, rows, targets.numel(), weighted, smoothing)


@torch.no_grad()
def observe_picked(targets: Tensor, classes: int) -> Targets | None:
    """Count the targets of a loss that is written out by hand; ``None`` where they are none of the classes."""
    flat = targets.long().cpu()
    if not 2 <= classes <= _MOST_CLASSES or not len(flat) or not bool(((flat >= 0) & (flat < classes)).all()):
        return None
    counts = torch.bincount(flat, minlength=classes)
    return Targets("", counts, None, len(flat), len(flat), weighted=False, smoothing=0.0)


@dataclass
class Facts:
    """Learns from the calls in training what the loss is and what a constant prediction would lose.

    Attributes:
        names: The loss functions that were called.
        classes: How many classes there are; 0 where the targets are none.
        regression: Whether the targets are values.
        labels: Most targets of one call.
        rows: Most examples of one call.
    """

    names: set[str] = field(default_factory=set)
    classes: int = 0
    regression: bool = False
    labels: int = 0
    rows: int = 0
    _of_itself: bool = False
    _weighted: bool = False
    _smoothing: float = 0.0
    _counts: Tensor | None = None
    _sums: Tensor | None = None
    _rows: int = 0
    _ratios: list[float] = field(default_factory=list)
    _plain: int = 0

    def learn(self, name: str, targets: Targets | None, *, of_itself: bool = False) -> None:
        """Take a call in training into account.

        Args:
            name: Of the function.
            targets: What it was given to hit; ``None`` where they were not looked at.
            of_itself: The model makes them, so that they say nothing of the data, nor of what guessing would cost.
        """
        self.names.add(name)
        self._of_itself |= of_itself
        if targets is None or of_itself:
            return
        self._weighted |= targets.weighted
        self._smoothing = targets.smoothing
        self.labels = max(self.labels, targets.labels)
        self.rows = max(self.rows, targets.rows)
        if targets.counts is not None:
            self.classes = max(self.classes, len(targets.counts))
            same = self._counts is not None and len(self._counts) == len(targets.counts)
            self._counts = self._counts + targets.counts if same and self._counts is not None else targets.counts
        elif targets.sums is not None:
            self._add(targets, targets.sums)

    def learn_pass(self, labels: Sequence[int]) -> None:
        """Take all the calls before one backward pass together: words of a sequence may be judged one by one.

        Args:
            labels: How many each call had.
        """
        if len(labels) > _HEADS:
            self.labels = max(self.labels, sum(labels))

    def relate(self, backpropagated: float, values: Sequence[float], means: Sequence[float]) -> int:
        """Compare what was backpropagated in a step with what the loss functions gave.

        Args:
            backpropagated: The sum over the step's backward passes.
            values: What the loss functions gave.
            means: Likewise, each as a mean over its elements.

        Returns:
            1 where it is their value, −1 where it is that with its sign turned, 0 otherwise.
        """
        total = sum(values)
        if not values or not math.isfinite(total + backpropagated) or total == 0:
            return 0
        mean = total / len(values)
        average = sum(means) / len(means)
        counts = bool(average) and len(self._ratios) < OBSERVED
        if counts:
            self._ratios.append(backpropagated / average)
        near = abs(mean) * _SAME
        found = next((sign for sign in (1, -1) for v in (total, mean) if abs(backpropagated - sign * v) <= near), 0)
        self._plain += counts and found != 0
        return found

    @property
    def loss_name(self) -> str:
        """The loss function, where what is backpropagated is a fixed multiple of its value; else ``""``.

        A small part that is added, as a penalty of the weights, is allowed for where the rest is the value itself. A
        multiple that is not quite fixed is no multiple: it may be a small part of a loss that hardly changes.
        """
        if len(self.names) != 1 or self._of_itself or not self._ratios:
            return ""
        tolerance = 3 * _SAME if self._plain >= 0.8 * len(self._ratios) else _FIXED
        middle = median(self._ratios)
        off = sum(abs(ratio - middle) > tolerance * abs(middle) for ratio in self._ratios)
        return "" if off > 0.2 * len(self._ratios) else next(iter(self.names))

    @property
    def task(self) -> str:
        """``"classification"``, ``"regression"`` or ``""``."""
        if self.classes:
            return "classification"
        return "regression" if self.regression else ""

    def chance(self) -> float | None:
        """What the best constant prediction would lose, in what is backpropagated; ``None`` where unknown."""
        if not self.loss_name or self._weighted:
            return None
        scale, guess = median(self._ratios), self._guess()
        return None if guess is None or not scale > 0 else scale * guess

    def variance(self) -> float | None:
        """Variance of the targets, the mean over the outputs; ``None`` where unknown."""
        if self._sums is None or self._rows < 2:
            return None
        means, squares = self._sums / self._rows
        value = float((squares - means.square()).clamp_min(0).mean())
        return value if math.isfinite(value) else None

    def class_counts(self) -> NDArray[np.int64] | None:
        """How often each class came, ``(C,)``; ``None`` where the targets are no classes."""
        if self._counts is not None:
            return self._counts.numpy()
        if self.classes == 2 and self._sums is not None:
            ones = round(float(self._sums[0, 0]))
            return np.array([self._rows - ones, ones])
        return None

    def _guess(self) -> float | None:
        (name,) = self.names
        if self._counts is not None and name in ("cross_entropy", "nll_loss"):
            counts = self._counts.numpy()
            # too few examples a class would make guessing look easier than it is
            enough = counts.sum() >= _EXAMPLES_PER_CLASS * (counts > 0).sum() > 0
            return counts_entropy(counts, self._smoothing) if enough else None
        if name == "mse_loss":
            return self.variance()
        if name in BINARY and self._sums is not None and self._rows:
            share = (self._sums[0] / self._rows).clamp(1e-12, 1 - 1e-12)
            return float(-(share * share.log() + (1 - share) * (1 - share).log()).mean())
        return None

    def _add(self, targets: Targets, sums: Tensor) -> None:
        if self._sums is None or self._sums.shape != sums.shape or self._sums.device != sums.device:
            self._sums, self._rows = torch.zeros_like(sums), 0
        self._sums = self._sums + sums
        self._rows += targets.rows
        if targets.name in BINARY:
            self.classes = 2 if sums.shape[1] == 1 else 0
        else:
            self.regression = True


def score_of(call: Call, variance: float | None) -> Tensor:
    """Accuracy, or for a squared error 1 − loss / variance of the targets; NaN where neither has a meaning."""
    if call.name == "mse_loss" and variance and call.result is not None:
        return 1 - call.value / variance
    return correct_share(call)

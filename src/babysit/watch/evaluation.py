"""Passes over held-out data: everything between two training steps that needs no gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from babysit.measure.record import EVALUATION, Evaluation, Forward, LossCall
from babysit.watch.batches import Inputs, SeenExamples, resolve
from babysit.watch.gather import Gather, Values

CLOSELY = 4
"""Calls of a pass that are recorded one by one."""

_FLUSH = 64
_TRAINING_SHARE = 0.7
_LEAST_COVERAGE = 0.02


@dataclass(frozen=True)
class Light:
    """The loss and score of one batch."""

    numbers: Tensor
    examples: int


@dataclass
class Pass:
    """One evaluation pass while it goes on.

    Attributes:
        step: Steps taken before it.
        kept: Whether it is recorded.
    """

    step: int
    kept: bool
    gather: Gather = field(default_factory=Gather)
    forwards: list[tuple[Forward, Callable[[], Inputs]]] = field(default_factory=list)
    calls: list[Callable[[int, str], LossCall]] = field(default_factory=list)
    batches: int = 0
    loss_name: str = ""
    _light: list[Light] = field(default_factory=list)
    _loss: float = 0.0
    _score: float = 0.0
    _examples: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been evaluated yet."""
        return not self.batches and not self.forwards

    @property
    def wants_forwards(self) -> bool:
        """Whether the next call of a model is to be recorded."""
        return self.kept and len(self.forwards) < CLOSELY

    def add(self, light: Light) -> None:
        """Take one batch into the average."""
        self.batches += 1
        self._light.append(light)
        if len(self._light) >= _FLUSH:
            self._read()

    def result(self) -> tuple[float, float, int]:
        """Mean loss, mean score and the number of examples."""
        self._read()
        if not self._examples:
            return math.nan, math.nan, 0
        return self._loss / self._examples, self._score / self._examples, self._examples

    def _read(self) -> None:
        for light, (loss, score) in zip(self._light, read_lights(self._light), strict=True):
            self._loss += loss * light.examples
            self._score += score * light.examples
            self._examples += light.examples
        self._light.clear()


def read_lights(lights: list[Light]) -> list[tuple[float, float]]:
    """Loss and score of each batch, in one copy."""
    if not lights:
        return []
    gather = Gather()
    readers: list[Callable[[], Values]] = [gather.put(light.numbers) for light in lights]
    gather.read()
    return [(float(values[0]), float(values[1])) for values in (read() for read in readers)]


def average(lights: list[Light]) -> tuple[float, float, int]:
    """Mean loss and score over the examples of some batches, and how many there are."""
    total = sum(light.examples for light in lights)
    if not total:
        return math.nan, math.nan, 0
    read = read_lights(lights)
    loss, score = (
        sum(values[place] * light.examples for values, light in zip(read, lights, strict=True)) / total
        for place in (0, 1)
    )
    return loss, score, total


def resolved_forwards(finished: Pass, seen: SeenExamples) -> list[Forward]:
    """The models' calls of a pass, with what is known of their examples."""
    return [resolve(forward, seen, read(), EVALUATION) for forward, read in finished.forwards]


def is_over_training(forwards: list[Forward], seen: SeenExamples, available: int) -> bool:
    """Whether a pass went over the training examples themselves.

    Args:
        forwards: Of the pass.
        seen: Fingerprints of training examples, which may be a part of them.
        available: How many training examples there are; 0 when unknown.
    """
    examples = sum(forward.examples for forward in forwards)
    if not examples or not len(seen):
        return False
    share = sum(forward.seen for forward in forwards) / examples
    coverage = min(1.0, len(seen) / available) if available else 1.0
    return share >= _TRAINING_SHARE * max(coverage, _LEAST_COVERAGE) and share > _LEAST_COVERAGE


def evaluation(finished: Pass, epoch: float, split: str) -> Evaluation | None:
    """The record of a pass; ``None`` where no loss function was called in it."""
    loss, score, examples = finished.result()
    return Evaluation(finished.step, epoch, split, loss, score, examples) if examples else None


def light(value: Tensor, score: Tensor, examples: int) -> Light:
    """A batch's loss and score, on its device."""
    return Light(torch.stack([value.detach().float(), score.detach().float().to(value.device)]), examples)

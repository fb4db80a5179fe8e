"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from babysit.search.engines.stacked.layers._base import Layer, Update


class Dropout(Layer):
    """Dropout with each trial's own probability and own random numbers: those it would draw if it were alone.

    Args:
        probabilities: Of each trial.
        units: Of each trial.
        generators: Of each trial; shared by its dropout layers.
    """

    def __init__(
        self, probabilities: Sequence[float], units: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        self._draws = list(zip(probabilities, units, generators, strict=True))
        self._noise = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        trials, units, examples = x.shape
        noise = x.new_zeros((trials, examples, units))
        for trial, (probability, own, generator) in enumerate(self._draws):
            _draw(noise[trial, :, :own], probability, generator)
        self._noise = noise.transpose(1, 2)
        return x * self._noise

    def evaluate(self, x: Tensor) -> Tensor:
        return x

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        return delta * self._noise


def _draw(noise: Tensor, probability: float, generator: torch.Generator) -> None:
    """What :func:`torch.nn.functional.dropout` multiplies with on a CPU, drawn as it draws it."""
    if probability == 0:
        noise.fill_(1)
    elif probability < 1:
        own = noise if noise.is_contiguous() else torch.empty_like(noise, memory_format=torch.contiguous_format)
        own.bernoulli_(1 - probability, generator=generator).div_(1 - probability)
        if own is not noise:
            noise.copy_(own)

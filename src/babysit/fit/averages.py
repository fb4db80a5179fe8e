"""Averages of one model's own weights along its training: Polyak's average, and snapshots to vote."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]

POLYAK_EVERY = 10
"""Steps between two updates of the average, so that it costs a tenth of what it would."""
POLYAK_DECAY = 0.99
"""Share of the old average kept at each of them: a memory of about 1,000 steps."""


def copy_weights(model: nn.Module) -> Weights:
    """The model's parameters and buffers, copied."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


class PolyakAverage:
    """Exponential average of the weights; often a little better than the last weights themselves.

    Args:
        model: Whose weights are averaged.
        weights: Go on from this average.
        updates: How many updates that average has seen.
    """

    def __init__(self, model: nn.Module, weights: Weights | None = None, updates: int = 0) -> None:
        self.weights = copy_weights(model)
        for name, average in (weights or {}).items():
            self.weights[name].copy_(average)
        self.updates = updates

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average a little towards the present weights; fast at first, so that it forgets the beginning."""
        self.updates += 1
        decay = min(POLYAK_DECAY, (1 + self.updates) / (10 + self.updates))
        for name, present in model.state_dict().items():
            average = self.weights[name]
            if average.is_floating_point():
                average.lerp_(present, 1 - decay)
            else:
                average.copy_(present)


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights into a model of the same structure."""
    model.load_state_dict(dict(weights))


def with_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A copy of a model that has other weights."""
    copied = copy.deepcopy(model)
    load_weights(copied, weights)
    return copied

"""What all layers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from babysit.search.engines.stacked.weights import Block, Chunk

Update = Callable[[Chunk], None]
"""Updates some parameters, whose gradients have just been written."""


class Layer(ABC):
    """One piece of all networks."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Values in training; what the backward pass needs is kept. ``x`` may be overwritten by elementwise layers."""

    @abstractmethod
    def backward(self, delta: Tensor, update: Update) -> Tensor:
        """The gradient of the input, given that of the output; the parameters are updated on the way.

        Each chunk of them is updated as soon as its gradient is there, while it is in the cache; what depends on the
        old ones is computed before.
        """

    @abstractmethod
    def evaluate(self, x: Tensor) -> Tensor:
        """Values in evaluation."""


def update_by(block: Block, gradient: Tensor, update: Update) -> None:
    """Update a parameter whose gradient is there as a whole."""
    for chunk in block.chunks:
        chunk.grad.copy_(gradient[chunk.trials])
        update(chunk)

"""Activations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from babysit.search.engines.stacked.layers._base import Layer, Update, update_by
from babysit.search.engines.stacked.weights import Block


class ReLU(Layer):
    """In place: what comes before it has no need of its own output."""

    def __init__(self) -> None:
        self._out = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self._out = x.relu_()
        return self._out

    def evaluate(self, x: Tensor) -> Tensor:
        return x.relu_()

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        return torch.ops.aten.threshold_backward(delta, self._out, 0)  # type: ignore[no-any-return]


class Elementwise(Layer):
    """Any other activation, its derivative by autograd.

    Args:
        module: Of one of the trials; its settings are the others' too.
        mask: ``(K, units, 1)``, 0 at units that a trial lacks; only needed where the activation of 0 is not 0.
    """

    def __init__(self, module: nn.Module, mask: Tensor | None) -> None:
        self._module = module
        self._mask = mask
        self._inplace = bool(getattr(module, "inplace", False))
        self._x = self._out = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self._x = x.requires_grad_()
        with torch.enable_grad():
            # what works in place may not be given a leaf
            self._out = self._masked(self._module(x.clone() if self._inplace else x))
        return self._out.detach()

    def evaluate(self, x: Tensor) -> Tensor:
        return self._masked(self._module(x))

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        (gradient,) = torch.autograd.grad(self._out, self._x, delta)
        return gradient

    def _masked(self, x: Tensor) -> Tensor:
        return x if self._mask is None else x * self._mask


class PReLU(Layer):
    """A slope that is learned, one of a trial or one of each unit."""

    def __init__(self, slope: Block) -> None:
        self._slope = slope
        self._x = slope.value

    def forward(self, x: Tensor) -> Tensor:
        self._x = x
        return self.evaluate(x)

    def evaluate(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x * self._slope.value.unsqueeze(2))

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        before = torch.where(self._x > 0, delta, delta * self._slope.value.unsqueeze(2))
        gradient = (delta * self._x.clamp_max(0)).sum(dim=2)
        one = self._slope.value.shape[1] == 1
        update_by(self._slope, gradient.sum(dim=1, keepdim=True) if one else gradient, update)
        return before


class MaxPieces(Layer):
    """The largest of the pieces of each Maxout unit."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self._winners = torch.empty(0, dtype=torch.int64)

    def forward(self, x: Tensor) -> Tensor:
        values, self._winners = self._by_piece(x).max(dim=1)
        return values

    def evaluate(self, x: Tensor) -> Tensor:
        return self._by_piece(x).amax(dim=1)

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        trials, units, examples = delta.shape
        gradient = delta.new_zeros((trials, self._pieces, units, examples))
        return gradient.scatter_(1, self._winners.unsqueeze(1), delta.unsqueeze(1)).flatten(1, 2)

    def _by_piece(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], self._pieces, -1, x.shape[2])

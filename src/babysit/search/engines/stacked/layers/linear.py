"""Linear layers."""

from __future__ import annotations

import torch
from torch import Tensor

from babysit.fit.fast_linear import SMALLEST, onednn_is_faster, product
from babysit.search.engines.stacked.layers._base import Layer, Update, update_by
from babysit.search.engines.stacked.weights import Block, Chunk


class WideLinear(Layer):
    """The first linear layer: all trials see the same inputs, ``(N, I)``, so that theirs is one wide matrix.

    Args:
        weight: ``(K, O, I)``.
        bias: ``(K, O)``, or none.
        idle: Whether a batch norm takes the bias away again, so that it has no gradient.
    """

    def __init__(self, weight: Block, bias: Block | None, *, idle: bool = False) -> None:
        self._weight, self._bias, self._idle = weight, bias, idle
        self._x = weight.value
        self._matrix = weight.value.flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        self._x = x
        return self.evaluate(x)

    def evaluate(self, x: Tensor) -> Tensor:
        trials, units, _ = self._weight.value.shape
        if _fast(self._matrix, x):
            out = product(self._matrix, x).view(trials, units, len(x))
            return out if self._bias is None else out.add_(self._bias.value.unsqueeze(2))
        if self._bias is None:
            return torch.mm(self._matrix, x.t()).view(trials, units, len(x))
        return torch.addmm(self._bias.value.view(-1, 1), self._matrix, x.t()).view(trials, units, len(x))

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        for chunk in self._weight.chunks:
            self._write_gradient(chunk, delta[chunk.trials].flatten(0, 1))
            update(chunk)
        if self._bias is not None:
            update_by(self._bias, _of_bias(delta, idle=self._idle), update)
        return delta  # nobody asks for the inputs' gradient

    def _write_gradient(self, chunk: Chunk, delta: Tensor) -> None:
        grad = chunk.grad.flatten(0, 1)
        if _fast(delta, self._x.t()):
            grad.copy_(product(delta, self._x.t()))
        else:
            torch.mm(delta, self._x, out=grad)


class Linear(Layer):
    """A linear layer further on, ``(K, I, N)`` → ``(K, O, N)``.

    Args:
        weight: ``(K, O, I)``.
        bias: ``(K, O)``, or none.
        idle: Whether a batch norm takes the bias away again, so that it has no gradient.
    """

    def __init__(self, weight: Block, bias: Block | None, *, idle: bool = False) -> None:
        self._weight, self._bias, self._idle = weight, bias, idle
        self._x = weight.value

    def forward(self, x: Tensor) -> Tensor:
        self._x = x
        return self.evaluate(x)

    def evaluate(self, x: Tensor) -> Tensor:
        if self._bias is None:
            return torch.bmm(self._weight.value, x)
        return torch.baddbmm(self._bias.value.unsqueeze(2), self._weight.value, x)

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        before = torch.bmm(self._weight.value.transpose(1, 2), delta)
        for chunk in self._weight.chunks:
            torch.bmm(delta[chunk.trials], self._x[chunk.trials].transpose(1, 2), out=chunk.grad)
            update(chunk)
        if self._bias is not None:
            update_by(self._bias, _of_bias(delta, idle=self._idle), update)
        return before


def _of_bias(delta: Tensor, *, idle: bool) -> Tensor:
    """A bias's gradient, ``(K, O)``."""
    return delta.new_zeros(delta.shape[:2]) if idle else delta.sum(dim=2)


def _fast(matrix: Tensor, x: Tensor) -> bool:
    return (
        matrix.dtype is torch.float32
        and matrix.device.type == "cpu"
        and len(x) * matrix.numel() >= SMALLEST
        and onednn_is_faster()
    )

"""Batch norm and layer norm."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from babysit.search.engines.stacked.layers._base import Layer, Update, update_by
from babysit.search.engines.stacked.weights import Block


@dataclass(eq=False)
class BatchNorm(Layer):
    """Batch norm over the examples, all units of all trials as the channels of one."""

    weight: Block | None
    bias: Block | None
    mean: Block
    variance: Block
    batches: Block
    momentum: float
    eps: float

    def forward(self, x: Tensor) -> Tensor:
        examples = x.shape[2]
        if examples < 2:
            raise ValueError("batch norm of one example")  # as torch's own module says
        self._x = x.reshape(1, -1, examples)
        # torch's one pass over the batch takes three times as long as these two
        mean = self._x.mean(dim=2).view(-1)
        variance = (self._x - mean.view(1, -1, 1)).square_().mean(dim=2).view(-1)
        self._mean, self._inverse = mean, (variance + self.eps).rsqrt_()
        self.batches.value.add_(1)
        self.mean.value.lerp_(mean.view_as(self.mean.value), self.momentum)
        unbiased = variance.view_as(self.variance.value) * (examples / (examples - 1))
        self.variance.value.lerp_(unbiased, self.momentum)
        weight, bias, _, _ = self._tensors()
        out = torch.native_batch_norm(self._x, weight, bias, mean, variance, False, self.momentum, self.eps)[0]
        return out.view_as(x)

    def evaluate(self, x: Tensor) -> Tensor:
        flat = x.reshape(1, -1, x.shape[2])
        return torch.native_batch_norm(flat, *self._tensors(), False, self.momentum, self.eps)[0].view_as(x)

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        weight, _, mean, variance = self._tensors()
        gradient, for_weight, for_bias = torch.ops.aten.native_batch_norm_backward(
            delta.reshape_as(self._x), self._x, weight, mean, variance, self._mean, self._inverse, True, self.eps,
            [True, weight is not None, weight is not None],
        )  # fmt: skip
        if self.weight is not None and self.bias is not None:
            update_by(self.weight, for_weight.view_as(self.weight.value), update)
            update_by(self.bias, for_bias.view_as(self.bias.value), update)
        return gradient.view_as(delta)  # type: ignore[no-any-return]

    def _tensors(self) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor]:
        weight = None if self.weight is None else self.weight.value.view(-1)
        bias = None if self.bias is None else self.bias.value.view(-1)
        return weight, bias, self.mean.value.view(-1), self.variance.value.view(-1)


class LayerNorm(Layer):
    """Layer norm over the units.

    Args:
        weight: Scale, if any.
        bias: Shift, if any.
        eps: Added to the variance.
        units: ``(K, 1, 1)``: how many each trial has.
        mask: ``(K, units, 1)``, 0 at units that a trial lacks; ``None`` where none lacks any.
    """

    def __init__(
        self, weight: Block | None, bias: Block | None, eps: float, units: Tensor, mask: Tensor | None
    ) -> None:
        self._weight, self._bias, self._eps, self._units, self._mask = weight, bias, eps, units, mask
        self._normal = self._inverse = units

    def forward(self, x: Tensor) -> Tensor:
        self._normal, self._inverse = self._normalised(x)
        return self._scaled(self._normal)

    def evaluate(self, x: Tensor) -> Tensor:
        return self._scaled(self._normalised(x)[0])

    def backward(self, delta: Tensor, update: Update) -> Tensor:
        if self._weight is not None:
            scaled = delta * self._weight.value.unsqueeze(2)
            update_by(self._weight, (delta * self._normal).sum(dim=2), update)
            if self._bias is not None:
                update_by(self._bias, delta.sum(dim=2), update)
            delta = scaled
        along = (delta * self._normal).sum(dim=1, keepdim=True) / self._units
        level = delta.sum(dim=1, keepdim=True) / self._units
        return self._masked(delta - level - self._normal * along) * self._inverse

    def _normalised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        centred = self._masked(x - x.sum(dim=1, keepdim=True) / self._units)
        variance = centred.square().sum(dim=1, keepdim=True) / self._units
        inverse = (variance + self._eps).rsqrt_()
        return centred * inverse, inverse

    def _scaled(self, x: Tensor) -> Tensor:
        if self._weight is None:
            return x.clone()  # the next layer may overwrite what it is given
        if self._bias is None:
            return x * self._weight.value.unsqueeze(2)
        return torch.addcmul(self._bias.value.unsqueeze(2), x, self._weight.value.unsqueeze(2))

    def _masked(self, x: Tensor) -> Tensor:
        return x if self._mask is None else x * self._mask

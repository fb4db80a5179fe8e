"""The layers of many networks at once: values are ``(K, units, N)``, example last, so that every product is one GEMM.

Forward and backward are written by hand, as autograd would keep more and write more, and as weights are then updated
while their gradients are in the cache. Units that a trial lacks are zero all the way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from babysit.fit.fast_linear import SMALLEST, onednn_is_faster, product
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


class WideLinear(Layer):
    """The first linear layer: all trials see the same inputs, ``(N, I)``, so that theirs is one wide matrix."""

    def __init__(self, weight: Block, bias: Block | None) -> None:
        self._weight, self._bias = weight, bias
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
            _update_by(self._bias, delta.sum(dim=2), update)
        return delta  # nobody asks for the inputs' gradient

    def _write_gradient(self, chunk: Chunk, delta: Tensor) -> None:
        grad = chunk.grad.flatten(0, 1)
        if _fast(delta, self._x.t()):
            grad.copy_(product(delta, self._x.t()))
        else:
            torch.mm(delta, self._x, out=grad)


class Linear(Layer):
    """A linear layer further on, ``(K, I, N)`` → ``(K, O, N)``."""

    def __init__(self, weight: Block, bias: Block | None) -> None:
        self._weight, self._bias = weight, bias
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
            _update_by(self._bias, delta.sum(dim=2), update)
        return before


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
        _update_by(self._slope, gradient.sum(dim=1, keepdim=True) if one else gradient, update)
        return before


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
        if x.shape[2] < 2:
            raise ValueError("batch norm of one example")  # as torch's own module says
        self._x = x.reshape(1, -1, x.shape[2])
        self.batches.value.add_(1)
        out, self._mean, self._inverse = torch.native_batch_norm(self._x, *self._tensors(), True, self.momentum, self.eps)
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
            _update_by(self.weight, for_weight.view_as(self.weight.value), update)
            _update_by(self.bias, for_bias.view_as(self.bias.value), update)
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

    def __init__(self, weight: Block | None, bias: Block | None, eps: float, units: Tensor, mask: Tensor | None) -> None:
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
            _update_by(self._weight, (delta * self._normal).sum(dim=2), update)
            if self._bias is not None:
                _update_by(self._bias, delta.sum(dim=2), update)
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
            return x
        if self._bias is None:
            return x * self._weight.value.unsqueeze(2)
        return torch.addcmul(self._bias.value.unsqueeze(2), x, self._weight.value.unsqueeze(2))

    def _masked(self, x: Tensor) -> Tensor:
        return x if self._mask is None else x * self._mask


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
        return x.unflatten(1, (self._pieces, x.shape[1] // self._pieces))


def _update_by(block: Block, gradient: Tensor, update: Update) -> None:
    """Update a parameter whose gradient is there as a whole."""
    for chunk in block.chunks:
        chunk.grad.copy_(gradient[chunk.trials])
        update(chunk)


def _draw(noise: Tensor, probability: float, generator: torch.Generator) -> None:
    """What :func:`torch.nn.functional.dropout` multiplies with on a CPU, drawn as it draws it."""
    if probability == 0:
        noise.fill_(1)
    elif probability < 1:
        own = noise if noise.is_contiguous() else torch.empty_like(noise, memory_format=torch.contiguous_format)
        own.bernoulli_(1 - probability, generator=generator).div_(1 - probability)
        if own is not noise:
            noise.copy_(own)


def _fast(matrix: Tensor, x: Tensor) -> bool:
    return (
        matrix.dtype is torch.float32
        and matrix.device.type == "cpu"
        and len(x) * matrix.numel() >= SMALLEST
        and onednn_is_faster()
    )

"""Linear layers through oneDNN where torch's own matrix product leaves half of the processor idle.

torch multiplies float32 matrices with MKL, which takes its AVX2 path on processors that are not Intel's, although they
may have AVX-512. oneDNN, which torch uses for convolutions anyway, takes the AVX-512 path: about twice the speed on an
AMD Zen 4 core, in the same float32. Elsewhere, and for matrices so small that oneDNN's fixed cost is more than it
saves, nothing is changed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST = 2_000_000
"""Multiply-adds of a product from which oneDNN wins, measured: its call costs about 10 µs more."""


@contextmanager
def fast_linears(model: nn.Module) -> Iterator[None]:
    """Send the large products of a model's plain linear layers through oneDNN inside the block.

    Args:
        model: Its ``nn.Linear`` modules are touched, subclasses are not; all are as before after the block.
    """
    layers = [module for module in model.modules() if type(module) is nn.Linear and "forward" not in vars(module)]
    if not layers or not onednn_is_faster() or layers[0].weight.device.type != "cpu":
        yield
        return
    for layer in layers:
        layer.forward = functools.partial(_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


@functools.cache
def onednn_is_faster() -> bool:
    """Whether this processor is one that MKL runs below its abilities, and torch has oneDNN's linear."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    try:
        return "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` by oneDNN, differentiable any number of times.

    Args:
        x: ``(N, I)`` float32 on the CPU.
        weight: ``(O, I)``.
        bias: ``(O,)``.

    Returns:
        ``(N, O)``.
    """
    result: Tensor = _Product.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        result: Tensor = _pointwise(x, weight, bias)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, _ = ctx.needs_input_grad
        return (
            product(gradient, weight.t()) if needs_x else None,
            product(gradient.t(), x.t()) if needs_weight else None,
            gradient.sum(dim=0) if ctx.has_bias else None,
        )


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


def _forward(layer: nn.Linear, x: Tensor) -> Tensor:
    if _suits(layer, x):
        return product(x, layer.weight, layer.bias)
    return F.linear(x, layer.weight, layer.bias)


def _suits(layer: nn.Linear, x: Tensor) -> bool:
    return (
        x.dim() == 2
        and len(x) * layer.weight.numel() >= SMALLEST
        and x.dtype is torch.float32
        and x.device.type == "cpu"
        and layer.weight.dtype is torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
    )

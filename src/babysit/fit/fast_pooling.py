"""Batch normalisation, ReLU and max pooling as one step that pools first, which leaves out three quarters of the work.

An affine map and a ReLU are monotone, so the largest of some normalised, rectified values comes from the largest value
(the smallest where γ is negative): normalisation and ReLU need be done for what is pooled alone. The backward pass is
then one multiply-add over the whole map, for the part that mean and variance have in it, and one scatter of a quarter
of it. With convolutions that run near the processor's peak, these layers are more than half of a small network's step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as every_module

Part = tuple[nn.Module, ...]
Hook = Callable[..., Any]

_FUSED: tuple[tuple[type[nn.Module], ...], ...] = (
    (nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d),
    (nn.ReLU, nn.MaxPool2d),
)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def fast_pooling(model: nn.Module) -> Iterator[None]:
    """Fuse what stands before the max poolings of a model's ``nn.Sequential`` containers inside the block.

    ``ReLU → MaxPool2d`` pools first; ``BatchNorm2d → ReLU → MaxPool2d`` becomes one step besides where it is trained on
    channels-last maps on the CPU. Anything else is left to itself, and so are modules that have a ``forward`` of their
    own or hooks that do more than look (:func:`looks_only`). Values, gradients and running statistics are those of the
    plain modules within rounding.

    Args:
        model: Its containers are touched, subclasses of ``nn.Sequential`` are not; all are as before after the block.
    """
    containers = [cast("nn.Sequential", module) for module in model.modules() if _is_plain(module, nn.Sequential)]
    touched = []
    for container in containers:
        parts = _parts(list(container._modules.values()))
        if any(len(part) > 1 for part in parts):
            container.forward = functools.partial(_forward, parts)  # type: ignore[method-assign]
            touched.append(container)
    try:
        yield
    finally:
        for container in touched:
            del container.forward


def norm_relu_pool(norm: nn.BatchNorm2d, pool: nn.MaxPool2d, x: Tensor) -> Tensor:
    """``pool(relu(norm(x)))`` in training mode, differentiable any number of times; the running statistics move.

    Args:
        norm: With weights and running averages, and a momentum.
        pool: Without indices to return.
        x: ``(N, C, H, W)`` float32 on the CPU, channels last.

    Returns:
        ``(N, C, H′, W′)``, channels last.
    """
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    mean, variance = torch.batch_norm_update_stats(x.detach(), norm.running_mean, norm.running_var, norm.momentum)
    result: Tensor = _NormReluPool.apply(x, norm.weight, norm.bias, mean, variance, norm.eps, pool)  # type: ignore[no-untyped-call]
    return result


def _parts(modules: list[nn.Module | None]) -> list[Part]:
    """A container's modules in order, those that belong together as one part."""
    left, parts = [module for module in modules if module is not None], []
    while left:
        length = next((len(kinds) for kinds in _FUSED if _match(left, kinds)), 1)
        parts.append(tuple(left[:length]))
        left = left[length:]
    return parts


def _match(modules: list[nn.Module], kinds: tuple[type[nn.Module], ...]) -> bool:
    if len(modules) < len(kinds) or not all(map(_is_plain, modules, kinds)):
        return False
    return not cast("nn.MaxPool2d", modules[len(kinds) - 1]).return_indices


def _is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    return type(module) is kind and "forward" not in vars(module)


def _forward(parts: list[Part], x: Tensor) -> Tensor:
    everywhere = _hooks(every_module, "_global")
    watching = [*everywhere, *torch.overrides._get_current_function_mode_stack()]  # type: ignore[no-untyped-call]
    for part in parts:
        watchers = [*watching, *(hook for module in part for hook in _hooks(module))]
        if len(part) == 3 and all(map(_only_looks, watchers)) and _suits(cast("nn.BatchNorm2d", part[0]), x):
            if watchers:
                _show(part, x)
            with torch._C.DisableTorchFunction():
                x = norm_relu_pool(cast("nn.BatchNorm2d", part[0]), cast("nn.MaxPool2d", part[2]), x)
        elif len(part) == 1 or watchers:
            for module in part:
                x = module(x)
        else:
            *norm, _, pool = part
            x = torch.relu(pool(norm[0](x) if norm else x))
    return x


def looks_only(hook: Hook) -> Hook:
    """Mark a forward hook as one that reads values: it keeps nothing that has a gradient and returns nothing."""
    hook.looks_only = True  # type: ignore[attr-defined]
    return hook


def _hooks(owner: object, prefix: str = "") -> list[Hook]:
    return [hook for hooks in _HOOKS for hook in getattr(owner, f"{prefix}{hooks}").values()]


def _only_looks(watcher: object) -> bool:
    """Marked, or what watches a whole training: that is babysit's own."""
    owner = getattr(watcher, "__module__", None) or ""
    return bool(getattr(watcher, "looks_only", False)) or owner.startswith("babysit.watch.")


def _show(part: Part, x: Tensor) -> None:
    """Call the plain modules for those who look, and drop what they give, so that looking changes no rounding."""
    norm = part[0]
    before = [(buffer, buffer.clone()) for buffer in norm.buffers()]
    x = x.detach()
    for module in part:
        x = module(x)
    with torch.no_grad():
        for buffer, values in before:
            buffer.copy_(values)


def _suits(norm: nn.BatchNorm2d, x: Tensor) -> bool:
    return (
        norm.training
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and x.dim() == 4
        and x.shape[1] == norm.num_features
        and x.numel() > x.shape[1]
        and x.dtype is torch.float32
        and norm.weight.dtype is torch.float32
        and x.device.type == "cpu"
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
        and not torch.compiler.is_compiling()
    )


class _NormReluPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        pool: nn.MaxPool2d,
    ) -> Tensor:
        inverse = (variance + eps).rsqrt_()
        scale = weight * inverse
        pooled, places = _pool(pool, x, weight)
        rows = _rows(pooled)
        result = torch.addcmul(bias - mean * scale, rows, scale).relu_()
        result = result.view(pooled.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
        ctx.save_for_backward(x, weight, bias, mean, inverse, pooled, places, result)
        ctx.eps, ctx.pool = eps, pool
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, inverse, pooled, places, result = ctx.saved_tensors
        nothing = (None,) * 4
        if torch.is_grad_enabled():  # to be differentiated again
            inputs = [tensor for tensor in (x, weight, bias) if tensor.requires_grad]
            plain = ctx.pool(torch.relu(F.batch_norm(x, None, None, weight, bias, training=True, eps=ctx.eps)))
            found = iter(torch.autograd.grad(plain, inputs, gradients, create_graph=True))
            return (*(next(found) if tensor.requires_grad else None for tensor in (x, weight, bias)), *nothing)
        count = x.numel() // x.shape[1]
        passed = torch.ops.aten.threshold_backward(_rows(gradients[0]), _rows(result), 0)
        ones = passed.new_ones(1, len(passed))
        of_bias = (ones @ passed)[0]
        of_weight = (ones @ ((_rows(pooled) - mean) * passed))[0] * inverse
        if not ctx.needs_input_grad[0]:
            return None, of_weight, of_bias, *nothing
        scale = weight * inverse
        slope = -scale * inverse * of_weight / count
        offset = -scale * of_bias / count - slope * mean
        images, channels = x.shape[:2]
        of_x = torch.addcmul(offset, _rows(x), slope)
        of_x.view(images, -1, channels).scatter_add_(
            1, _rows(places).view(images, -1, channels), passed.mul_(scale).view(images, -1, channels)
        )
        return of_x.view(x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2), of_weight, of_bias, *nothing


def _pool(pool: nn.MaxPool2d, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What the normalised, rectified maximum comes from, and where it is in the map."""
    how: Any = (pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)
    sign = weight.detach().sign().view(1, -1, 1, 1)
    if bool((sign > 0).all()):
        pooled, places = F.max_pool2d_with_indices(x, *how)
        return pooled, places
    # a zero makes all of a window equal, so that its first place is taken, as it is among equal normalised values
    _, places = F.max_pool2d_with_indices(x * sign, *how)
    pooled = x.flatten(2).gather(2, places.flatten(2)).view(places.shape)
    return pooled.contiguous(memory_format=torch.channels_last), places


def _rows(maps: Tensor) -> Tensor:
    """``(N, C, H, W)`` as ``(N · H · W, C)``; of channels-last maps a view."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])

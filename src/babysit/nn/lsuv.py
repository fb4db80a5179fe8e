"""Layer-sequential unit-variance initialisation (Mishkin & Matas 2016, "All you need is a good init")."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from babysit.errors import InputError

TOLERANCE = 0.02
"""A layer is done when the variance of its outputs is this close to 1 (the paper: 0.1)."""

MAX_ITERATIONS = 10
"""Rescalings of one layer at most; a layer that is used once needs one."""


@torch.no_grad()
def scale_to_unit_variance(module: nn.Module, layers: Sequence[Any], sample: Tensor) -> None:
    """Scale the weights of each layer, in its order of use, until its outputs on ``sample`` have variance 1.

    Runs the module in evaluation mode, so batch statistics stay untouched and dropout draws nothing; every training
    flag is put back. A layer that the sample does not reach keeps its weights.

    Args:
        module: The network that takes ``sample``.
        layers: The layers with weights (linear, convolution) to scale.
        sample: A batch of inputs, ``(N, …)``.

    Raises:
        InputError: A layer's outputs do not vary on the sample, so that no scale gives them variance 1.
    """
    names = {submodule: name for name, submodule in module.named_modules()}
    with _evaluation_mode(module):
        for layer in _in_order_of_use(module, layers, sample):
            for _ in range(MAX_ITERATIONS):
                variance = _output_variance(module, layer, sample)
                if not 0 < variance < math.inf:
                    raise _no_variance(names[layer], variance)
                if abs(variance - 1) < TOLERANCE:
                    break
                layer.weight.div_(math.sqrt(variance))


def _in_order_of_use(module: nn.Module, layers: Sequence[Any], sample: Tensor) -> list[Any]:
    used: dict[Any, None] = {}

    def note(layer: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        used[layer] = None

    with ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.register_forward_hook(note))
        module(sample)
    return list(used)


def _output_variance(module: nn.Module, layer: nn.Module, sample: Tensor) -> float:
    """Of the layer's first call; with several, the later ones depend on the scale of the first."""
    variances: list[float] = []

    def measure(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        variances.append(output.double().var(correction=0).item())

    with layer.register_forward_hook(measure):
        module(sample)
    return variances[0]


@contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    flags = [(submodule, submodule.training) for submodule in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for submodule, training in flags:
            submodule.training = training


def _no_variance(name: str, variance: float) -> InputError:
    return InputError(
        "lsuv",
        expected=f"a sample on which the outputs of layer {name or 'itself'!r} vary",
        found=f"variance {variance:g}",
        todo="give a larger batch of finite training inputs",
    )

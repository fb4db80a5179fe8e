"""Which parameters weight decay touches, as a penalty on the loss and as optimizer parameter groups.

Weights are decayed: parameters of two or more dimensions (linear, convolution, embedding, attention). Biases, the
scale and shift of normalisation layers and PReLU's slopes are not: they are few, cannot overfit much, and pulling them
towards zero changes what the layer computes (PReLU would turn into ReLU).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# the normalisations whose scale may have two or more dimensions; every other one has vectors only
_WIDE_NORMS = (nn.LayerNorm, nn.RMSNorm)


def l2_penalty(module: nn.Module, strength: float) -> Tensor:
    """½ · strength · Σ‖W‖² over the weights; its gradient, strength · W, is SGD's weight decay.

    A parameter that is used in several places counts once.

    Args:
        module: The model.
        strength: The lecture's regularisation strength λ.

    Returns:
        A scalar tensor to add to the loss, differentiable; 0 for a module without weights.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> _ = nn.init.constant_(layer.weight, 3.0)
        >>> l2_penalty(layer, 0.1).item()
        0.9...
    """
    weights, others = _split(module)
    if not weights:
        return others[0].new_zeros(()) if others else torch.zeros(())
    return 0.5 * strength * torch.stack([weight.square().sum() for weight in weights]).sum()


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for a torch optimizer: the weights with ``weight_decay``, everything else without.

    Frozen parameters are included, as a training may free them later; empty groups are not.

    Example:
        >>> [(len(g["params"]), g["weight_decay"]) for g in decay_groups(nn.Linear(2, 1), 1e-4)]
        [(1, 0.0001), (1, 0.0)]
    """
    weights, others = _split(module)
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _split(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The module's parameters, each once: those that are decayed, and the others."""
    in_norms = {
        id(parameter)
        for layer in module.modules()
        if isinstance(layer, _WIDE_NORMS)
        for parameter in layer.parameters(recurse=False)
    }
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in module.parameters():
        decayed = parameter.ndim >= 2 and id(parameter) not in in_norms
        (weights if decayed else others).append(parameter)
    return weights, others

"""Does regularisation do anything? Turned up, it has to raise the loss and shrink the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from babysit.measure.record import Probe
from babysit.nn.regularization import decay_groups, l2_penalty
from babysit.preflight.decay import shrink
from babysit.preflight.isolation import isolated
from babysit.preflight.modes import set_training

STRENGTH = 1e3
"""The lecture's: crank it up."""


def probe_regularization(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    *,
    strength: float = STRENGTH,
    make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer] | None = None,
) -> Probe:
    """The loss without and with L2, and what one optimizer step of L2 alone does to the weights.

    Args:
        model: Untrained.
        loss_fn: ``(outputs, targets) -> mean loss`` without regularisation.
        inputs: One batch.
        targets: Its targets.
        strength: λ of ½·λ·‖W‖².
        make_optimizer: ``(model, λ) -> optimizer``, as training will make it; plain SGD by default. Its rate is
            brought down so that the step is a tenth of the weights at most.
    """
    with isolated(model) as copy:
        set_training(copy, True)
        with torch.no_grad():
            loss = loss_fn(copy(inputs), targets).item()
            penalty = l2_penalty(copy, strength).item()
        before, after = _shrunk(copy, strength, make_optimizer or _sgd)
    return Probe(
        "regularization",
        numbers={
            "strength": strength,
            "loss_without": loss,
            "loss_with": loss + penalty,
            "penalty": penalty,
            "weight_norm_before": before,
            "weight_norm_after": after,
        },
    )


def _shrunk(
    model: nn.Module, strength: float, make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer]
) -> tuple[float, float]:
    if not any(True for _ in model.parameters()):  # of which no optimizer can be made
        return 0.0, 0.0
    optimizer = make_optimizer(model, strength)
    for group in optimizer.param_groups:
        group["lr"] = 0.1 / strength
    return shrink(model, optimizer)


def _sgd(model: nn.Module, strength: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(decay_groups(model, strength), lr=1.0)

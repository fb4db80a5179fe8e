"""Does the optimizer's weight decay reach the weights? Its effect on a step whose gradients are all zero."""

from __future__ import annotations

import torch
from torch import nn

from babysit.measure.record import Probe
from babysit.measure.statistics import joint_norm
from babysit.preflight.isolation import isolated
from babysit.preflight.subject import Subject

_LEAST_RATE = 1e-4


def probe_decay(subject: Subject) -> Probe:
    """The norm of the weights before and after one step of weight decay alone.

    Args:
        subject: Left as it is.

    Returns:
        The probe ``"regularization"``, with a reason where the optimizer decays nothing.
    """
    groups = [] if subject.optimizer is None else subject.optimizer.param_groups
    strengths = [float(group.get("weight_decay") or 0.0) for group in groups]
    if not any(strength > 0 for strength in strengths):
        return Probe("regularization", texts={"reason": "the optimizer has no weight decay"})
    if isinstance(subject.optimizer, torch.optim.LBFGS):
        return Probe("regularization", texts={"reason": "L-BFGS takes no step without a loss"})
    strength = max(strengths)
    with isolated(subject.model) as model:
        model.double()  # in which a decay of 1e-7 shows
        optimizer = subject.optimizer_for(model)
        for group in optimizer.param_groups:
            group["lr"] = max(float(group.get("lr", 0.0)), _LEAST_RATE)  # a warm-up may begin with none
        before, after = shrink(model, optimizer)
    return Probe(
        "regularization",
        numbers={"strength": strength, "weight_norm_before": before, "weight_norm_after": after},
    )


def shrink(model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[float, float]:
    """Norm of the weights before and after a step whose gradient is zero but for the regularisation; 0 without any.

    Args:
        model: Changed by the step.
        optimizer: Of this model.
    """
    weights = [parameter for parameter in model.parameters() if parameter.dim() > 1 and parameter.requires_grad]
    if not weights:
        return 0.0, 0.0
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    before = joint_norm([weight.detach() for weight in weights]).item()
    optimizer.step()
    return before, joint_norm([weight.detach() for weight in weights]).item()

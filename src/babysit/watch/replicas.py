"""What the ranks of a distributed training need to be compared afterwards; nothing is sent from one to another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from babysit.measure.record import Replica
from babysit.watch.names import Names
from babysit.watch.values import as_real

_PARAMETERS = 16
_EXAMPLES = 256
_EXCHANGING = ("DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule", "DeepSpeedEngine")


def replica(step: int, parameters: list[Tensor], names: Names, examples: frozenset[int]) -> Replica | None:
    """This rank at a step, before the next one; ``None`` where there is one rank only.

    Args:
        step: The step whose update the weights include.
        parameters: What is trained.
        names: Of the models.
        examples: Fingerprints of the step's batch.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    world = torch.distributed.get_world_size()
    if world < 2:
        return None
    weights = [as_real(item.detach()).double().sum() for item in parameters[:_PARAMETERS] if item.device.type != "meta"]
    return Replica(
        step,
        torch.distributed.get_rank(),
        world,
        wrapped=any(exchanges(root) for root in names.roots),
        weights=tuple(torch.stack(weights).tolist()) if weights else (),
        examples=tuple(sorted(examples)[:_EXAMPLES]),  # the smallest ones, so that equal batches give equal samples
    )


def exchanges(model: nn.Module) -> bool:
    """Whether a model's gradients are exchanged between ranks by a wrapper around it."""
    return any(kind.__name__ in _EXCHANGING for kind in type(model).__mro__)

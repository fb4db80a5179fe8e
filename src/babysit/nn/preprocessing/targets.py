"""Regression targets to a scale that the initialisation and the learning rate expect, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TargetScaling(nn.Module):
    """y ↔ (y − mean)/std with the mean and standard deviation of the training targets.

    Made fitted by :func:`babysit.nn.preprocessing.fit_target_scaling`; a new one holds NaN and waits for a state dict.
    A constant target has std 1.

    Args:
        outputs: Values per example.

    Example:
        >>> scaling = TargetScaling()
        >>> _ = scaling.load_state_dict({"mean": torch.tensor([10.0]), "std": torch.tensor([2.0])})
        >>> scaling.encode(torch.tensor([12, 8])), scaling.decode(torch.tensor([1.0, -1.0]))
        (tensor([ 1., -1.]), tensor([12.,  8.]))
    """

    mean: Tensor
    std: Tensor

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((outputs,), torch.nan))
        self.register_buffer("std", torch.full((outputs,), torch.nan))

    def encode(self, y: Tensor) -> Tensor:
        """Targets to network units; ``(N,)`` with one output, or ``(N, outputs)``; of the buffers' dtype."""
        return ((y - self.mean) / self.std).to(self.mean.dtype)

    def decode(self, z: Tensor) -> Tensor:
        """Network outputs, ``(N,)`` with one output or ``(N, outputs)``, to the targets' own unit."""
        return z * self.std + self.mean

"""The network that most experiments of the section train."""

from __future__ import annotations

from torch import nn

from babysit.nn.models import MLPConfig, build


def two_layers(
    shape: tuple[int, ...], seed: int, *, batch_norm: bool = True, hidden: tuple[int, ...] = (50, 50)
) -> nn.Sequential:
    """Two hidden layers of 50 ReLU units, each normalised before its ReLU.

    Args:
        shape: Of an example.
        seed: Of the weights.
        batch_norm: Leave the normalisation out where this is false.
        hidden: Other widths.
    """
    return build(MLPConfig(shape, 10, hidden=hidden, batch_norm=batch_norm), seed)

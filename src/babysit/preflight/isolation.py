"""Probes work on copies, and leave the random numbers as they found them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


@contextmanager
def isolated(model: Model, seed: int = 0) -> Iterator[Model]:
    """A deep copy of a model to experiment on, with a random stream of its own.

    Args:
        model: Left exactly as it is: weights, buffers, gradients, modes.
        seed: Of dropout and its like inside the block.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield copy.deepcopy(model)

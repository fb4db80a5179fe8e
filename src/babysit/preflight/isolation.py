"""Probes work on copies, and leave the random numbers as they found them; what differentiates by itself may do so."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import torch
from torch import nn

from babysit.preflight.copies import copy_of

Model = TypeVar("Model", bound=nn.Module)
Given = ParamSpec("Given")
Result = TypeVar("Result")

_NEEDS_A_GRAPH = "does not require grad"


@contextmanager
def isolated(model: Model, seed: int = 0) -> Iterator[Model]:
    """A deep copy of a model to experiment on, with a random stream of its own.

    Args:
        model: Left exactly as it is: weights, buffers, gradients, modes, and graphs, which the copy lacks.
        seed: Of dropout and its like inside the block.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield copy_of(model)


def without_graph(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Compute without a graph; with one where the model or the loss takes a gradient itself, and fails without.

    Equations that are to hold, gradient penalties and inner steps of meta-learning differentiate as they go. The
    function is called again then, so that it has to begin from a copy and from random numbers of its own.

    Example:
        >>> @without_graph
        ... def slope(x: torch.Tensor) -> torch.Tensor:
        ...     return torch.autograd.grad((x**2).sum(), x)[0]
        >>> slope(torch.ones(2, requires_grad=True)), without_graph(torch.is_grad_enabled)()
        (tensor([2., 2.]), False)
    """

    @functools.wraps(function)
    def compute(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            with torch.no_grad():
                return function(*args, **kwargs)
        except RuntimeError as error:
            if _NEEDS_A_GRAPH not in str(error):
                raise
        with torch.enable_grad():
            return function(*args, **kwargs)

    return compute

"""Deep copies of models that keep tensors with a graph, as agents keep the log-probabilities of what they did."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)

_MOST = 100_000
"""Values that are looked through."""


def copy_of(model: Model) -> Model:
    """A deep copy, in which tensors that were computed with a graph are data.

    Args:
        model: Left as it is, with its graphs.

    Raises:
        Exception: Something of it cannot be copied at all.

    Example:
        >>> import torch
        >>> model = nn.Linear(2, 1)
        >>> model.answers = [model(torch.ones(2))]
        >>> copy_of(model).answers[0].requires_grad, model.answers[0].requires_grad
        (False, True)
    """
    try:
        return copy.deepcopy(model)
    except RuntimeError:  # as torch raises for such tensors; looking for them takes its time
        found = _computed(model)
        if not found:
            raise
        return copy.deepcopy(model, {id(item): item.detach().clone() for item in found})


def _computed(model: nn.Module) -> list[Tensor]:
    """The tensors with a graph that a model holds."""
    return [item for item in islice(_held(model), _MOST) if isinstance(item, Tensor) and not item.is_leaf]


def _held(model: nn.Module) -> Iterator[Any]:
    """Everything that can be reached from a model, each once."""
    waiting: deque[Any] = deque([model])
    seen: dict[int, Any] = {}  # what is kept here cannot give its identity to another
    while waiting:
        item = waiting.popleft()
        if id(item) not in seen:
            seen[id(item)] = item
            yield item
            waiting.extend(_parts(item))


def _parts(item: Any) -> Iterable[Any]:
    """What a copy of it would copy, too."""
    if isinstance(item, str | bytes | int | float | Tensor | type | ModuleType | FunctionType):
        return ()
    if isinstance(item, Mapping):
        return item.values()
    if isinstance(item, list | tuple | set | frozenset | deque):
        return item
    return getattr(item, "__dict__", {}).values()

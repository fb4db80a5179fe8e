"""One call of a script as it came, before it is made an operation of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from babysit.preflight.batch import tensors_of

_FEW = 8
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))

Held = tuple[nn.Module, str, Any]
"""A module, and the name and the value of one of its attributes."""


@dataclass
class Seen:
    """One call as it came; tensors that are data are kept as they were then.

    Attributes:
        function: That was called; ``None`` for a model.
        module: The model.
        args: As they were given.
        kwargs: Likewise.
        result: What came of it.
        copies: Data among what was given, by the identity of the tensor.
        written: Identities of those data that the call wrote to.
        held: What the model held before it, beside parameters and buffers.
    """

    function: Callable[..., Any] | None
    module: nn.Module | None
    args: Any
    kwargs: Any
    result: Any
    copies: dict[int, Tensor]
    written: frozenset[int] = field(default_factory=frozenset)
    held: Sequence[Held] = ()

    @property
    def makes(self) -> list[Tensor]:
        """The tensors that come of it, but for data that it may have written to and has not."""
        given = given_by(self.result, self.args)
        # what a property is set on, as the gradient of a leaf, comes of nothing
        return given if self.result is not None else [item for item in given if id(item) in self.written]


def given_by(result: Any, args: Any) -> list[Tensor]:
    """The tensors that come of a call: its first one, where it gives nothing and may write to that, as assignments do.

    Example:
        >>> import torch
        >>> x = torch.zeros(2)
        >>> given_by(x + 1, (x, 1))[0].tolist(), given_by(None, (x, 0, 5.0))[0] is x
        ([1.0, 1.0], True)
    """
    return tensors_of(args)[:1] if result is None else tensors_of(result)


def versions(given: Any, data: Mapping[int, Tensor]) -> dict[int, int]:
    """How often each of the data among what is given has been written to."""
    return {id(item): item._version for item in tensors_of(given) if id(item) in data and not item.is_inference()}


def held_by(model: nn.Module) -> list[Held]:
    """The tensors that a model holds as plain attributes, as recurrent ones do their state, and what is `None` so far.

    Example:
        >>> import torch
        >>> cell = nn.RNNCell(2, 3)
        >>> cell.hidden, cell.size = (torch.zeros(1, 3),), 3
        >>> [name for _, name, _ in held_by(cell)]
        ['hidden']
    """
    return [
        (part, name, value)
        for part in model.modules()
        for name, value in vars(part).items()
        if name not in _OF_EVERY_MODULE and _is_state(value)
    ]


def changed(calls: Sequence[Seen]) -> list[Held]:
    """What the models held before the first of these calls that is something else now; but what had a graph."""
    first: dict[tuple[int, str], Held] = {}
    for call in calls:
        for item in call.held:
            first.setdefault((id(item[0]), item[1]), item)
    return [
        (part, name, value)
        for part, name, value in first.values()
        if vars(part).get(name, value) is not value and not any(tensor.requires_grad for tensor in tensors_of(value))
    ]


def _is_state(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return 0 < len(value) <= _FEW and all(isinstance(item, Tensor) for item in value)
    return value is None or isinstance(value, Tensor)


def is_loose(tensor: Tensor) -> bool:
    """Whether it is trained, or its gradient is asked for, and nothing has made it."""
    return tensor.requires_grad and tensor.is_leaf

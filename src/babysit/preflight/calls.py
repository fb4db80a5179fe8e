"""One call of a script as it came, before it is made an operation of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from babysit.preflight.batch import tensors_of


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
    """

    function: Callable[..., Any] | None
    module: nn.Module | None
    args: Any
    kwargs: Any
    result: Any
    copies: dict[int, Tensor]
    written: frozenset[int] = field(default_factory=frozenset)

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

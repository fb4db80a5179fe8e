"""A batch in whatever shape a model takes it: tensors, tuples, mappings, nested."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """What a model is given, and what it should answer.

    Args:
        inputs: What the model is called with: a tensor; a tuple, for several arguments; a mapping, for named ones.
        targets: Likewise; ``None`` where they are among the inputs, as for models that compute their own loss.
        size: Examples: the length of the first dimension of every tensor that has one of this length.

    Example:
        >>> batch = Batch({"x": torch.ones(4, 2), "length": torch.tensor([1, 2, 2, 1])}, torch.zeros(4), 4)
        >>> [tuple(item.shape) for item in batch.take([0, 3]).tensors()]
        [(2, 2), (2,)]
    """

    inputs: Any
    targets: Any
    size: int

    def tensors(self) -> list[Tensor]:
        """The tensors among the inputs, in order."""
        return tensors_of(self.inputs)

    def floating(self) -> list[Tensor]:
        """Those with values that can be differentiated."""
        return [item for item in self.tensors() if item.is_floating_point()]

    @property
    def nbytes(self) -> int:
        """Memory that inputs and targets take, in bytes."""
        return sum(item.nbytes for item in tensors_of((self.inputs, self.targets)))

    def with_inputs(self, change: Change) -> Batch:
        """The same batch with every tensor among the inputs changed."""
        return dataclasses.replace(self, inputs=map_tensors(self.inputs, change))

    def take(self, indices: Sequence[int]) -> Batch:
        """Some of the examples, also several times."""
        places = torch.as_tensor(indices)

        def pick(item: Tensor) -> Tensor:
            is_batched = item.dim() > 0 and len(item) == self.size
            return item[places.to(item.device)] if is_batched else item

        return Batch(map_tensors(self.inputs, pick), map_tensors(self.targets, pick), len(indices))

    def to(self, dtype: torch.dtype) -> Batch:
        """Floating-point tensors, of inputs and targets, in another precision."""

        def cast(item: Tensor) -> Tensor:
            return item.to(dtype) if item.is_floating_point() else item

        return dataclasses.replace(self, inputs=map_tensors(self.inputs, cast), targets=map_tensors(self.targets, cast))


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors in a nested structure, in order.

    Example:
        >>> tensors_of({"x": [torch.ones(1), "kept"], "y": (torch.zeros(1),)})
        [tensor([1.]), tensor([0.])]
    """
    if isinstance(value, Tensor):
        return [value]
    return [tensor for part in _parts(value) for tensor in tensors_of(part)]


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, tuple | list):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value) if field.init]
    return ()


def map_tensors(value: Any, change: Change) -> Any:
    """A nested structure with every tensor changed; everything else is kept.

    Example:
        >>> map_tensors({"x": [torch.ones(1), "kept"]}, lambda item: item + 1)
        {'x': [tensor([2.]), 'kept']}
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        changed = {key: map_tensors(item, change) for key, item in value.items()}
        return changed if type(value) is dict else _rebuilt(value, changed)
    if isinstance(value, tuple | list):
        items = [map_tensors(item, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        return dataclasses.replace(value, **{name: map_tensors(getattr(value, name), change) for name in names})
    return value


def _rebuilt(value: Mapping[Any, Any], changed: dict[Any, Any]) -> Any:
    """A mapping of the same kind, as batches of tokenizers are; a plain one where that kind is built otherwise."""
    try:
        return type(value)(changed)  # type: ignore[call-arg]
    except TypeError:
        return changed

"""A training step as it was recorded from a script, to be taken again with other weights and other data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from babysit.preflight.batch import Batch, map_tensors, tensors_of
from babysit.preflight.calls import given_by
from babysit.preflight.subject import current


@dataclass(frozen=True)
class Source:
    """Where a tensor of the step comes from.

    Attributes:
        kind: ``"made"`` by an operation, ``"input"`` of a model, ``"target"`` given to anything else, ``"numbers"`` for
            a target that is given as a list, ``"parameter"``.
        place: Of the tensor among those of its kind.
        name: Of a parameter.
        is_written: Whether the operation that is given it writes to it.
    """

    kind: str
    place: int = 0
    name: str = ""
    is_written: bool = False


@dataclass(frozen=True)
class Operation:
    """One call, of a model or of a function of torch.

    Attributes:
        function: The function; ``None`` for a model.
        model: Name of the model in the container; ``""`` for the only one.
        args: With a :class:`Source` in the place of every tensor.
        kwargs: Likewise.
        made: Places of the tensors it gives, in order; of its first one, where it gives nothing but writes to that.
        is_layer: Whether it stands for a layer, where there are no modules.
    """

    function: Callable[..., Any] | None
    model: str
    args: Any
    kwargs: Any
    made: tuple[int, ...]
    is_layer: bool = False


class Container(nn.Module):
    """Several models that are trained together, and tensors that are trained without one.

    Args:
        models: By name.
        tensors: Leaves that require a gradient; they are parameters as they are, not copies.
        data: Leaves that require one though nothing trains them, as the points at which an equation is to hold.
    """

    def __init__(
        self, models: Mapping[str, nn.Module], tensors: Sequence[Tensor] = (), data: Sequence[Tensor] = ()
    ) -> None:
        super().__init__()
        for number, tensor in enumerate(data):
            self.register_buffer(f"data_{number}", tensor)
        for number, tensor in enumerate(tensors):
            self._parameters[f"tensor_{number}"] = tensor  # type: ignore[assignment]
        for name, model in models.items():
            self.add_module(name, model)


@dataclass(frozen=True)
class Step:
    """The operations from the first call of a model to the loss.

    Args:
        operations: In order.
        loss: Where the loss comes from.
        held: Path of a module, name and value of an attribute that it held before the step and no longer after it.
    """

    operations: Sequence[Operation]
    loss: Source
    held: Sequence[tuple[str, str, Any]] = ()

    def outputs_of(self, model: nn.Module, batch: Batch) -> Any:
        """What the last call of a model gives, or the last layer of bare tensors."""
        calls = [place for place, item in enumerate(self.operations) if item.function is None]
        last = max(calls or [place for place, item in enumerate(self.operations) if item.is_layer])
        self._prepare(model)
        made: dict[int, Tensor] = {}
        result: Any = None
        for item in self.operations[: last + 1]:
            result = self._take(item, model, batch, made)
        return result

    def rest_of(self, outputs: Any, model: nn.Module, batch: Batch) -> Tensor:
        """The loss from what the only call of a model gave."""
        made: dict[int, Tensor] = {}
        for item in self.operations:
            if item.function is None:
                made.update(zip(item.made, tensors_of(outputs), strict=False))
            else:
                self._take(item, model, batch, made)
        return made[self.loss.place]

    def loss_of(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss."""
        self._prepare(model)
        made: dict[int, Tensor] = {}
        for item in self.operations:
            self._take(item, model, batch, made)
        return made[self.loss.place]

    def _prepare(self, model: nn.Module) -> None:
        for path, name, value in self.held:
            setattr(model.get_submodule(path), name, map_tensors(value, torch.clone))

    def _take(self, item: Operation, model: nn.Module, batch: Batch, made: dict[int, Tensor]) -> Any:
        args = fill(item.args, model, batch, made)
        kwargs = fill(item.kwargs, model, batch, made)
        function = current(item.function) if item.function else model.get_submodule(item.model) if item.model else model
        result = function(*args, **kwargs)
        made.update(zip(item.made, given_by(result, args), strict=False))
        return result


def fill(value: Any, model: nn.Module, batch: Batch, made: Mapping[int, Tensor]) -> Any:
    """A nested structure with tensors in the place of their sources."""
    if isinstance(value, Source):
        if value.kind == "made":
            return made[value.place]
        if value.kind == "parameter":
            return _named(model, value.name)
        found: Tensor = (batch.inputs if value.kind == "input" else batch.targets)[value.place]
        if value.kind == "numbers":
            return found.tolist()
        return found.clone() if value.is_written else found  # the batch is to be as it was for the next time
    if isinstance(value, dict):
        return {key: fill(item, model, batch, made) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = [fill(item, model, batch, made) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, slice):
        return slice(*(fill(part, model, batch, made) for part in (value.start, value.stop, value.step)))
    return value


def _named(model: nn.Module, name: str) -> Tensor:
    path, _, last = name.rpartition(".")
    found: Tensor = getattr(model.get_submodule(path), last)
    return found


def same(first: Tensor, second: Tensor, tolerance: float = 1e-3) -> bool:
    """Whether two losses agree, or are both not finite."""
    return torch.allclose(first.detach().double(), second.detach().double(), rtol=tolerance, equal_nan=True)

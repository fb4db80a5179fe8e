"""The optimizers of one training, and what they train, without keeping any of them alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer


class OptimizersInUse:
    """Those that take the steps of one training, in the order in which they were first seen to.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> first, second = torch.optim.SGD([weight], lr=0.1), torch.optim.Adam([weight])
        >>> in_use = OptimizersInUse()
        >>> in_use.add(first), in_use.add(second)  # which takes its place
        (True, True)
        >>> in_use.names, in_use.is_trained(weight), in_use.is_trained(torch.ones(2))
        ('Adam', True, False)
    """

    def __init__(self) -> None:
        self.names = ""
        self._optimizers: list[weakref.ref[Optimizer]] = []
        self._trained: dict[int, weakref.ref[Tensor]] = {}

    def __iter__(self) -> Iterator[Optimizer]:
        return (item for reference in self._optimizers if (item := reference()) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def were_seen(self) -> bool:
        """Whether any was, though it may not exist any longer."""
        return bool(self._optimizers)

    @property
    def first(self) -> Optimizer | None:
        """The one whose steps are those of the training."""
        return next(iter(self), None)

    @property
    def parameters(self) -> list[Tensor]:
        """What they train."""
        return list({id(item): item for optimizer in self for item in _parameters_of(optimizer)}.values())

    @property
    def can_learn(self) -> bool:
        """Whether anything that they train is not frozen at the moment."""
        return any(item.requires_grad for optimizer in self for item in _parameters_of(optimizer))

    @property
    def take_closures(self) -> bool:
        """Whether any differentiates several times within one step."""
        return any(isinstance(item, torch.optim.LBFGS) for item in self)

    @property
    def have_begun(self) -> bool:
        """Whether any has taken a step."""
        return bool(self._trained)

    @property
    def are_over(self) -> bool:
        """Whether nothing that was trained exists any longer."""
        return self.have_begun and all(reference() is None for reference in self._trained.values())

    def add(self, optimizer: Optimizer) -> bool:
        """Know of one that takes a step; whether it is a new one."""
        if any(item is optimizer for item in self):
            return False
        theirs = {id(item) for item in _parameters_of(optimizer)}
        # one whose parameters a newer optimizer has taken over is not in use any longer
        self._optimizers = [reference for reference in self._optimizers if not _is_within(reference(), theirs)]
        self._optimizers.append(weakref.ref(optimizer))
        self.names = " + ".join(dict.fromkeys(type(item).__name__ for item in self))
        self._trained |= {id(item): weakref.ref(item) for item in _parameters_of(optimizer)}
        return True

    def adopt(self, other: OptimizersInUse) -> None:
        """Those of what seemed to be another training are of this one."""
        self._optimizers += [item for item in other._optimizers if item() is not None]
        self._trained |= other._trained

    def is_trained(self, tensor: Tensor) -> bool:
        """Whether a tensor is one of those that were ever trained."""
        own = self._trained.get(id(tensor))
        return own is not None and own() is tensor

    def share(self, optimizer: Optimizer) -> bool:
        """Whether an optimizer is one of these, or trains some of the same parameters."""
        return any(map(self.is_trained, _parameters_of(optimizer)))

    def forget(self) -> None:
        """Know nothing any longer of what was trained."""
        self._trained.clear()


def that_holds(parameters: Iterable[Tensor]) -> str:
    """Class name of an optimizer that has any of these, among all there are; ``""`` where none has.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> that_holds([weight]), that_holds([torch.ones(2)])
        ('SGD', '')
    """
    asked = {id(item) for item in parameters}
    holders = (item for item in _all_there_are() if any(id(parameter) in asked for parameter in _parameters_of(item)))
    return next((type(item).__name__ for item in holders), "")


def held_by_optimizers() -> frozenset[int]:
    """Ids of the parameters of all optimizers there are, whether they have taken a step or not.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> id(weight) in held_by_optimizers()
        True
    """
    return frozenset(id(item) for optimizer in _all_there_are() for item in _parameters_of(optimizer))


def are_data(leaves: Sequence[Tensor], held: Callable[[], frozenset[int]] = held_by_optimizers) -> bool:
    """Whether leaves of a graph are data that a gradient is followed to, as when examples are made.

    They are where an optimizer exists and has none of them, and none is a parameter.

    Args:
        leaves: Of a model that is a module.
        held: What optimizers have; only asked for where it matters, as all objects are gone through.

    Example:
        >>> weight, picture = torch.nn.Parameter(torch.ones(2)), torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> are_data([picture]), are_data([picture, weight])
        (True, False)
    """
    if not leaves or any(isinstance(leaf, torch.nn.Parameter) for leaf in leaves):
        return False
    known = held()
    return bool(known) and not any(id(leaf) in known for leaf in leaves)


def _all_there_are() -> list[Optimizer]:
    return [item for item in gc.get_objects() if issubclass(type(item), Optimizer)]


def _parameters_of(optimizer: Optimizer) -> Iterator[Tensor]:
    return (item for group in optimizer.param_groups for item in group["params"])


def _is_within(optimizer: Optimizer | None, parameters: set[int]) -> bool:
    return optimizer is None or all(id(item) in parameters for item in _parameters_of(optimizer))

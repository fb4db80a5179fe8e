"""Trainings whose updates no hook sees: hand-written ones, other libraries' optimizers, compiled steps."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from babysit.watch.values import is_array, is_plain, joined

MOST_COMPARED = 4
"""Parameters whose values are compared where version counters stand still, spread over all of them."""

WHOLE = 1 << 12
"""Parameters up to this size are compared whole; of larger ones so many numbers, and the one that an update along the
gradient is the surest to change."""

_MOST_SEARCHED = 1 << 20


class Movement:
    """Notices that parameters were written to: by their version counters, and by their values.

    What is written through ``.data`` moves no version counter.

    Example:
        >>> movement, weight = Movement(), nn.Parameter(torch.ones(2))
        >>> movement.note([weight])
        >>> before = movement.happened
        >>> _ = weight.data.sub_(0.1)
        >>> before, movement.happened
        (False, True)
    """

    def __init__(self) -> None:
        self._versions: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._values: list[_Values] = []
        self._is_counted = False

    def __bool__(self) -> bool:
        return bool(self._versions)

    def note(self, parameters: Iterable[Tensor]) -> None:
        """Remember the parameters as they are now."""
        noted = list(parameters)
        self._versions = {id(item): (weakref.ref(item), item._version) for item in noted}
        # an update that version counters have told of is followed by others like it
        self._values = [] if self._is_counted else [_Values(some) for some in _alike(_some_of(noted))]

    @property
    def parameters(self) -> list[Tensor]:
        """Those that still exist."""
        return [item for reference, _ in self._versions.values() if (item := reference()) is not None]

    @property
    def written(self) -> list[Tensor]:
        """Those of them that were written to since; all, where version counters do not tell."""
        return list(self._counted()) or self.parameters

    @property
    def happened(self) -> bool:
        """Whether any was written to since."""
        self._is_counted = any(True for _ in self._counted())
        return self._is_counted or any(item.changed for item in self._values)

    def _counted(self) -> Iterator[Tensor]:
        """Those that version counters tell were written to."""
        pairs = ((reference(), version) for reference, version in self._versions.values())
        return (item for item, version in pairs if item is not None and item._version != version)


class _Values:
    """Some values of parameters of one kind, bit by bit: what is not a number is equal to itself."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = [weakref.ref(item) for item in parameters]
        self._likeness = [_likeness(item) for item in parameters]
        self._peaks = [_peak(item) for item in parameters]
        self._bits = _bits(parameters, self._peaks)

    @property
    def changed(self) -> bool:
        """Whether they are others now; not where a parameter was put into another form, which is no update."""
        parameters = [item for reference in self._parameters if (item := reference()) is not None]
        if [_likeness(item) for item in parameters] != self._likeness or not all(map(_is_there, parameters)):
            return False
        return not torch.equal(_bits(parameters, self._peaks), self._bits)


def _some_of(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Those whose values are compared: with gradients where any have them, the nearest to the loss among them."""
    of_modules = [item for item in parameters if isinstance(item, nn.Parameter)]
    # beside a module's parameters other leaves are data that a script may change, as to attack the model
    leaves = of_modules or parameters
    reached = [item for item in leaves if item.grad is not None and item.numel()] or leaves
    step = -(-len(reached) // MOST_COMPARED)
    spread = (item for start in range(step) for item in reached[start::step])
    return list(itertools.islice(filter(_is_readable, spread), MOST_COMPARED))


def _alike(parameters: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Those together that one comparison does for."""
    found: dict[object, list[Tensor]] = {}
    for item in parameters:
        found.setdefault((item.dtype, item.device), []).append(item)
    return found.values()


def _is_readable(parameter: Tensor) -> bool:
    return (
        is_plain(parameter)
        and is_array(parameter)
        and not parameter.is_meta
        and (parameter.is_floating_point() or parameter.is_complex())
        and parameter.itemsize > 1  # what is narrower has hardly any operations
        and parameter.numel() > 0
        and _is_there(parameter)
    )


def _is_there(parameter: Tensor) -> bool:
    """Whether its memory was not let go of for a while."""
    return parameter.untyped_storage().nbytes() > 0


def _likeness(parameter: Tensor) -> tuple[object, ...]:
    return parameter.dtype, parameter.device, parameter.shape


def _peak(parameter: Tensor) -> Tensor | None:
    """Where the gradient of a large parameter is largest, as that of an embedding is zero nearly everywhere."""
    gradient = parameter.grad
    if gradient is None or not WHOLE < parameter.numel() <= _MOST_SEARCHED or not is_array(gradient):
        return None
    return gradient.detach().abs().argmax()


def _bits(parameters: Sequence[Tensor], peaks: Sequence[Tensor | None]) -> Tensor:
    """A copy of what is compared, on the parameters' device."""
    parts = []
    for parameter, peak in zip(parameters, peaks, strict=True):
        data = parameter.detach()
        if parameter.numel() > WHOLE:
            parts += [data.take(place) for place in (_places(data.numel(), data.device), peak) if place is not None]
        else:
            parts.append(data)
    return joined(parts).view(torch.uint8)


@functools.lru_cache(maxsize=64)
def _places(size: int, device: torch.device) -> Tensor:
    """So many places, spread over all."""
    return torch.linspace(0, size - 1, WHOLE, dtype=torch.float64).long().to(device)

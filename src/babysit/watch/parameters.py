"""Weights, gradients and updates of one sampled step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from babysit.measure.record import Coverage, LayerStats
from babysit.watch.gather import Gather
from babysit.watch.names import Names
from babysit.watch.values import as_real

WHOLE = 1 << 16
"""Parameters up to this size are compared whole before and after a step; of larger ones, about half to all of so many
numbers, in blocks of ``BLOCK``: their norms are known to a few per cent, and memory is hardly touched."""
BLOCK = 64

_COUPLED = ("SGD", "Adam", "NAdam", "RAdam", "Adagrad", "Adadelta", "Adamax", "RMSprop", "Rprop", "ASGD", "LBFGS")
_UNIFORM_KURTOSIS = 1.8

Parameters = Sequence[Tensor]


@dataclass(slots=True)
class _Before:
    """One parameter as it was when a step began."""

    parameter: Tensor
    part: Tensor
    scale: float
    weight_norm: Tensor
    gradient_norm: Tensor | None
    decay: float
    coupled: bool
    lr: float
    multiplied: float
    update_norm: Tensor | None = None
    downhill: Tensor | None = None


class _Norms(NamedTuple):
    """One parameter's numbers on the host."""

    weight: float | None
    gradient: float | None
    update: float | None
    downhill: float | None


@dataclass(frozen=True)
class Updates:
    """What a step did.

    Attributes:
        layers: The statistics of each module with weights, in the optimizer's order.
        gradient_norm: Of all parameters together; ``None`` without gradients.
        descent: Cosine between the gradient and minus the update; ``None`` where either is zero.
    """

    layers: Mapping[str, LayerStats]
    gradient_norm: float | None
    descent: float | None


@dataclass
class UpdateSample:
    """What an optimizer's step does to its parameters, as the difference of after and before."""

    _before: dict[int, _Before] = field(default_factory=dict)

    def begin(self, groups: Iterable[Mapping[str, Any]], optimizer: str, scale: float = 1.0) -> None:
        """Look at the weights and gradients that a step is about to use.

        Args:
            groups: The optimizer's parameter groups.
            optimizer: Its class name.
            scale: What the gradients are still multiplied by.
        """
        for group in groups:
            trained = [parameter for parameter in group["params"] if parameter.requires_grad]
            if not trained:
                continue
            lr, decay = _number(group.get("lr"), 0.0), _number(group.get("weight_decay"), 0.0)
            coupled = optimizer in _COUPLED and not group.get("decoupled_weight_decay", False)
            for parameter, norms in zip(trained, _norms(trained, scale), strict=True):
                part, share = _part(parameter)
                self._before[id(parameter)] = _Before(parameter, part.clone(), share, *norms, decay, coupled, lr, scale)

    def end(self) -> None:
        """Look at the weights after the step."""
        waiting = [item for item in self._before.values() if item.update_norm is None]
        by_device: dict[torch.device, list[_Before]] = {}
        for item in waiting:
            by_device.setdefault(item.part.device, []).append(item)
        for items in by_device.values():
            differences = torch._foreach_sub(
                [_part_of(as_real(item.parameter.detach())) for item in items], [item.part for item in items]
            )
            for item, change, norm in zip(items, differences, torch._foreach_norm(differences), strict=True):
                item.update_norm = norm
                item.downhill = _downhill(item.parameter, change)
                item.part = norm  # the copy is not needed any longer

    def reduce(self, names: Names, gather: Gather) -> Callable[[], Updates]:
        """What the step did, once the numbers were read."""
        items = list(self._before.values())
        owners = [names.owner_of(item.parameter) for item in items]
        read = _put_norms(items, gather)

        def build() -> Updates:
            norms = read()
            parts: dict[str, list[tuple[_Before, _Norms]]] = {}
            for owner, item, own in zip(owners, items, norms, strict=True):
                if item.parameter.dim() > 1:
                    parts.setdefault(owner, []).append((item, own))
            gradients = [own.gradient for own in norms if own.gradient is not None]
            return Updates(
                {owner: _layer(owner, found) for owner, found in parts.items()},
                _joint(gradients) if gradients else None,
                _descent(items, norms),
            )

        return build

    @property
    def parameters(self) -> list[Tensor]:
        """What was looked at."""
        return [item.parameter for item in self._before.values()]


def largest_gradient(parameters: Iterable[Tensor]) -> Tensor | None:
    """The largest element of all gradients; ``None`` where there are none, or they are on several devices."""
    found = [item.grad.detach() for item in parameters if item.grad is not None and not item.grad.is_sparse]
    gradients = [item for item in found if item.numel()]
    if not gradients or len({item.device for item in gradients}) > 1:
        return None
    return torch.stack(list(torch._foreach_norm(gradients, float("inf")))).max()


def coverage(
    step: int, names: Names, optimized: Parameters, called: set[str], reached: Parameters | None = None
) -> Coverage:
    """Which modules' parameters a step reached.

    Args:
        step: The step.
        names: The models.
        optimized: All parameters of all optimizers.
        called: Paths of the modules that a forward pass has used.
        reached: The leaves of the step's graph; ``None`` where it was not read. Only these count as having got a
            gradient without being optimized: others may have one left from another training.
    """
    known = _by_owner(names, optimized, reached or ())
    inside = {id(parameter) for parameter in optimized}
    leaves = None if reached is None else {id(parameter) for parameter in reached}
    trained: list[str] = []
    cut: list[str] = []
    free: list[str] = []
    frozen: list[str] = []
    for owner, parameters in known.items():
        own = [item for item in parameters if id(item) in inside and item.requires_grad]
        others = [item for item in parameters if id(item) not in inside]
        if own:
            (trained if any(item.grad is not None for item in own) else cut).append(owner)
        counted = others if leaves is None else [item for item in others if id(item) in leaves]
        if any(item.requires_grad and item.grad is not None for item in counted):
            free.append(owner)
        if others and owner in called and any(not item.requires_grad and looks_initial(item) for item in others):
            frozen.append(owner)
    return Coverage(
        step,
        tuple(trained),
        tuple(cut),
        tuple(owner for owner in cut if owner not in called),
        tuple(free),
        tuple(frozen),
        sum(item.numel() for item in optimized if item.requires_grad),
    )


def _by_owner(names: Names, optimized: Parameters, reached: Parameters) -> dict[str, list[Tensor]]:
    """The parameters of models, of optimizers, and of layers that no module knows of, by what they belong to."""
    known: dict[str, list[Tensor]] = {}
    of_models = [parameter for root in names.roots for parameter in root.parameters()]
    loose = [leaf for leaf in reached if isinstance(leaf, torch.nn.Parameter)]
    for parameter in {id(item): item for item in [*of_models, *optimized, *loose]}.values():
        known.setdefault(names.owner_of(parameter), []).append(parameter)
    return known


@torch.no_grad()
def looks_initial(weight: Tensor) -> bool:
    """Whether weights are distributed as torch initialises linear and convolutional layers, U(−1/√n, 1/√n).

    Example:
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> looks_initial(nn.Linear(64, 32).weight), looks_initial(torch.randn(32, 64) / 8)
        (True, False)
    """
    if weight.dim() < 2 or weight.numel() < 256 or not weight.is_floating_point():
        return False
    bound = 1 / math.sqrt(weight[0].numel())
    values = weight.detach().flatten()[:65536].double() / bound
    if float(values.abs().max()) > 1 + 1e-6:
        return False
    second, fourth = float(values.square().mean()), float(values.pow(4).mean())
    error = 4 / math.sqrt(values.numel())
    return abs(3 * second - 1) < error and abs(fourth / second**2 / _UNIFORM_KURTOSIS - 1) < error


def _norms(parameters: list[Tensor], scale: float) -> list[tuple[Tensor, Tensor | None]]:
    weights = torch._foreach_norm([parameter.detach() for parameter in parameters])
    with_gradient = [item for item in parameters if item.grad is not None]
    gradients = [_dense(item.grad) for item in with_gradient if item.grad is not None]
    norms = torch._foreach_norm(gradients) if gradients else []
    if scale != 1.0:
        norms = [norm / scale for norm in norms]
    found = {id(item): norm for item, norm in zip(with_gradient, norms, strict=True)}
    return [(weight, found.get(id(item))) for item, weight in zip(parameters, weights, strict=True)]


def _downhill(parameter: Tensor, change: Tensor) -> Tensor | None:
    """Product of update and gradient."""
    gradient = parameter.grad
    if gradient is None or gradient.is_sparse:
        return None
    part = _part_of(as_real(gradient.detach())).flatten()
    return torch.dot(change.flatten(), part if part.dtype is change.dtype else part.to(change.dtype))


def _dense(gradient: Tensor) -> Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient.detach()


def _part(parameter: Tensor) -> tuple[Tensor, float]:
    """The numbers of a parameter that are compared, and what their norm is to be multiplied by."""
    data = as_real(parameter.detach())
    part = _part_of(data)
    return part, math.sqrt(data.numel() / max(part.numel(), 1))


def _part_of(data: Tensor) -> Tensor:
    """All of a small tensor; of a large one every so-manieth block."""
    if data.numel() <= WHOLE:
        return data
    blocks = data.numel() // BLOCK
    # an odd step meets every column of rows that are a power of two long
    return data.flatten()[: blocks * BLOCK].view(blocks, BLOCK)[:: math.ceil(data.numel() / WHOLE) | 1]


def _put_norms(items: Sequence[_Before], gather: Gather) -> Callable[[], list[_Norms]]:
    """All numbers of all parameters, as one tensor a device."""
    numbers = [(item.weight_norm, item.gradient_norm, item.update_norm, item.downhill) for item in items]
    by_device: dict[torch.device, list[Tensor]] = {}
    for number in (number for some in numbers for number in some if number is not None):
        by_device.setdefault(number.device, []).append(number)
    readers = {device: gather.put(torch.stack(found)) for device, found in by_device.items()}

    def read() -> list[_Norms]:
        values = {device: iter(reader().tolist()) for device, reader in readers.items()}
        if len(values) == 1:  # mostly, and asking each number for its device takes its time
            (only,) = values.values()
            return [_Norms(*(None if one is None else next(only) for one in some)) for some in numbers]
        return [_Norms(*(None if one is None else next(values[one.device]) for one in some)) for some in numbers]

    return read


def _descent(items: Sequence[_Before], norms: Sequence[_Norms]) -> float | None:
    """Cosine between the gradient and minus the update."""
    product = updates = gradients = 0.0
    for item, own in zip(items, norms, strict=True):
        if own.downhill is not None and own.update is not None and own.gradient is not None:
            product += own.downhill * item.scale**2 / item.multiplied
            updates += (own.update * item.scale) ** 2
            gradients += own.gradient**2
    size = math.sqrt(updates * gradients)
    return -product / size if 0 < size < math.inf else None


def _layer(owner: str, parts: list[tuple[_Before, _Norms]]) -> LayerStats:
    weight = _joint([norms.weight or 0.0 for _, norms in parts])
    updates = [norms.update * item.scale for item, norms in parts if norms.update is not None]
    gradients = [norms.gradient for _, norms in parts if norms.gradient is not None]
    gradient = _joint(gradients) if gradients else None
    update = _joint(updates) if updates else None
    decay, share = _decay(parts[0][0], weight, gradient, update)
    return LayerStats(
        owner,
        weight_norm=weight,
        gradient_norm=gradient,
        update_norm=update,
        decay_norm=decay,
        decay_share=share,
    )


def _joint(norms: Sequence[float]) -> float:
    """The norm of all, where any is not a number none."""
    return math.sqrt(sum(norm * norm for norm in norms))


def _decay(
    item: _Before, weight: float, gradient: float | None, update: float | None
) -> tuple[float | None, float | None]:
    if not item.decay > 0:
        return None, None
    pull = item.decay * weight * (1.0 if item.coupled else item.lr)
    beside = gradient if item.coupled else None if update is None else max(update - pull, 0.0)
    return pull, None if not beside else pull / beside


def _number(value: Any, otherwise: float) -> float:
    if isinstance(value, Tensor):
        return float(value) if value.device.type == "cpu" else otherwise
    return float(value) if isinstance(value, int | float) else otherwise

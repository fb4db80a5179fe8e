"""Weights, gradients and updates of one sampled step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from babysit.measure.record import Coverage
from babysit.watch.bundles import Bundle, Move, Moves, bundled
from babysit.watch.gather import Gather
from babysit.watch.names import Names

_COUPLED = ("SGD", "Adam", "NAdam", "RAdam", "Adagrad", "Adadelta", "Adamax", "RMSprop", "Rprop", "ASGD", "LBFGS")
_UNIFORM_KURTOSIS = 1.8

Parameters = Sequence[Tensor]


class WeightStats(NamedTuple):
    """What a step did to the weights of a module: see the fields of the same names in ``LayerStats``."""

    weight_norm: float
    gradient_norm: float | None
    update_norm: float
    decay_norm: float | None
    decay_share: float | None


class _Pull(NamedTuple):
    """How weight decay is applied."""

    decay: float
    coupled: bool
    lr: float


@dataclass(frozen=True)
class Updates:
    """What a step did.

    Attributes:
        layers: The statistics of each module with weights, in the optimizer's order.
        gradient_norm: Of all parameters together; ``None`` without gradients.
        descent: Cosine between the gradient and minus the update; ``None`` where either is zero, or it was not taken.
    """

    layers: Mapping[str, WeightStats]
    gradient_norm: float | None
    descent: float | None


@dataclass
class UpdateSample:
    """What an optimizer's step does to its parameters, as the difference of after and before."""

    _bundles: list[Bundle] = field(default_factory=list)
    _looked_at: dict[int, tuple[Tensor, _Pull]] = field(default_factory=dict)

    def begin(self, groups: Iterable[Mapping[str, Any]], optimizer: str, scale: float = 1.0) -> None:
        """Look at the weights and gradients that a step is about to use.

        Args:
            groups: The optimizer's parameter groups.
            optimizer: Its class name.
            scale: What the gradients are still multiplied by.
        """
        begun: dict[int, tuple[Tensor, _Pull]] = {}
        for group in groups:
            pull = _pull(group, optimizer)
            begun |= {id(item): (item, pull) for item in group["params"] if item.requires_grad}
        # those that are looked at again count as they are now
        self._bundles = [bundle for bundle in self._bundles if any(id(item) not in begun for item in bundle.parameters)]
        self._looked_at |= begun
        with torch.set_grad_enabled(False):
            self._bundles += [Bundle(some, scale) for some in bundled(item for item, _ in begun.values())]

    def end(self, *, closely: bool = True) -> None:
        """Look at the weights after the step.

        Args:
            closely: Whether to compare the update's direction with the gradient's, too.
        """
        with torch.set_grad_enabled(False):
            for bundle in self._bundles:
                bundle.end(closely=closely)

    def reduce(self, names: Names, gather: Gather) -> Callable[[], Updates]:
        """What the step did, once the numbers were read."""
        bundles = [(bundle.parameters, bundle.put(gather)) for bundle in self._bundles]
        weights = [(names.owner_of(item), item, pull) for item, pull in self._looked_at.values() if item.dim() > 1]

        def build() -> Updates:
            moves: dict[int, Move] = {}
            together: list[Moves] = []
            for parameters, read in bundles:
                together.append(read())
                moves.update(zip(map(id, parameters), together[-1].each, strict=True))
            parts: dict[str, tuple[_Pull, list[Move]]] = {}
            for owner, item, pull in weights:
                parts.setdefault(owner, (pull, []))[1].append(moves[id(item)])
            return Updates(
                {owner: _layer(*found) for owner, found in parts.items()},
                _joint(move.gradient for move in moves.values()),
                _descent(together),
            )

        return build

    @property
    def parameters(self) -> list[Tensor]:
        """What was looked at."""
        return [item for item, _ in self._looked_at.values()]


def largest_gradient(parameters: Iterable[Tensor]) -> Tensor | None:
    """The largest element of all gradients; ``None`` where there are none, or they are on several devices."""
    found = [item.grad.detach() for item in parameters if item.grad is not None and not item.grad.is_sparse]
    gradients = [item for item in found if item.numel()]
    if not gradients or len({item.device for item in gradients}) > 1:
        return None
    # of complex numbers no largest one is known; a norm without end takes ten times as long
    if any(item.is_complex() for item in gradients):
        return torch.stack(list(torch._foreach_norm(gradients, float("inf")))).max()
    return torch.stack([end for item in gradients for end in item.aminmax()]).abs().max()


def coverage(
    step: int,
    names: Names,
    optimized: Parameters,
    called: set[str],
    reached: Parameters | None = None,
    stepped: frozenset[int] = frozenset(),
) -> Coverage:
    """Which modules' parameters a step reached.

    Args:
        step: The step.
        names: The models.
        optimized: All parameters of all optimizers; those without elements, which only tell a device, do not count.
        called: Paths of the modules that a forward pass has used.
        reached: The leaves of the step's graph; ``None`` where it was not read. Only these count as having got a
            gradient without being optimized: others may have one left from another training.
        stepped: Ids of the parameters that had a gradient when another optimizer took its step: it may be gone since.
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
            (trained if any(item.grad is not None or id(item) in stepped for item in own) else cut).append(owner)
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
        if not _is_empty(parameter):
            known.setdefault(names.owner_of(parameter), []).append(parameter)
    return known


def _is_empty(parameter: Tensor) -> bool:
    """Whether it has no elements, and is not one that gets its shape only with the first batch."""
    return not torch.nn.parameter.is_lazy(parameter) and parameter.numel() == 0


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


def _pull(group: Mapping[str, Any], optimizer: str) -> _Pull:
    coupled = optimizer in _COUPLED and not group.get("decoupled_weight_decay", False)
    return _Pull(_number(group.get("weight_decay"), 0.0), coupled, _number(group.get("lr"), 0.0))


def _descent(moves: Iterable[Moves]) -> float | None:
    """Cosine between the gradient and minus the update."""
    product = updates = gradients = 0.0
    for each, downhill in moves:
        if downhill is not None:
            product += downhill
            updates += sum(move.update**2 for move in each)
            gradients += sum(move.gradient**2 for move in each if move.gradient is not None)
    size = math.sqrt(updates * gradients)
    return -product / size if 0 < size < math.inf else None


def _layer(pull: _Pull, moves: Sequence[Move]) -> WeightStats:
    weight = _joint(move.weight for move in moves) or 0.0
    gradient = _joint(move.gradient for move in moves)
    update = _joint(move.update for move in moves) or 0.0
    return WeightStats(weight, gradient, update, *_decay(pull, weight, gradient, update))


def _joint(norms: Iterable[float | None]) -> float | None:
    """The norm of all, where any is not a number none; ``None`` where there are none."""
    squares = [norm * norm for norm in norms if norm is not None]
    return math.sqrt(sum(squares)) if squares else None


def _decay(pull: _Pull, weight: float, gradient: float | None, update: float) -> tuple[float | None, float | None]:
    if not pull.decay > 0:
        return None, None
    norm = pull.decay * weight * (1.0 if pull.coupled else pull.lr)
    beside = gradient if pull.coupled else max(update - norm, 0.0)
    return norm, None if not beside else norm / beside


def _number(value: Any, otherwise: float) -> float:
    if isinstance(value, Tensor):
        return float(value) if value.device.type == "cpu" else otherwise
    return float(value) if isinstance(value, int | float) else otherwise

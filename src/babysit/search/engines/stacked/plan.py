"""What a network is made of, if many of its kind can be trained as one program; the reason, if not."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from babysit.nn.activations import Maxout

ELEMENTWISE: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid,
    nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid,
)  # fmt: skip
"""Activations that look at one value alone."""

_WITH_WEIGHTS = (nn.Linear, nn.BatchNorm1d, nn.LayerNorm, nn.PReLU)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class NotStackable(Exception):  # noqa: N818
    """A network that has to be trained alone; says why."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One step of a network.

    Attributes:
        module: What does it in the network itself; for the pieces of a Maxout layer, that layer.
        prefix: Of its parameters in the network's ``state_dict``.
        units: How many values it gives for an example.
    """

    module: nn.Module
    prefix: str
    units: int

    @property
    def key(self) -> Hashable:
        """Pieces with equal keys are trained as one, also where their units differ."""
        module = self.module
        match module:
            case nn.Linear():
                return ("linear", module.bias is not None)
            case nn.BatchNorm1d():
                return ("batch norm", module.eps, module.momentum, module.affine)
            case nn.LayerNorm():
                return ("layer norm", module.eps, module.weight is not None, module.bias is not None)
            case nn.PReLU():
                return ("prelu", module.num_parameters == 1)
            case Maxout():
                return ("maxout", module.pieces, self.units)
            case nn.Dropout():
                return "dropout"
        return (type(module).__name__, *_without_inplace(module))


@dataclass(frozen=True, eq=False)
class Plan:
    """A network as a list of pieces.

    Attributes:
        pieces: In the order of the computation; the first is a linear layer.
        inputs: Values of an example.
        flattens: Whether inputs of more than two dimensions are flattened first.
        dtype: Of all its parameters.
        device: Likewise.
    """

    pieces: tuple[Piece, ...]
    inputs: int
    flattens: bool
    dtype: torch.dtype
    device: torch.device

    @property
    def key(self) -> Hashable:
        """Networks with equal keys can be trained together; their hidden layers may differ in width."""
        pieces = tuple(piece.key for piece in self.pieces)
        return (pieces, self.inputs, self.pieces[-1].units, self.flattens, self.dtype, self.device)

    def is_idle(self, position: int) -> bool:
        """Whether a batch norm right after a linear layer takes its bias away again."""
        after = self.pieces[position + 1 : position + 2]
        return bool(after) and isinstance(after[0].module, nn.BatchNorm1d)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each of its linear layers."""
        return tuple(piece.units for piece in self.pieces if isinstance(piece.module, nn.Linear))


def plan_of(model: nn.Module) -> Plan:
    """The pieces of a network.

    Raises:
        NotStackable: There is something in it that is not known to be right in a stack.

    Example:
        >>> plan_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))).widths
        (3, 2)
    """
    leaves = list(_leaves(model, ""))
    parameters = _checked_parameters(model)
    flattens = any(isinstance(module, nn.Flatten) for module, _ in leaves)
    computing = [leaf for leaf in leaves if not isinstance(leaf[0], (nn.Flatten, nn.Identity))]
    if not computing or not isinstance(computing[0][0], nn.Linear):
        raise NotStackable("it does not begin with a linear layer")
    if parameters[0].device.type != "cpu" and any(isinstance(module, nn.Dropout) for module, _ in leaves):
        raise NotStackable("dropout on a device, whose random numbers depend on how they are drawn")
    inputs = computing[0][0].in_features
    pieces: list[Piece] = []
    units = inputs
    for module, prefix in computing:
        units = _units_after(module, units)
        pieces.append(Piece(module, prefix, units))
    return Plan(tuple(pieces), inputs, flattens, parameters[0].dtype, parameters[0].device)


def _leaves(module: nn.Module, prefix: str) -> Iterator[tuple[nn.Module, str]]:
    _require_plain(module)
    if isinstance(module, nn.Sequential):
        for name, child in module.named_children():
            yield from _leaves(child, f"{prefix}{name}.")
    elif type(module) is Maxout:
        yield from _leaves(module.linear, f"{prefix}linear.")
        if module.norm is not None:
            yield from _leaves(module.norm, f"{prefix}norm.")
        yield module, prefix
    else:
        _require_known(module)
        yield module, prefix


def _require_plain(module: nn.Module) -> None:
    name = type(module).__name__
    if "forward" in vars(module):
        raise NotStackable(f"the forward of a {name} was replaced")
    if any(getattr(module, hooks, None) for hooks in _HOOKS):
        raise NotStackable(f"a {name} has hooks")
    if isinstance(module, nn.Sequential) and type(module).forward is not nn.Sequential.forward:
        raise NotStackable(f"{name} has a forward of its own")
    if isinstance(module, nn.Sequential) and (module._parameters or module._buffers):
        raise NotStackable(f"a {name} has parameters of its own")


def _require_known(module: nn.Module) -> None:
    name = type(module).__name__
    if type(module) not in (*ELEMENTWISE, *_WITH_WEIGHTS, nn.Dropout, nn.Flatten, nn.Identity):
        raise NotStackable(f"{name} is not known to be right in a stack")
    if type(module) is nn.Flatten and (module.start_dim, module.end_dim) != (1, -1):
        raise NotStackable("a Flatten that keeps dimensions")
    if type(module) is nn.BatchNorm1d and (module.momentum is None or not module.track_running_stats):
        raise NotStackable("a batch norm without momentum or running statistics")
    if type(module) is nn.LayerNorm and len(module.normalized_shape) != 1:
        raise NotStackable("a layer norm over several dimensions")
    known = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    if not known >= {*module._parameters, *module._buffers}:
        raise NotStackable(f"a {name} with more parameters than usual")


def _checked_parameters(model: nn.Module) -> list[nn.Parameter]:
    parameters = [parameter for _, parameter in model.named_parameters(remove_duplicate=False)]
    storages = {parameter.data_ptr() for parameter in parameters}
    if len(storages) < len(parameters):
        raise NotStackable("layers share weights")
    if not all(parameter.requires_grad for parameter in parameters):
        raise NotStackable("frozen parameters")
    if any(_has_hooks(parameter) for parameter in parameters):
        raise NotStackable("a parameter has hooks")
    if len({(parameter.dtype, parameter.device) for parameter in parameters}) > 1:
        raise NotStackable("parameters of several types or devices")
    if parameters and parameters[0].dtype not in (torch.float32, torch.float64):
        raise NotStackable(f"parameters of type {parameters[0].dtype}")
    return parameters


def _has_hooks(parameter: Any) -> bool:
    return bool(parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None))


def _units_after(module: nn.Module, units: int) -> int:
    match module:
        case nn.Linear():
            expected, after = module.in_features, module.out_features
        case nn.BatchNorm1d():
            expected, after = module.num_features, units
        case nn.LayerNorm():
            expected, after = module.normalized_shape[0], units
        case nn.PReLU():
            expected, after = (units if module.num_parameters == 1 else module.num_parameters), units
        case Maxout():
            expected, after = units, units // module.pieces
        case _:
            return units
    if expected != units:
        raise NotStackable(f"{type(module).__name__} of {expected} where {units} values come")
    return after


def _without_inplace(module: nn.Module) -> tuple[Hashable, ...]:
    """What else decides an elementwise activation."""
    return tuple(
        sorted((name, value) for name, value in vars(module).items() if name[0] != "_" and name not in _PASSED_OVER)
    )


_PASSED_OVER = {"training", "inplace"}

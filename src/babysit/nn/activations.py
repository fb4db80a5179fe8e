"""Activation functions by name, their initialisation gains, and Maxout, which torch lacks.

ReLU, leaky ReLU, PReLU, ELU, tanh, sigmoid, GELU and SiLU are torch's own modules. The lecture's rule of thumb: use
ReLU and mind the learning rate; try leaky ReLU, Maxout or ELU; perhaps tanh; not sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import pi, sqrt

import torch
from torch import Tensor, nn

from babysit.errors import InputError, suggest

_MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

ACTIVATIONS: tuple[str, ...] = (*_MODULES, "maxout")
"""Every name a model's ``activation`` may have."""

BOUNDS: dict[str, tuple[float, float]] = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
"""The limits of the activations that saturate at both ends; the others are unbounded on at least one side."""

_INITIAL_SLOPE = {"leaky_relu": 0.01, "prelu": 0.25}  # torch's defaults; PReLU learns its slope from there
_TORCH_GAIN = {
    "relu": nn.init.calculate_gain("relu"),
    "tanh": nn.init.calculate_gain("tanh"),
    "sigmoid": float(nn.init.calculate_gain("sigmoid")),
}


def check_activation(name: str) -> None:
    """Refuse a name that is not in :data:`ACTIVATIONS`.

    Raises:
        InputError: It is unknown; the nearest name is suggested.
    """
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        todo = suggest(name, ACTIVATIONS)
        raise InputError("activation", expected=f"one of {known}", found=repr(name), todo=todo)


def activation(name: str) -> nn.Module:
    """A fresh elementwise activation module with torch's defaults (leaky slope 0.01, PReLU α 0.25, ELU α 1).

    Raises:
        InputError: The name is unknown, or "maxout", which is a layer with weights of its own.

    Example:
        >>> activation("leaky_relu")
        LeakyReLU(negative_slope=0.01)
    """
    check_activation(name)
    if name == "maxout":
        raise InputError(
            "activation",
            expected="an elementwise activation",
            found="'maxout', which is a layer with weights of its own",
            todo="use Maxout or MaxoutConv2d in place of the linear layer and its activation",
        )
    return _MODULES[name]()


def gain(name: str, *, negative_slope: float | None = None, pieces: int = 2) -> float:
    r"""The factor on 1/√n_in that keeps the second moment of the signal the same from layer to layer.

    Where torch has the number (ReLU, leaky ReLU, PReLU by its initial slope, tanh, sigmoid) it is torch's
    ``calculate_gain``. The others follow He et al. (2015, arXiv:1502.01852): 1/√E[f(z)²] with z ~ N(0, 1), which gives
    ELU 1.245, GELU 1.534, SiLU 1.677 and, for the maximum of k independent pieces, Maxout 1.000 (k = 2), 0.885
    (k = 3), 0.803 (k = 4).

    Args:
        name: One of :data:`ACTIVATIONS`.
        negative_slope: Of leaky ReLU and PReLU; default 0.01 and 0.25, as torch starts them.
        pieces: Of Maxout.

    Raises:
        InputError: The name is unknown.

    Example:
        >>> round(gain("relu") ** 2, 6), round(gain("maxout"), 6)
        (2.0, 1.0)
    """
    check_activation(name)
    if name in _INITIAL_SLOPE:
        slope = _INITIAL_SLOPE[name] if negative_slope is None else negative_slope
        return nn.init.calculate_gain("leaky_relu", slope)
    if name in _TORCH_GAIN:
        return _TORCH_GAIN[name]
    return _maxout_gain(pieces) if name == "maxout" else _moment_gain(name)


class _MaxPieces(nn.Module):
    """k linear functions as one wide layer ``linear``, piece after piece, then the largest of each unit's k values."""

    def __init__(self, linear: nn.Linear | nn.Conv2d, pieces: int, norm: nn.Module | None, unit_dim: int) -> None:
        super().__init__()
        self.linear = linear
        self.norm = norm
        self.pieces = pieces
        self._unit_dim = unit_dim  # counted from the end, so that it does not depend on the batch's dimensions

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.linear(x)
        if self.norm is not None:
            z = self.norm(z)
        units = z.shape[self._unit_dim] // self.pieces
        # max, not amax: as in max-pooling, the whole gradient goes to one winner, also on a tie
        by_piece = torch.unflatten(z, self._unit_dim, (self.pieces, units))
        return by_piece.max(dim=self._unit_dim - 1).values

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"


class Maxout(_MaxPieces):
    """The maximum of ``pieces`` linear functions of the input (Goodfellow et al. 2013, arXiv:1302.4389).

    Generalises ReLU (pieces W and 0) and leaky ReLU (W and slope·W); neither saturates nor dies; has ``pieces`` times
    the parameters of a linear layer. Piece p of unit i is row ``p * out_features + i`` of ``linear.weight``.

    Shapes: ``(…, in_features)`` → ``(…, out_features)``; with ``batch_norm``, ``(N, in_features)`` only.

    Args:
        in_features: Inputs.
        out_features: Units.
        pieces: Linear functions per unit; the lecture's two by default.
        bias: Add a bias to every piece.
        batch_norm: Normalise the pieces over the batch, before the maximum.

    Raises:
        InputError: Fewer than two pieces.

    Example:
        >>> Maxout(4, 3)(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self, in_features: int, out_features: int, pieces: int = 2, *, bias: bool = True, batch_norm: bool = False
    ) -> None:
        check_pieces(pieces)
        wide = pieces * out_features
        norm = nn.BatchNorm1d(wide) if batch_norm else None
        super().__init__(nn.Linear(in_features, wide, bias=bias), pieces, norm, unit_dim=-1)


class MaxoutConv2d(_MaxPieces):
    """The maximum of ``pieces`` convolutions; see :class:`Maxout`.

    Shapes: ``(N, in_channels, H, W)`` → ``(N, out_channels, H′, W′)`` with torch's ``Conv2d`` arithmetic. Piece p of
    channel c is filter ``p * out_channels + c`` of ``linear.weight``.

    Args:
        in_channels: Maps of the input.
        out_channels: Maps of the output.
        kernel_size: As in ``torch.nn.Conv2d``.
        pieces: Convolutions per output map; two by default.
        stride: As in ``torch.nn.Conv2d``.
        padding: As in ``torch.nn.Conv2d``.
        dilation: As in ``torch.nn.Conv2d``.
        bias: Add a bias to every piece.
        batch_norm: Normalise the pieces over batch and space, before the maximum.

    Raises:
        InputError: Fewer than two pieces.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        pieces: int = 2,
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        batch_norm: bool = False,
    ) -> None:
        check_pieces(pieces)
        wide = pieces * out_channels
        conv = nn.Conv2d(in_channels, wide, kernel_size, stride=stride, padding=padding, dilation=dilation, bias=bias)
        norm = nn.BatchNorm2d(wide) if batch_norm else None
        super().__init__(conv, pieces, norm, unit_dim=-3)


def check_pieces(pieces: int) -> None:
    """Refuse a Maxout of fewer than two pieces.

    Raises:
        InputError: It would be a linear layer.
    """
    if not isinstance(pieces, int) or pieces < 2:
        raise InputError("pieces", expected="at least 2", found=repr(pieces), todo="use 2: one piece is a linear layer")


def maxout_pieces(module: nn.Module) -> dict[nn.Module, int]:
    """The wide layers inside the module's Maxout layers, and how many pieces each holds."""
    return {layer.linear: layer.pieces for layer in module.modules() if isinstance(layer, _MaxPieces)}


def is_maxout(module: nn.Module) -> bool:
    """Whether the module is a Maxout layer, linear or convolutional."""
    return isinstance(module, _MaxPieces)


def _normal_grid() -> tuple[Tensor, Tensor]:
    """Points of the standard normal, with zero among them, and their weights (trapezoids; exact to 1e-9)."""
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    return z, torch.exp(-z.square() / 2) / sqrt(2 * pi) * (z[1] - z[0])


@cache
def _moment_gain(name: str) -> float:
    z, weight = _normal_grid()
    second_moment = (_MODULES[name]()(z).square() * weight).sum().item()
    return float(second_moment**-0.5)


@cache
def _maxout_gain(pieces: int) -> float:
    z, weight = _normal_grid()
    density = pieces * torch.special.ndtr(z) ** (pieces - 1) * weight  # of the largest of `pieces` standard normals
    return float((z.square() * density).sum().item() ** -0.5)

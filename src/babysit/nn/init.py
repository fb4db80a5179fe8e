"""Weight initialisation by name, drawn from a generator of one's own.

The lecture's section: all-equal weights never break symmetry, small random weights make deep signals collapse, large
ones saturate, 1/√n_in keeps tanh alive, √(2/n_in) is what ReLU needs. Every scheme is one text, so that it can be
configured, searched and reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from babysit.errors import InputError, suggest
from babysit.nn.activations import gain as activation_gain
from babysit.nn.activations import maxout_pieces
from babysit.nn.lsuv import scale_to_unit_variance

WeightLayer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


@dataclass(frozen=True)
class Scheme:
    """A parsed initialisation scheme; :func:`parse_scheme` makes it.

    Args:
        name: One of :data:`SCHEMES`.
        value: The number after the colon; 0 where the scheme takes none.
    """

    name: str
    value: float = 0.0

    @property
    def breaks_symmetry(self) -> bool:
        """Whether the units of a layer start different from each other."""
        return self.name not in ("zeros", "constant")


class _Draw(NamedTuple):
    """What a scheme may look at: the layer's fan, the gain of what follows it, the scheme's number."""

    fan_in: int
    fan_out: int
    gain: float
    value: float
    generator: Generator | None

    def normal(self, weight: Tensor, std: float) -> Tensor:
        return self._empty(weight).normal_(0.0, std, generator=self.generator)

    def uniform(self, weight: Tensor, bound: float) -> Tensor:
        return self._empty(weight).uniform_(-bound, bound, generator=self.generator)

    def orthogonal(self, weight: Tensor) -> Tensor:
        return nn.init.orthogonal_(self._empty(weight), self.gain, generator=self.generator)

    def _empty(self, weight: Tensor) -> Tensor:
        # where the generator lives, so that the same seed gives the same weights on every device
        device = "cpu" if self.generator is None else self.generator.device
        return torch.empty_like(weight, device=device)


def _sparse(weight: Tensor, draw: _Draw) -> Tensor:
    inputs = min(int(draw.value), draw.fan_in)
    dense = draw.normal(weight, draw.gain / math.sqrt(inputs)).flatten(1)
    order = draw.uniform(weight, 1.0).flatten(1).argsort(dim=1)
    return torch.zeros_like(dense).scatter(1, order[:, :inputs], dense).view_as(weight)


class _Kind(NamedTuple):
    """How a scheme fills a weight, the form of its number (if it takes one) and which numbers are allowed."""

    fill: Callable[[Tensor, _Draw], Tensor]
    form: str = ""
    allows: Callable[[float], bool] = math.isfinite


_KINDS: dict[str, _Kind] = {
    "he": _Kind(lambda w, d: d.normal(w, d.gain / math.sqrt(d.fan_in))),
    "xavier": _Kind(lambda w, d: d.normal(w, 1 / math.sqrt(d.fan_in))),
    "glorot": _Kind(lambda w, d: d.normal(w, math.sqrt(2 / (d.fan_in + d.fan_out)))),
    "normal": _Kind(lambda w, d: d.normal(w, d.value), "STD", lambda v: 0 < v < math.inf),
    "uniform": _Kind(lambda w, d: d.uniform(w, d.value), "BOUND", lambda v: 0 < v < math.inf),
    "orthogonal": _Kind(lambda w, d: d.orthogonal(w)),
    "sparse": _Kind(_sparse, "K", lambda v: v >= 1 and v.is_integer()),
    "lsuv": _Kind(lambda w, d: d._replace(gain=1.0).orthogonal(w)),
    "zeros": _Kind(lambda w, _: torch.zeros_like(w)),
    "constant": _Kind(lambda w, d: torch.full_like(w, d.value), "C"),
}

SCHEMES: tuple[str, ...] = tuple(f"{name}:{kind.form}" if kind.form else name for name, kind in _KINDS.items())
"""Every scheme, with the form of its number."""


def parse_scheme(text: str) -> Scheme:
    """Read a scheme such as ``he``, ``normal:0.01`` or ``sparse:15``.

    Raises:
        InputError: The scheme is unknown, or its number is missing, superfluous or impossible.

    Example:
        >>> parse_scheme("normal:0.01")
        Scheme(name='normal', value=0.01)
    """
    name, colon, number = text.strip().partition(":")
    if name not in _KINDS:
        raise _bad_scheme(text, suggest(name, _KINDS))
    kind = _KINDS[name]
    if not kind.form:
        if colon:
            raise _bad_scheme(text, f"write {name!r} alone")
        return Scheme(name)
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not kind.allows(value):
        raise _bad_scheme(text, f"write {name}:{kind.form} with a possible number")
    return Scheme(name, value)


@torch.no_grad()
def initialize(
    module: nn.Module,
    scheme: str,
    *,
    activation: str = "relu",
    bias: float = 0.0,
    generator: Generator | None,
    sample: Tensor | None = None,
) -> None:
    """Set the weights of every linear and convolutional layer by a scheme, and the biases to a constant.

    Normalisation layers, embeddings, transposed convolutions and activations with parameters are left as they are. The
    wide layer inside a Maxout is filled piece by piece, each with its own fan and Maxout's gain.

    ==============  ==============================================================================================
    scheme          weights
    ==============  ==============================================================================================
    he              N(0, gain²/n_in): √(2/n_in) for ReLU (He et al. 2015, arXiv:1502.01852)
    xavier          N(0, 1/n_in), the lecture's form, whatever the activation
    glorot          N(0, 2/(n_in + n_out)) (Glorot & Bengio 2010)
    normal:STD      N(0, STD²)
    uniform:BOUND   U(−BOUND, BOUND)
    orthogonal      orthonormal rows or columns × gain (Saxe et al. 2014, arXiv:1312.6120)
    sparse:K        K nonzero inputs a unit at random (Martens 2010), all if it has fewer. Martens draws them from
                    N(0, 1); here from N(0, gain²/K), which keeps the signal's size in a deep net, as ``he`` does
    lsuv            orthonormal, then each layer in its order of use scaled until its outputs on ``sample`` have
                    variance 1 (Mishkin & Matas 2016, arXiv:1511.06422)
    zeros           0: never breaks symmetry; to show that
    constant:C      C: likewise
    ==============  ==============================================================================================

    Args:
        module: A layer or a whole network.
        scheme: One of the texts above.
        activation: What follows the layers; decides the gain (:func:`babysit.nn.activations.gain`).
        bias: The constant for the biases; the lecture's slightly positive start for ReLU is 0.01.
        generator: Where the random numbers come from; with None, torch's global CPU
            generator, which is not touched otherwise.
        sample: A batch of (preprocessed) inputs, for ``lsuv`` only.

    Raises:
        InputError: The scheme or activation is unknown, or ``lsuv`` has no usable sample.

    Example:
        >>> layer = nn.Linear(1000, 200)
        >>> initialize(layer, "he", generator=torch.Generator().manual_seed(0))
        >>> round(layer.weight.std().item() / (2 / 1000) ** 0.5, 1)
        1.0
    """
    parsed = parse_scheme(scheme)
    gain = activation_gain(activation)
    if parsed.name == "lsuv" and sample is None:
        raise InputError(
            "lsuv", expected="a batch of training inputs", found="none", todo="pass sample=, or use 'orthogonal'"
        )
    pieces_of = maxout_pieces(module)
    for layer in weight_layers(module):
        pieces = pieces_of.get(layer, 1)
        _fill(layer, parsed, pieces, gain if pieces == 1 else activation_gain("maxout", pieces=pieces), generator)
        if layer.bias is not None:
            layer.bias.fill_(bias)
    if parsed.name == "lsuv" and sample is not None:
        scale_to_unit_variance(module, list(weight_layers(module)), sample)


def weight_layers(module: nn.Module) -> Iterator[WeightLayer]:
    """The linear and convolutional layers of a module, itself included, in registration order."""
    return (layer for layer in module.modules() if isinstance(layer, WeightLayer))


def _fill(layer: WeightLayer, scheme: Scheme, pieces: int, gain: float, generator: Generator | None) -> None:
    weight = layer.weight
    groups = getattr(layer, "groups", 1)
    fan_in = weight[0].numel()
    fan_out = weight.shape[0] // (pieces * groups) * weight[0, 0].numel()
    draw = _Draw(fan_in, fan_out, gain, scheme.value, generator)
    for piece in weight.chunk(pieces):
        piece.copy_(_KINDS[scheme.name].fill(piece, draw))


def _bad_scheme(text: str, todo: str) -> InputError:
    return InputError("init", expected=f"one of {', '.join(SCHEMES)}", found=repr(text), todo=todo)

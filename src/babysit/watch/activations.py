"""Activations of a forward pass: a sample of each layer's outputs, reduced together once the step is over."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from babysit.measure.record import DEAD_BATCHES, LayerStats
from babysit.watch.gather import Gather, Values
from babysit.watch.graph import made_by
from babysit.watch.parameters import WeightStats
from babysit.watch.values import has_no_values, is_array, is_plain

Alive = NDArray[np.bool_]

SAMPLE = 512
"""Outputs looked at of each layer, of up to 64 units: means are known to 0.05 standard deviations, shares to 2 %."""

UNITS = 64
CALLS = 8
"""A module that is called more often in one pass, as a recurrent cell, is not followed further."""

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_LIMITS: Mapping[str, tuple[float, float]] = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}
_MARGIN = 0.01
_RECTIFIERS = frozenset({"ReLU", "ReLU6"})
_LAST_DIMENSION = ("Linear", "LayerNorm", "Embedding", "RMSNorm")

FUNCTIONS: Mapping[Callable[..., Any], str] = {
    function: kind
    for kind, functions in {
        "ReLU": (F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
        "ReLU6": (F.relu6,),
        "LeakyReLU": (F.leaky_relu, F.leaky_relu_),
        "PReLU": (F.prelu, torch.prelu),
        "ELU": (F.elu, F.elu_),
        "CELU": (F.celu,),
        "SELU": (F.selu, torch.selu),
        "GELU": (F.gelu,),
        "SiLU": (F.silu,),
        "Mish": (F.mish,),
        "Softplus": (F.softplus,),
        "Tanh": (F.tanh, torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_),
        "Sigmoid": (F.sigmoid, torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_),
        "Hardtanh": (F.hardtanh,),
        "Hardswish": (F.hardswish,),
        "Hardsigmoid": (F.hardsigmoid,),
    }.items()
    for function in functions
}
"""Functional activation → the module that does the same."""

_CLAMP = "clamp"
_CLAMPS: tuple[Callable[..., Any], ...] = (torch.clamp, torch.clamp_min, Tensor.clamp, Tensor.clamp_min)
_CLAMPS += (torch.clip, Tensor.clip)
_LOOKED_AT = {**FUNCTIONS, **dict.fromkeys(_CLAMPS, _CLAMP)}
_LAYERS = frozenset(
    {"addmm", "mm", "linear", "addmv", "mv", "convolution", "mkldnnconvolution"}
    | {"nativebatchnorm", "cudnnbatchnorm", "nativelayernorm", "nativegroupnorm"}
)
"""Operations of layers that a rectifier stands behind."""


@dataclass
class _Seen:
    """One layer in one forward pass."""

    kind: str
    sample: Tensor
    unit_sums: Tensor | None = None


@dataclass
class ActivationSample:
    """What the layers of one sampled step put out, in the order in which they did.

    Args:
        alive_before: Which units of each rectifier were alive in earlier sampled batches, ``(batches, C)``; this one
            is added once its numbers were read.
    """

    alive_before: dict[str, Alive]
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _calls: dict[str, int] = field(default_factory=dict)
    _unit_dimension: int = 1

    def add(self, path: str, kind: str, output: Any) -> None:
        """Take a sample of what a layer put out."""
        tensor = output if isinstance(output, Tensor) else first_tensor(output)
        if tensor is None or has_no_values(tensor) or not is_array(tensor):
            return
        if not tensor.is_floating_point() or tensor.numel() == 0:
            return
        calls = self._calls[path] = self._calls.get(path, 0) + 1
        if calls > CALLS:
            return
        name = path if calls == 1 else f"{path}#{calls}"
        self._unit_dimension = _unit_dimension_of(kind) or self._unit_dimension
        sums = _unit_sums(tensor, self._unit_dimension) if kind in _RECTIFIERS and tensor.dim() > 1 else None
        self._seen[name] = _Seen(kind, sample_of(tensor), sums)

    def reduce(self, gather: Gather) -> Callable[[Mapping[str, WeightStats]], list[LayerStats]]:
        """Send all samples to the host.

        Returns:
            What gives the statistics once they were read, with those of the modules' weights in their places.
        """
        alike: dict[tuple[torch.Size, torch.device], list[str]] = {}
        for name, seen in self._seen.items():
            alike.setdefault((seen.sample.shape, seen.sample.device), []).append(name)
        samples = [(names, gather.put_all([self._seen[name].sample for name in names])) for names in alike.values()]
        sums = {name: gather.put(seen.unit_sums) for name, seen in self._seen.items() if seen.unit_sums is not None}
        kinds = {name: seen.kind for name, seen in self._seen.items()}
        shapes = [tuple(shape) for shape, _ in alike]

        def build(weights: Mapping[str, WeightStats]) -> list[LayerStats]:
            rows: dict[str, _Row] = {}
            for shape, (names, read) in zip(shapes, samples, strict=True):
                values = read().reshape(-1, *shape)
                rows.update(zip(names, _reduce(values, [kinds[name] for name in names]), strict=True))
            dead = {name: self._dead(name, read() != 0) for name, read in sums.items()}
            return [
                _statistics(name, kind, rows[name], dead.get(name), weights.get(name)) for name, kind in kinds.items()
            ]

        return build

    def _dead(self, name: str, alive: Alive) -> float:
        """Share of the units that were alive neither in this batch nor in any before."""
        before = self.alive_before.get(name)
        if before is None or before.shape[1:] != alive.shape:
            history = alive[np.newaxis]
        else:
            history = np.concatenate([before[1 - DEAD_BATCHES :], alive[np.newaxis]])
        self.alive_before[name] = history
        return 1 - float(np.count_nonzero(history.any(axis=0)) / history.shape[1])


class FunctionalActivations(TorchFunctionMode):
    """Sees activation functions that are called as functions, inside modules that are not activations themselves.

    Args:
        seen: Receives the kind and the output of each.
    """

    def __init__(self, seen: Callable[[str, Tensor], None]) -> None:
        super().__init__()
        self._tell = seen

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function; tell of it where it is an activation."""
        output = func(*args, **(kwargs or {}))
        kind = _LOOKED_AT.get(func)
        if kind is not None and (kind != _CLAMP or _rectifies(args, kwargs or {})):
            self._tell("ReLU" if kind == _CLAMP else kind, output)
        return output


def _rectifies(args: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a clamp is a ReLU: at zero, from below alone, of what a layer puts out; not that of a hinge loss."""
    low = args[1] if len(args) > 1 else kwargs.get("min")
    high = args[2] if len(args) > 2 else kwargs.get("max")
    number = isinstance(low, int | float) and low == 0
    return number and high is None and bool(args) and isinstance(args[0], Tensor) and made_by(args[0]) in _LAYERS


def first_tensor(value: Any) -> Tensor | None:
    """The first tensor of what a module took or gave: itself, or in a tuple, list or mapping."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, tuple | list):
        items: Iterable[Any] = value
    elif isinstance(value, Mapping):
        items = value.values()
    else:
        return None
    return next((found for item in items if (found := first_tensor(item)) is not None), None)


def sample_of(output: Tensor) -> Tensor:
    """A copy of some outputs, ``(n, u)``: the same units of the first examples, spread over all positions."""
    data = output.detach()
    if data.dim() > 1 and data.is_contiguous() and is_plain(data):
        return torch.as_strided_copy(data, *_places_in(data.shape)).to(torch.float32)
    flat = _by_example(data)
    rows, units, step = _some_of(*flat.shape)
    return flat[:rows, : units * step : step].to(torch.float32, copy=True)


@functools.lru_cache(maxsize=256)
def _places_in(shape: torch.Size) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size and strides of what is looked at of outputs without gaps in memory."""
    each = math.prod(shape[1:])
    rows, units, step = _some_of(shape[0], each)
    return (rows, units), (each, step)


def _some_of(examples: int, units: int) -> tuple[int, int, int]:
    """How many examples, how many units, and every so-manieth of these."""
    if units > UNITS:
        return min(examples, SAMPLE // UNITS), UNITS, _coprime(units // UNITS, units)
    return min(examples, max(1, SAMPLE // units)), units, 1


def _by_example(output: Tensor) -> Tensor:
    """``(N, …)`` as ``(N, D)``, of the first few examples alone."""
    if output.dim() < 2:
        return output.reshape(-1, 1)
    return output if output.dim() == 2 else output[: SAMPLE // UNITS].flatten(1)


@functools.lru_cache(maxsize=256)
def _coprime(step: int, size: int) -> int:
    """The largest step up to this one that does not meet the same position in every row of feature maps."""
    while math.gcd(step, size) > 1:
        step -= 1
    return step


def _unit_sums(output: Tensor, unit_dimension: int) -> Tensor:
    """Zero for the units that are zero throughout; nothing cancels in a sum of what is never negative."""
    return output.detach().sum(dim=_others(unit_dimension % output.dim(), output.dim()))


@functools.lru_cache(maxsize=256)
def _unit_dimension_of(kind: str) -> int:
    """Which dimension counts the units behind a layer; 0 where it leaves them as they are."""
    if kind.startswith(_LAST_DIMENSION):
        return -1
    return 1 if kind.startswith(("Conv", "BatchNorm")) else 0


@functools.cache
def _others(dimension: int, dimensions: int) -> tuple[int, ...]:
    return tuple(item for item in range(dimensions) if item != dimension)


class _Row(NamedTuple):
    """One layer's numbers; those that have no meaning for its kind are ``None``."""

    mean: float
    std: float
    example_std: float
    nonfinite: float
    zeros: float | None
    saturated: float | None
    quantiles: tuple[float, ...]


def _reduce(samples: NDArray[np.float32], kinds: Sequence[str]) -> Iterator[_Row]:
    """Numbers of layers with samples of one shape ``(L, n, u)``, one for each layer."""
    layers, examples, units = samples.shape
    flat = samples.reshape(layers, -1)
    count = examples * units
    lost: Sequence[float] = (0.0,) * layers
    # first, as NumPy warns of sums of what is not finite
    finite = np.isfinite(flat)
    if not finite.all():
        lost = (1 - np.count_nonzero(finite, axis=1) / count).tolist()
        flat = np.where(finite, flat, np.float32(0))
    wide = flat.astype(np.float64)
    # what numpy's mean does, in fewer calls
    means = np.add.reduce(wide, axis=1, keepdims=True) / count
    quantiles = np.sort(flat, axis=1)[:, _places(count)].tolist()
    wide -= means
    squares = _squares(wide).tolist()
    # an example is compared with others only where there are any
    between_units = _squares(np.add.reduce(wide.reshape(samples.shape), axis=1)).tolist()
    rows = zip(
        means[:, 0].tolist(), squares, between_units, lost, quantiles, samples.reshape(layers, -1), kinds, strict=True
    )
    for mean, square, between, nonfinite, ends, values, kind in rows:
        variance = square / count
        spread = max(variance - between / (examples**2 * units), 0.0)
        zeros = (count - np.count_nonzero(values)) / count if kind in _RECTIFIERS else None
        saturated = _saturation(values.astype(np.float64), *_LIMITS[kind]) if kind in _LIMITS else None
        yield _Row(mean, math.sqrt(variance), math.sqrt(spread), nonfinite, zeros, saturated, tuple(ends))


@functools.cache
def _places(count: int) -> NDArray[np.intp]:
    """Where the quantiles of so many numbers in order stand."""
    return np.array([round(q * (count - 1)) for q in _QUANTILES])


def _squares(rows: Values) -> Values:
    """Sum of the squares of each row."""
    sums: Values = np.einsum("ij,ij->i", rows, rows)
    return sums


def _saturation(values: Values, low: float, high: float) -> float:
    margin = _MARGIN * (high - low)
    return np.count_nonzero((values < low + margin) | (values > high - margin)) / len(values)


def _statistics(name: str, kind: str, row: _Row, dead: float | None, weights: WeightStats | None) -> LayerStats:
    broken = row.nonfinite == 1.0
    of_weights = {} if weights is None else weights._asdict()
    return LayerStats(
        name,
        kind,
        mean=math.nan if broken else row.mean,
        std=math.nan if broken else row.std,
        zero_fraction=row.zeros,
        dead_fraction=dead,
        saturated_fraction=row.saturated,
        example_std=math.nan if broken else row.example_std,
        quantiles=None if broken else row.quantiles,
        nonfinite_fraction=row.nonfinite or None,
        **of_weights,
    )


def is_activation(module: nn.Module) -> bool:
    """Whether the module is an activation function of torch."""
    return type(module).__module__ == "torch.nn.modules.activation" and not any(True for _ in module.children())

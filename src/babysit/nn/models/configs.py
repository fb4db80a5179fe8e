"""What a multilayer perceptron or a convolutional net is made of, as frozen values that can be stored and searched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from torch import nn

from babysit.errors import InputError, suggest
from babysit.nn.activations import Maxout, MaxoutConv2d, activation, check_activation, check_pieces
from babysit.nn.init import parse_scheme

NamedLayer = tuple[str, nn.Module]


@dataclass(frozen=True)
class MLPConfig:
    """A multilayer perceptron: linear → [batch norm] → activation → [dropout] per hidden layer, then a linear output.

    With Maxout, one layer stands for the linear layer, its batch norm and the activation.

    Args:
        input_shape: Of one preprocessed example; flattened by the network.
        outputs: Classes, or values to predict.
        hidden: Units per hidden layer; the lecture's 50 by default. Empty for a linear model.
        activation: One of :data:`babysit.nn.activations.ACTIVATIONS`.
        pieces: Linear functions per Maxout unit.
        batch_norm: Normalise before the nonlinearity. The linear layer then has no bias: batch norm would remove it.
        dropout: Probability of a unit being dropped, in [0, 1).
        init: A scheme of :func:`babysit.nn.init.initialize`.
        bias: Initial bias of the hidden layers; of none with ``batch_norm``.

    Raises:
        InputError: A value is impossible.

    Example:
        >>> [name for name, _ in MLPConfig((3, 32, 32), 10, hidden=(50,), dropout=0.5).layers()]
        ['flatten', 'fc1', 'act1', 'drop1', 'output']
    """

    input_shape: tuple[int, ...]
    outputs: int
    hidden: tuple[int, ...] = (50,)
    activation: str = "relu"
    pieces: int = 2
    batch_norm: bool = False
    dropout: float = 0.0
    init: str = "he"
    bias: float = 0.0

    kind: ClassVar[str] = "mlp"

    def __post_init__(self) -> None:
        _check(self)
        _check_sizes("hidden", self.hidden)

    def layers(self) -> Iterator[NamedLayer]:
        """The layers in order, named by their depth; their weights are whatever torch sets."""
        return _fully_connected(self, math.prod(self.input_shape), depth=0)


@dataclass(frozen=True)
class CNNConfig:
    """A convolutional net: conv 3×3 → [batch norm] → activation → [dropout] → max-pool 2 per block, then an MLP.

    Layers are numbered by their depth, as in AlexNet: after conv2 comes fc3.

    Args:
        input_shape: Of one preprocessed image, (channels, height, width).
        outputs: Classes, or values to predict.
        channels: Maps per block; every block halves height and width.
        hidden: Units per fully connected hidden layer; may be empty.
        activation: As in :class:`MLPConfig`, like all that follow.
        pieces: Convolutions or linear functions per Maxout unit.
        batch_norm: Normalise before the nonlinearity.
        dropout: Probability of a value being dropped, in [0, 1).
        init: A scheme of :func:`babysit.nn.init.initialize`.
        bias: Initial bias of all layers but the output; of none with ``batch_norm``.

    Raises:
        InputError: A value is impossible, or the image too small for so many blocks.

    Example:
        >>> config = CNNConfig((1, 28, 28), 10, channels=(16,), hidden=(64,))
        >>> " ".join(name for name, _ in config.layers())
        'conv1 bn1 act1 pool1 flatten fc2 bn2 act2 output'
    """

    input_shape: tuple[int, ...]
    outputs: int
    channels: tuple[int, ...] = (32, 64)
    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    pieces: int = 2
    batch_norm: bool = True
    dropout: float = 0.0
    init: str = "he"
    bias: float = 0.0

    kind: ClassVar[str] = "cnn"

    def __post_init__(self) -> None:
        _check(self)
        _check_sizes("hidden", self.hidden)
        _check_sizes("channels", self.channels, empty="list at least one block")
        if len(self.input_shape) != 3:
            raise _impossible("input_shape", "channels, height and width", self.input_shape, "use an mlp")
        blocks, room = len(self.channels), min(self.input_shape[1:]).bit_length() - 1
        if blocks > room:
            expected = f"at most {room} blocks, as each halves an image of {self.input_shape[1:]}"
            raise _impossible("channels", expected, self.channels, "list fewer, or use larger images")

    def layers(self) -> Iterator[NamedLayer]:
        """The layers in order, named by their depth; their weights are whatever torch sets."""
        inputs, height, width = self.input_shape
        for depth, outputs in enumerate(self.channels, start=1):
            yield from _conv_block(self, inputs, outputs, depth)
            inputs, height, width = outputs, height // 2, width // 2
        yield from _fully_connected(self, inputs * height * width, depth=len(self.channels))


ModelConfig = MLPConfig | CNNConfig

_CONFIGS: dict[str, type[MLPConfig] | type[CNNConfig]] = {"mlp": MLPConfig, "cnn": CNNConfig}


def config_to_json(config: ModelConfig) -> dict[str, Any]:
    """The configuration as a JSON object with its "kind", "mlp" or "cnn"."""
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    return {"kind": config.kind, **lists}


def config_from_json(data: Mapping[str, Any]) -> ModelConfig:
    """The configuration that :func:`config_to_json` described; fields left out have their defaults.

    Raises:
        InputError: The kind or a field is unknown, a required one is missing, or a value is impossible.

    Example:
        >>> config_from_json({"kind": "mlp", "input_shape": [64], "outputs": 10}).hidden
        (50,)
    """
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    kind = values.pop("kind", None)
    if kind not in _CONFIGS:
        raise _impossible("model kind", "mlp or cnn", kind, "set kind to one of these")
    config_type = _CONFIGS[kind]
    known = [field.name for field in fields(config_type)]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise InputError(kind, expected=f"fields {', '.join(known)}", found=unknown[0], todo=suggest(unknown[0], known))
    missing = [name for name in ("input_shape", "outputs") if name not in values]
    if missing:
        raise InputError(
            kind, expected=" and ".join(missing), found="neither" if missing[1:] else "none", todo="add it"
        )
    return config_type(**values)


def _conv_block(config: CNNConfig, inputs: int, outputs: int, depth: int) -> Iterator[NamedLayer]:
    norm = config.batch_norm
    if config.activation == "maxout":
        maxout = MaxoutConv2d(inputs, outputs, 3, config.pieces, padding=1, bias=not norm, batch_norm=norm)
        yield f"conv{depth}", maxout
    else:
        yield f"conv{depth}", nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm)
        if norm:
            yield f"bn{depth}", nn.BatchNorm2d(outputs)
        yield f"act{depth}", activation(config.activation)
    if config.dropout:
        yield f"drop{depth}", nn.Dropout(config.dropout)
    yield f"pool{depth}", nn.MaxPool2d(2)


def _fully_connected(config: ModelConfig, inputs: int, depth: int) -> Iterator[NamedLayer]:
    yield "flatten", nn.Flatten()
    for number, units in enumerate(config.hidden, start=depth + 1):
        yield from _hidden_layer(config, inputs, units, number)
        inputs = units
    yield "output", nn.Linear(inputs, config.outputs)


def _hidden_layer(config: ModelConfig, inputs: int, units: int, depth: int) -> Iterator[NamedLayer]:
    norm = config.batch_norm
    if config.activation == "maxout":
        yield f"fc{depth}", Maxout(inputs, units, config.pieces, bias=not norm, batch_norm=norm)
    else:
        yield f"fc{depth}", nn.Linear(inputs, units, bias=not norm)
        if norm:
            yield f"bn{depth}", nn.BatchNorm1d(units)
        yield f"act{depth}", activation(config.activation)
    if config.dropout:
        yield f"drop{depth}", nn.Dropout(config.dropout)


def _check(config: ModelConfig) -> None:
    """What both kinds share."""
    _check_sizes("input_shape", config.input_shape, empty="give the shape of one example")
    _check_sizes("outputs", (config.outputs,))
    check_activation(config.activation)
    check_pieces(config.pieces)
    parse_scheme(config.init)
    if not isinstance(config.batch_norm, bool):
        raise _impossible("batch_norm", "true or false", config.batch_norm, "choose one")
    if not (_is_number(config.dropout) and 0 <= config.dropout < 1):
        raise _impossible("dropout", "a probability from 0 to below 1", config.dropout, "use 0.5, or 0 for none")
    if not (_is_number(config.bias) and math.isfinite(config.bias)):
        raise _impossible("bias", "a finite number", config.bias, "use 0 or 0.01")


def _check_sizes(name: str, sizes: tuple[int, ...], *, empty: str = "") -> None:
    valid = isinstance(sizes, tuple) and all(type(size) is int and size >= 1 for size in sizes)
    if not valid:
        raise _impossible(name, "whole numbers of at least 1", sizes, "correct it")
    if empty and not sizes:
        raise _impossible(name, "at least one number", "none", empty)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _impossible(name: str, expected: str, found: object, todo: str) -> InputError:
    return InputError(name, expected=expected, found=str(found), todo=todo)

"""The network to train: one of our own configurations, or what the user's function builds."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from babysit.errors import InputError
from babysit.nn import CNNConfig, MLPConfig, ModelConfig, build, config_from_json, config_to_json
from babysit.recipe.options import TrainOptions

SMALLEST_CNN_IMAGE = 16
"""Pixels a side from which a convolutional net is the default."""


class Architecture(ABC):
    """Builds networks that differ in hyperparameters and seed only."""

    @abstractmethod
    def build(self, params: Mapping[str, Any], seed: int, sample: Tensor) -> nn.Module:
        """A network with its initial weights; hyperparameters that it does not have are passed over.

        Args:
            params: Hyperparameters.
            seed: Of the initial weights.
            sample: A batch of preprocessed inputs, for initialisations that look at data.
        """

    @abstractmethod
    def to_json(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """How to build it again, for `model.json`."""

    @abstractmethod
    def describe(self, params: Mapping[str, Any]) -> str:
        """In one line."""


@dataclass(frozen=True)
class Configured(Architecture):
    """A multilayer perceptron or convolutional net of our own."""

    config: ModelConfig

    def build(self, params: Mapping[str, Any], seed: int, sample: Tensor) -> nn.Module:
        """The network of the configuration, with the hyperparameters it knows."""
        network: nn.Module = build(self._with(params), seed, sample)
        if isinstance(self.config, CNNConfig):
            # convolutions on a CPU are faster with the channels innermost
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def to_json(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration."""
        return config_to_json(self._with(params))

    def describe(self, params: Mapping[str, Any]) -> str:
        """Kind, layer sizes, activation and what else differs from the plain net."""
        config = self._with(params)
        sizes = [*(config.channels if isinstance(config, CNNConfig) else ()), *config.hidden, config.outputs]
        shape = "×".join(str(size) for size in config.input_shape)
        extras = [
            "batch norm" if config.batch_norm else "",
            f"dropout {config.dropout:.2g}" if config.dropout else "",
            f"init {config.init}",
        ]
        words = ", ".join([config.activation, *(extra for extra in extras if extra)])
        return f"{config.kind} {shape}-{'-'.join(str(size) for size in sizes)}, {words}"

    def _with(self, params: Mapping[str, Any]) -> ModelConfig:
        own = {field.name for field in dataclasses.fields(self.config)}
        return dataclasses.replace(self.config, **{name: value for name, value in params.items() if name in own})


@dataclass(frozen=True)
class FromFile(Architecture):
    """What a function in the user's own file builds.

    The function may take any of ``input_shape``, ``outputs`` and hyperparameters by name, and returns an
    ``nn.Module`` from preprocessed inputs to logits or values.
    """

    target: str
    function: Callable[..., Any]
    input_shape: tuple[int, ...]
    outputs: int

    def build(self, params: Mapping[str, Any], seed: int, sample: Tensor) -> nn.Module:  # noqa: ARG002
        """Call the function, with torch's random numbers seeded for it alone."""
        offered = {"input_shape": self.input_shape, "outputs": self.outputs, **params}
        accepted = inspect.signature(self.function).parameters
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.function(**{n: v for n, v in offered.items() if takes_all or n in accepted})
        if not isinstance(network, nn.Module):
            raise InputError(
                self.target,
                expected="a function that returns an nn.Module",
                found=f"a {type(network).__name__}",
                todo="return the model",
            )
        return network

    def to_json(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Where the function is; loading such a run needs the function to be named again."""
        return {"kind": "file", "target": self.target, "params": dict(params)}

    def describe(self, params: Mapping[str, Any]) -> str:
        """Where it comes from."""
        return f"{self.target} ({', '.join(f'{name}={value}' for name, value in params.items()) or 'its defaults'})"


def choose_architecture(
    options: TrainOptions, kind: str, examples: int, input_shape: tuple[int, ...], outputs: int
) -> Architecture:
    """The architecture that was asked for, or one that suits the data.

    Args:
        options: What was asked for.
        kind: ``"image"``, ``"features"`` or ``"table"``.
        examples: In the training split.
        input_shape: Of one preprocessed example.
        outputs: Classes, or 1 for regression.

    Raises:
        InputError: The options cannot be had together or for such data.
    """
    if options.model is not None and ":" in options.model:
        return FromFile(options.model, load_function(options.model), input_shape, outputs)
    if model_kind(options, kind, input_shape) == "cnn":
        return Configured(CNNConfig(input_shape, outputs, **_given(options, "channels")))
    defaults: dict[str, Any] = {"hidden": _default_hidden(kind, examples)}
    return Configured(MLPConfig(input_shape, outputs, **{**defaults, **_given(options)}))


def model_kind(options: TrainOptions, kind: str, shape: tuple[int, ...]) -> str:
    """``"cnn"`` for images that are large enough unless something else was asked for, ``"mlp"`` otherwise.

    Raises:
        InputError: No such model.
    """
    if options.model is None:
        large = kind == "image" and len(shape) == 3 and min(shape[1:]) >= SMALLEST_CNN_IMAGE
        return "cnn" if large else "mlp"
    if ":" in options.model:
        return "cnn" if kind == "image" else "mlp"
    if options.model not in ("mlp", "cnn"):
        raise InputError(
            "--model", expected="mlp, cnn or file.py:function", found=repr(options.model), todo="choose one of them"
        )
    return options.model


def _default_hidden(kind: str, examples: int) -> tuple[int, ...]:
    """Two layers where there is enough to learn from, one small one where there is not (heuristic)."""
    if kind == "image":
        return (256, 128) if examples >= 10_000 else (128,)
    return (64, 32) if examples >= 1_000 else (32,)


def _given(options: TrainOptions, *more: str) -> dict[str, Any]:
    names = ("hidden", "activation", "batch_norm", "dropout", "init", *more)
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def load_function(target: str) -> Callable[..., Any]:
    """The function a person named as ``file.py:function``.

    Raises:
        InputError: No such file or function, or the file fails when it is run.
    """
    path_text, _, name = target.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise InputError(
            target, expected="a Python file before the colon", found=f"no file {path}", todo="check the path"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(target, expected="a Python file before the colon", found=str(path), todo="name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises is the user's to read
        raise InputError(
            target, expected="a file that can be run", found=f"{type(error).__name__}: {error}", todo="mend the file"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        functions = [item for item, value in vars(module).items() if callable(value) and not item.startswith("_")]
        raise InputError(
            target,
            expected=f"a function {name!r} in {path}",
            found=", ".join(functions[:8]) or "no function at all",
            todo="name one of them",
        )
    found: Callable[..., Any] = function
    return found


def architecture_from_json(data: Mapping[str, Any], function: Callable[..., Any] | None = None) -> nn.Module:
    """The network that `model.json` describes, its weights still to be loaded.

    Args:
        data: From :meth:`Architecture.to_json`.
        function: Builds the network of a run that had ``--model file.py:build``; code named by a file is never run.

    Raises:
        InputError: Such a run, and no function was given.
    """
    if data.get("kind") != "file":
        return build(config_from_json(dict(data)), seed=0, sample=None)
    if function is None:
        raise InputError(
            "model",
            expected=f"the function that built it, {data.get('target')}",
            found="none",
            todo="pass it, as code named by a file is not run",
        )
    network = function()
    if not isinstance(network, nn.Module):
        raise InputError(
            "model", expected="a function that returns an nn.Module", found=repr(network), todo="return it"
        )
    return network

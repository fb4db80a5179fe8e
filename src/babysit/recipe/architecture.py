"""The network to train: one of our own configurations, or what the user's function builds."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from babysit.errors import InputError, told
from babysit.fit.evaluation import evaluation_mode
from babysit.fit.layout import put_channels_innermost
from babysit.nn import CNNConfig, MLPConfig, ModelConfig, build, config_from_json, config_to_json
from babysit.preflight.target import function_named
from babysit.recipe.options import TrainOptions

SMALLEST_CNN_IMAGE = 16
"""Pixels a side from which a convolutional net is the default."""

DEFAULT_CHANNELS = (16, 32)
"""Few enough for one core to train on tens of thousands of images in minutes."""


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
        put_channels_innermost(network)
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
    ``nn.Module`` from preprocessed inputs ``(N, *input_shape)`` to logits or values ``(N, outputs)``.
    """

    target: str
    function: Callable[..., Any]
    input_shape: tuple[int, ...]
    outputs: int
    given: Mapping[str, Any] = field(default_factory=dict)
    _built: WeakValueDictionary[int, nn.Parameter] = field(
        default_factory=WeakValueDictionary, init=False, repr=False, compare=False
    )

    def build(self, params: Mapping[str, Any], seed: int, sample: Tensor) -> nn.Module:
        """Call the function, with torch's random numbers seeded for it alone, and try what it returns.

        Raises:
            InputError: The function fails, or returns no network for these inputs and outputs.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self._call(params)
            self._refuse_shared(network)
            self._try(network, sample[:2])
            self._try_training(network, sample[:2])
        self._built.update({id(parameter): parameter for parameter in network.parameters()})
        return network

    def build_again(self, params: Mapping[str, Any]) -> nn.Module:
        """The network of a training that is over, which is not tried in training mode: it may be wanted elsewhere.

        Raises:
            InputError: As for :meth:`build`.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = self._call(params)
            self._try(network, torch.zeros(2, *self.input_shape))
        return network

    def to_json(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Where the function is and what it was given; loading such a run needs the function to be named again."""
        return {
            "kind": "file",
            "target": self.target,
            "input_shape": list(self.input_shape),
            "outputs": self.outputs,
            "params": {**self.given, **params},
        }

    def describe(self, params: Mapping[str, Any]) -> str:
        """Where it comes from."""
        known = {**self.given, **params}
        return f"{self.target} ({', '.join(f'{name}={value}' for name, value in known.items()) or 'its defaults'})"

    def require(self, name: str, option: str) -> None:
        """Refuse an option that the function would not hear of.

        Raises:
            InputError: It takes no such hyperparameter.
        """
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):  # of what is not written in Python; the call will tell
            return
        if not _takes(signature, name):
            raise InputError(
                option,
                expected=f"a function that takes {name}",
                found=f"{self.target}{signature}",
                todo="leave it out, or give the function such a parameter",
            )

    def _call(self, params: Mapping[str, Any]) -> nn.Module:
        offered = {"input_shape": self.input_shape, "outputs": self.outputs, **self.given, **params}
        try:
            signature = inspect.signature(self.function)
            network = self.function(**{name: value for name, value in offered.items() if _takes(signature, name)})
        except (Exception, SystemExit) as error:  # whatever the user's function raises is the user's to read
            raise self._bad(told(error), "mend the function") from error
        if not isinstance(network, nn.Module):
            raise self._bad(f"one that returns {type(network).__name__}", "return the model")
        if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
            raise self._bad("a scripted one, into which nobody can look", "return it without torch.jit.script")
        return network

    def _refuse_shared(self, network: nn.Module) -> None:
        """Every training begins with weights of its own, not with those that another one has left."""
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if any(self._built.get(id(parameter)) is parameter for parameter in trained):
            raise self._bad("one that returns parameters of a network it built before", "make new ones at every call")

    def _try(self, network: nn.Module, inputs: Tensor) -> None:
        """Whether the network takes such inputs and gives so many outputs."""
        with evaluation_mode(network), torch.no_grad():
            self._outputs(network, inputs, "", "take input_shape as a parameter")

    def _try_training(self, network: nn.Module, inputs: Tensor) -> None:
        """Whether it does so in training mode too, and can be trained; on a copy, as batch norm learns from a look."""
        todo = "make it work after model.train()"
        try:
            copied = copy.deepcopy(network).train()
        except Exception as error:
            raise self._bad(f"one that cannot be copied: {told(error)}", "let copy.deepcopy work") from error
        outputs = self._outputs(copied, inputs, " in training mode", todo)
        if not outputs.requires_grad:
            raise self._bad("outputs that depend on no parameter", "return a model that can be trained")
        try:
            outputs.sum().backward()  # type: ignore[no-untyped-call]
        except Exception as error:
            raise self._bad(f"{told(error)} in the backward pass", todo) from error

    def _outputs(self, network: nn.Module, inputs: Tensor, where: str, todo: str) -> Tensor:
        try:
            outputs = network(inputs)
        except Exception as error:  # likewise
            found = f"{type(error).__name__} for inputs of shape {tuple(inputs.shape)}{where}: {error}"
            raise self._bad(found, todo) from error
        shapes = [(len(inputs), self.outputs), *([(len(inputs),)] if self.outputs == 1 else [])]
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        if shape not in shapes or not isinstance(outputs, Tensor):
            found = f"outputs {shape} for {len(inputs)} examples{where}"
            raise self._bad(found, todo if where else "take outputs as a parameter")
        return outputs

    def _bad(self, found: str, todo: str) -> InputError:
        expected = f"a function that returns an nn.Module from (N, {self._inputs}) to (N, {self.outputs})"
        return InputError(self.target, expected=expected, found=found, todo=todo)

    @property
    def _inputs(self) -> str:
        return ", ".join(map(str, self.input_shape))


def _takes(signature: inspect.Signature, name: str) -> bool:
    """Whether a function has a parameter of that name, or takes whatever it is given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(
        parameter.kind is parameter.VAR_KEYWORD or (parameter.name == name and parameter.kind in by_name)
        for parameter in signature.parameters.values()
    )


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
    asked = options.asked_of_network()
    if options.model is not None and ":" in options.model:
        own = FromFile(options.model, function_named(options.model), input_shape, outputs, options.network())
        for name, option in asked.items():
            own.require(name, option)
        return own
    if model_kind(options, kind, input_shape) == "cnn":
        return Configured(CNNConfig(input_shape, outputs, **options.network()))
    if "channels" in asked:
        todo = "add --model cnn" if kind == "image" else "leave it out"
        raise InputError(asked["channels"], expected="a convolutional net", found="a multilayer perceptron", todo=todo)
    return Configured(
        MLPConfig(input_shape, outputs, **{"hidden": _default_hidden(kind, examples), **options.network()})
    )


def model_kind(options: TrainOptions, kind: str, shape: tuple[int, ...]) -> str:
    """``"cnn"`` for images that are large enough unless something else was asked for, ``"mlp"`` otherwise."""
    if options.model is None:
        large = kind == "image" and len(shape) == 3 and min(shape[1:]) >= SMALLEST_CNN_IMAGE
        return "cnn" if large else "mlp"
    if ":" in options.model:
        return "cnn" if kind == "image" else "mlp"
    return options.model


def _default_hidden(kind: str, examples: int) -> tuple[int, ...]:
    """Two layers where there is enough to learn from, one small one where there is not (heuristic)."""
    if kind == "image":
        return (256, 128) if examples >= 10_000 else (128,)
    return (64, 32) if examples >= 1_000 else (32,)


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
            todo="name it with --model or build=, as code named by a file is not run",
        )
    params = {name: tuple(value) if isinstance(value, list) else value for name, value in data["params"].items()}
    return FromFile(data["target"], function, tuple(data["input_shape"]), data["outputs"]).build_again(params)

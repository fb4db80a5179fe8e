"""Where a training is observed from: torch's own hooks for optimizers, and wrappers around a few of its functions.

Everything is undone by :meth:`Attachment.remove`. No wrapper changes what goes in or comes out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from babysit.watch.aliases import replace_imported
from babysit.watch.calls import DISTANCES, LOSSES, Call
from babysit.watch.parameters import largest_gradient
from babysit.watch.values import has_no_values, is_array

# a warning that blames the caller looks for one outside of files with these two names
_PASSED_OVER = f"{__file__} [as importlib._bootstrap]"

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


class Listener(Protocol):
    """What is told of the events of a training; no method may raise."""

    def trains(self, tensors: Sequence[Tensor]) -> bool:
        """Whether any of these leaves is trained, and not data."""

    def is_of_data(self, loss: Tensor) -> bool:
        """Whether nothing that is trained is among what a loss depends on; asked at each, so that it must be quick."""

    def data_differentiated(self) -> None:
        """A loss is about to be differentiated with respect to data, as to attack a model."""

    def backward_begins(self, losses: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """Tensors are about to be differentiated, with these gradients of their own where any were given."""

    def backward_ends(self) -> None:
        """It has been, or that failed."""

    def step_begins(self, optimizer: Optimizer) -> None:
        """An optimizer is about to take a step."""

    def step_ends(self, optimizer: Optimizer) -> None:
        """It has taken it."""

    def wants_call(self) -> bool:
        """Whether calls of loss functions are of interest at the moment; asked at each, so that it must be quick."""

    def loss_called(self, describe: Callable[[], Call | None]) -> None:
        """A loss function was called; ``None`` where it is none of a training."""

    def clipped(self, norm: Tensor | None, limit: float) -> None:
        """Gradients were clipped."""

    def scaled(self, loss: Tensor, scaled: Tensor) -> None:
        """A gradient scaler has multiplied a loss."""

    def optimizer_steps(self) -> int:
        """Steps of all optimizers so far."""

    def step_skipped(self) -> None:
        """A gradient scaler has left an optimizer's step out."""

    def mode_changed(self, module: nn.Module, training: bool) -> None:
        """A module was put into training or evaluation mode."""

    def gradients_off(self) -> None:
        """A block without gradients was entered."""

    def gradients_on(self) -> None:
        """It was left."""

    def loader_started(self, loader: Any) -> None:
        """A data loader is iterated from its beginning."""

    def compiled(self, what: Any) -> None:
        """Something is compiled, a module or a function: hooks do not fire inside it from here on."""


class Attachment:
    """The connection between torch and a listener.

    Args:
        listener: Is told of everything until :meth:`remove`.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._active = False
        self._inside_loss = False
        self._handles: list[Any] = []
        self._replaced: list[tuple[Any, str, Any, Any]] = []

    def install(self) -> None:
        """Begin to observe."""
        self._active = True
        listener = self._listener
        self._handles = [
            register_optimizer_step_pre_hook(lambda optimizer, *_: self._tell(listener.step_begins, optimizer)),
            register_optimizer_step_post_hook(lambda optimizer, *_: self._tell(listener.step_ends, optimizer)),
        ]
        self._replace(torch.autograd, "backward", self._wrap_backward)
        self._replace(torch.autograd, "grad", self._wrap_grad)
        for name in LOSSES:
            self._replace(F, name, functools.partial(self._wrap_loss, name))
        for place in (nn.utils, nn.utils.clip_grad):
            self._replace(place, "clip_grad_norm_", self._wrap_clip_norm)
            self._replace(place, "clip_grad_value_", self._wrap_clip_value)
        self._replace(nn.Module, "train", self._wrap_train)
        self._replace(nn.Module, "compile", self._wrap_compile)
        self._replace(torch, "compile", self._wrap_compile)
        self._replace(torch.amp.GradScaler, "scale", self._wrap_scale)
        self._replace(torch.amp.GradScaler, "step", self._wrap_scaler_step)
        for block in (torch.no_grad, torch.inference_mode):
            self._replace(block, "__enter__", lambda original: self._after(original, listener.gradients_off))
            self._replace(block, "__exit__", lambda original: self._after(original, listener.gradients_on))
        self._replace(torch.utils.data.DataLoader, "__iter__", self._wrap_iter)
        replace_imported({id(original): wrapper for _, _, original, wrapper in self._replaced}, but="torch")

    def remove(self) -> None:
        """Leave everything as it was before."""
        self._active = False
        for handle in self._handles:
            handle.remove()
        for owner, name, original, wrapper in reversed(self._replaced):
            wrapper.is_removed = True
            # somebody else may have wrapped the wrapper since; it passes everything on from now
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, _below(original))
        replace_imported({id(wrapper): _below(original) for _, _, original, wrapper in self._replaced})
        self._handles, self._replaced = [], []

    def silence(self) -> None:
        """Tell nothing any longer, in a forked child: the hooks stay where they are."""
        self._active = False

    def _replace(self, owner: Any, name: str, wrap: Wrap) -> None:
        original = vars(owner).get(name)
        if original is None:
            return
        wrapper: Any = wrap(original)
        wrapper.__code__ = wrapper.__code__.replace(co_filename=_PASSED_OVER)
        with suppress(AttributeError, TypeError):
            functools.update_wrapper(wrapper, original)
            # what torch.jit.script asks a function for that it is to compile in its place
            wrapper.__prepare_scriptable__ = lambda: original
        setattr(owner, name, wrapper)
        self._replaced.append((owner, name, original, wrapper))

    def _tell(self, tell: Callable[..., None], *arguments: Any) -> None:
        if self._active and not torch.compiler.is_compiling():  # which would make what is told a part of the code
            tell(*arguments)

    def _after(self, original: Callable[..., Any], tell: Callable[[], None]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self._tell(tell)
            return result

        return wrapper

    def _wrap_backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def backward(tensors: Any, grad_tensors: Any = None, *args: Any, **kwargs: Any) -> Any:
            tensors, grad_tensors = _readable(tensors), _readable(grad_tensors)
            losses = _all_of(tensors)
            if not (self._active and losses) or _is_differentiating():
                return original(tensors, grad_tensors, *args, **kwargs)
            wanted = _all_of(kwargs.get("inputs"))
            if self._listener.is_of_data(losses[0]) or (wanted and not self._listener.trains(wanted)):
                self._listener.data_differentiated()
                return original(tensors, grad_tensors, *args, **kwargs)
            self._listener.backward_begins(losses, _all_of(grad_tensors))
            try:
                return original(tensors, grad_tensors, *args, **kwargs)
            finally:
                self._listener.backward_ends()

        return backward

    def _wrap_grad(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Only a scalar's gradient with respect to what is trained is a training's backward pass."""

        def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs, inputs = _readable(outputs), _readable(inputs)
            if not self._active or _is_differentiating() or not _is_pass(outputs, inputs, args, kwargs):
                return original(outputs, inputs, *args, **kwargs)
            if not self._listener.trains(_all_of(inputs)):
                self._listener.data_differentiated()
                return original(outputs, inputs, *args, **kwargs)
            self._listener.backward_begins(_all_of(outputs)[:1], ())
            try:
                return original(outputs, inputs, *args, **kwargs)
            finally:
                self._listener.backward_ends()

        return grad

    def _wrap_loss(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        options = _option_names(original)

        def loss(*args: Any, **kwargs: Any) -> Any:
            if (
                torch.compiler.is_compiling()
                or not self._active
                or self._inside_loss
                or not self._listener.wants_call()
            ):
                return original(*args, **kwargs)
            self._inside_loss = True
            result = None
            try:
                result = original(*args, **kwargs)
            finally:
                self._inside_loss = False
                self._listener.loss_called(lambda: _call(name, options, args, kwargs, result))
            return result

        return loss

    def _wrap_clip_norm(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def clip_grad_norm_(parameters: Any, max_norm: float, *args: Any, **kwargs: Any) -> Any:
            norm = original(parameters, max_norm, *args, **kwargs)
            if isinstance(norm, Tensor):
                self._tell(self._listener.clipped, norm, float(max_norm))
            return norm

        return clip_grad_norm_

    def _wrap_clip_value(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def clip_grad_value_(parameters: Any, clip_value: float, *args: Any, **kwargs: Any) -> Any:
            parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
            largest = largest_gradient(parameters) if self._active else None
            original(parameters, clip_value, *args, **kwargs)
            if largest is not None:
                self._tell(self._listener.clipped, largest, float(clip_value))

        return clip_grad_value_

    def _wrap_train(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def train(module: nn.Module, mode: bool = True) -> Any:
            result = original(module, mode)
            self._tell(self._listener.mode_changed, module, mode)
            return result

        return train

    def _wrap_compile(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def compile(*args: Any, **kwargs: Any) -> Any:
            self._tell(self._listener.compiled, args[0] if args else kwargs.get("model"))
            return original(*args, **kwargs)

        return compile

    def _wrap_scale(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def scale(scaler: Any, outputs: Any) -> Any:
            scaled = original(scaler, outputs)
            if isinstance(scaled, Tensor):
                self._tell(self._listener.scaled, outputs, scaled)
            return scaled

        return scale

    def _wrap_scaler_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            before = self._listener.optimizer_steps()
            result = original(scaler, optimizer, *args, **kwargs)
            if self._listener.optimizer_steps() == before:
                self._tell(self._listener.step_skipped)
            return result

        return step

    def _wrap_iter(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __iter__(loader: Any) -> Any:  # noqa: N807 - takes the place of the method
            self._tell(self._listener.loader_started, loader)
            return original(loader)

        return __iter__


def _below(function: Any) -> Any:
    """A function without the wrappers of those who have stopped to observe before."""
    while getattr(function, "is_removed", False):
        function = function.__wrapped__
    return function


def _readable(given: Any) -> Any:
    """What was given, in a form that can be read more than once."""
    is_usual = given is None or isinstance(given, Tensor)
    return tuple(given) if not is_usual and isinstance(given, Iterator) else given


def _all_of(given: Any) -> tuple[Any, ...]:
    """One tensor or several as several; those given as `None` stay so, and what holds anything else gives none."""
    if given is None:
        return ()
    if isinstance(given, Tensor):
        return (given,)
    if isinstance(given, Mapping):
        given = given.values()
    several = tuple(given) if isinstance(given, Iterable) else ()
    return several if all(isinstance(item, Tensor | None) for item in several) else ()


def _is_differentiating() -> bool:
    """Whether a backward pass is going on in this thread, of which another one is a part, as with checkpoints."""
    return torch._C._current_graph_task_id() != -1


def _is_pass(outputs: Any, inputs: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a gradient is one of a scalar with respect to leaves, and no part of a loss as a penalty is."""
    losses, wanted = _all_of(outputs), _all_of(inputs)
    creates_graph = kwargs.get("create_graph") or any(args[2:3])
    return not creates_graph and bool(losses and wanted) and losses[0].dim() == 0 and all(map(_is_parameter, wanted))


def _is_parameter(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and tensor.is_leaf and tensor.requires_grad


def _option_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the arguments after the first two, for those that are given by position."""
    code = getattr(function, "__code__", None)
    return () if code is None else tuple(code.co_varnames[2 : code.co_argcount])


def _call(
    name: str, options: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> Call | None:
    given = dict(zip(("input", "target", *options), args, strict=False)) | dict(kwargs)
    outputs, targets = given.pop("input", None), given.pop("target", None)
    if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)):
        return None
    if not all(is_array(item) and not item.is_complex() and not has_no_values(item) for item in (outputs, targets)):
        return None
    if name in DISTANCES and targets.requires_grad and not outputs.requires_grad:
        outputs, targets = targets, outputs  # a distance is the same from either side
    return Call(name, outputs, targets, given, result if isinstance(result, Tensor) else None)

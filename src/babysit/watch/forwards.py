"""Module hooks: who is called inside whom, on sampled steps and in evaluation only."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import _get_current_function_mode_stack

from babysit.measure.record import TRAIN, Forward
from babysit.watch.activations import FunctionalActivations, first_tensor, is_activation
from babysit.watch.batches import available_beside, modes_of, normalised_values
from babysit.watch.names import Names
from babysit.watch.repeats import Repeats
from babysit.watch.sample import StepSample
from babysit.watch.values import has_no_values, is_array

SURE = 64
"""Sampled steps in a row without a functional activation, after which they are looked for at close looks alone."""


_WITH_SHORT_CUTS = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
"""Modules that compute otherwise, to the last digits, while functions are looked at, unless they are trained."""


class Owner(Protocol):
    """Who is asked and told."""

    @property
    def step(self) -> int:
        """Steps taken."""

    @property
    def sample(self) -> StepSample | None:
        """The sampled step that goes on."""

    def model_called(self, forward: Forward, batch: Tensor | None) -> None:
        """A whole model was called."""

    def module_entered(self, module: nn.Module, inputs: Any) -> None:
        """A module is about to be called."""

    def module_left(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """It was called."""

    def function_called(self, kind: str, output: Tensor) -> None:
        """An activation was called as a function."""


class ForwardHooks:
    """Global module hooks that are put in place and taken away between two steps.

    A model that is called many times before a backward pass, as one that acts in a game, is followed in the first
    calls. Once those of every kind that came before the last backward pass were followed, the hooks are taken away
    until the next one, but for steps whose coverage is looked at.

    Args:
        names: Of the models; new ones are added as they are called.
        owner: Is told of every call, and hands it on to :meth:`entered` and :meth:`left`.

    Attributes:
        have_seen_enough: Whether they were taken away until the next backward pass.
    """

    def __init__(self, names: Names, owner: Owner) -> None:
        self._names = names
        self._owner = owner
        self._stack: list[nn.Module] = []
        self._functions: FunctionalActivations | None = None
        self._paused_in: nn.Module | None = None
        self._without_functions = 0
        self.have_seen_enough = False
        self._is_repeated = False
        self._repeats = Repeats()
        self._handles: list[Any] = []

    def install(self) -> None:
        """Put them in place."""
        if not self._handles:
            owner = self._owner
            self._stack.clear()
            self._handles = [
                register_module_forward_pre_hook(owner.module_entered),
                register_module_forward_hook(owner.module_left, always_call=True),
            ]

    def begin(self) -> None:
        """Put them in place for a step that begins; of a pass that was interrupted before nothing is left then."""
        self._stop_functions()
        self._stack.clear()
        self._repeats.begin()
        self.have_seen_enough = False
        self.install()

    def passed(self) -> None:
        """A backward pass is over: what follows is looked at again."""
        if self._handles or self.have_seen_enough:
            self._repeats.passed()
        if self.have_seen_enough:
            self.have_seen_enough = False
            self.install()

    def remove(self) -> None:
        """Take them away."""
        self.have_seen_enough = False
        if not self._handles:  # as before most steps
            return
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._stop_functions()
        self._stack.clear()

    def entered(self, module: nn.Module, inputs: Any) -> None:
        """A module is about to be called."""
        stack = self._stack
        stack.append(module)
        if len(stack) == 1:
            self._outermost_entered(module, inputs)
        if not module.training and isinstance(module, _WITH_SHORT_CUTS):
            self._pause_functions(module)

    def left(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """It was called, or raised."""
        stack = self._stack
        if not stack or (stack[-1] is not module and module not in stack):
            return
        while stack.pop() is not module:
            pass  # those inside that were not told of, as they were stopped from outside
        if module is self._paused_in:
            self._resume_functions()
        sample = self._owner.sample
        # a trace would keep whatever is done to a tensor here
        if sample is not None and torch.is_grad_enabled() and not torch._C._is_tracing():
            path = self._names.known_path(module)
            if path is not None and self._is_repeated:
                sample.called.add(path)
            elif path is not None:
                _layer_left(path, module, inputs, output, sample)
        if not stack:
            self._stop_functions()
            if self._is_repeated and sample is not None and not sample.structural and self._repeats.are_enough:
                self.remove()
                self.have_seen_enough = True

    def function(self, kind: str, output: Tensor) -> None:
        """An activation was called as a function."""
        sample = self._owner.sample
        if sample is None or not self._stack or is_activation(self._stack[-1]) or not torch.is_grad_enabled():
            return
        self._without_functions = 0
        at_top = len(self._stack) == 1
        prefix = "" if at_top else f"{self._names.path(self._stack[-1])}."
        sample.activations.add(f"{prefix}F.{kind.lower()}", kind, output)

    def _outermost_entered(self, module: nn.Module, inputs: Any) -> None:
        self._is_repeated = False
        batch = first_tensor(inputs)
        if batch is not None and has_no_values(batch):
            return  # shapes are inferred, nothing is computed
        if batch is not None and not is_array(batch):
            batch = None
        forward = self._repeated(module, batch) or self._described(module, batch)
        if forward is None:
            return
        # what another model gave is no data
        self._owner.model_called(forward, batch if batch is not None and not batch.requires_grad else None)
        sample = self._owner.sample
        if not forward.gradient or sample is None or self._functions is not None or self._is_repeated:
            return
        if sample.detailed or self._without_functions < SURE:
            self._without_functions += 1
            self._functions = FunctionalActivations(self._owner.function_called)
            self._functions.__enter__()  # type: ignore[no-untyped-call]  # torch does not annotate it

    def _described(self, module: nn.Module, batch: Tensor | None) -> Forward | None:
        """What is known of the call of a model; ``None`` where the module is none that is trained."""
        is_trainable = any(parameter.requires_grad for parameter in module.parameters())
        if not is_trainable and next(module.parameters(), None) is None:
            return None  # a transformation, or a loss
        root = self._names.add(module)
        gradient = torch.is_grad_enabled()
        if gradient and not is_trainable:
            return None  # a frozen network that the loss is made of: its mode says nothing of the training
        modes, name, kind = modes_of(module), self._names.name_of(root), type(root).__name__
        forward = Forward(
            step=self._owner.step,
            phase=TRAIN,
            model=name,
            training=module.training,
            shape=_shape_of(batch),
            available=0 if batch is None else available_beside(batch),
            gradient=gradient,
            norms=modes.norms,
            norms_training=modes.norms_training,
            norms_fresh=modes.norms_fresh,
            dropouts=modes.dropouts,
            dropouts_training=modes.dropouts_training,
            class_name="" if kind == name else kind,
        )
        if gradient and self._owner.sample is not None:
            self._repeats.note((self._names.path(module), module.training, forward.shape), forward)
        return forward

    def _repeated(self, module: nn.Module, batch: Tensor | None) -> Forward | None:
        """What is known of the call of a model, where enough calls of its kind were followed since the last pass."""
        path = self._names.known_path(module)
        if path is None or self._owner.sample is None or not torch.is_grad_enabled():
            return None
        forward = self._repeats.known((path, module.training, _shape_of(batch)))
        self._is_repeated = forward is not None
        return forward

    def _stop_functions(self) -> None:
        functions, self._functions = self._functions, None
        if functions is not None and self._paused_in is None:
            _leave(functions)
        self._paused_in = None

    def _pause_functions(self, module: nn.Module) -> None:
        functions = self._functions
        if functions is None or self._paused_in is not None:
            return
        # a mode of the script's own above it has the same effect
        if _get_current_function_mode_stack()[-1:] == [functions]:  # type: ignore[no-untyped-call]
            functions.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._paused_in = module

    def _resume_functions(self) -> None:
        self._paused_in = None
        if self._functions is not None:
            self._functions.__enter__()  # type: ignore[no-untyped-call]


def _shape_of(batch: Tensor | None) -> tuple[int, ...]:
    return () if batch is None else tuple(batch.shape)


def _leave(mode: FunctionalActivations) -> None:
    """Take a mode away, also where the script has entered others since that are to stay."""
    stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    place = next((place for place, item in enumerate(stack) if item is mode), len(stack))
    for _ in stack[place:]:
        torch._C._pop_torch_function_stack()
    for item in stack[place + 1 :]:
        torch._C._push_on_torch_function_stack(item)


def _layer_left(path: str, module: nn.Module, inputs: Any, output: Any, sample: StepSample) -> None:
    sample.called.add(path)
    if sample.detailed and isinstance(module, nn.modules.batchnorm._BatchNorm):
        values = normalised_values(module, first_tensor(inputs))
        if values is not None:
            sample.fewest.append((path, values))
    if not module._modules or next(module.children(), None) is None:
        sample.activations.add(path, type(module).__name__, output)

"""Watches an unmodified script until its first update, and makes a subject of it: model, loss, batch, optimizer.

The calls from the first model to the loss are recorded, functions of torch and models as wholes, so that the loss can
be computed again with other weights and other data, whatever the script makes it of.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from babysit.errors import InputError
from babysit.preflight.batch import tensors_of
from babysit.preflight.calls import Seen, given_by, held_by, is_loose, versions
from babysit.preflight.more_data import find_held, find_more
from babysit.preflight.recorded import subject_of
from babysit.preflight.subject import Subject
from babysit.watch.calls import DISTANCES, LOSSES
from babysit.watch.graph import parameters_of, read_graph
from babysit.watch.in_use import are_data, held_by_optimizers

_MOST = 20_000
_RANDOM = re.compile(r"rand|normal(?!ize)|bernoulli|multinomial|exponential|poisson")


class Capture(TorchFunctionMode):
    """Listens from :meth:`start` until the first update of a script, and then hands over what is to be checked.

    Args:
        found: Called with the subject in the middle of the script, before the first update; it may end the process.
        refused: Called instead with the reason where the step cannot be taken again.

    Attributes:
        saw_backward: Whether anything was differentiated.
        waits_for_step: Whether a loss was, whose parameters an optimizer holds that has not taken a step yet.
    """

    def __init__(self, found: Callable[[Subject], None], refused: Callable[[InputError], None]) -> None:
        super().__init__()
        self.saw_backward = False
        self.waits_for_step = False
        self._found = found
        self._refused = refused
        self._depth = 0
        self._done = False
        self._calls: list[Seen] = []
        self._made: dict[int, Tensor] = {}
        self._cut: dict[int, Tensor] = {}
        self._followed: list[Tensor] = []
        self._losses: list[Tensor] = []
        self._until = 0
        self._below: list[nn.Parameter] | None = None
        self._held: frozenset[int] | None = None
        self._optimizer: Optimizer | None = None
        self._handle: Any = None
        self._call = nn.Module.__call__
        self._backward = torch.autograd.backward
        self._grad = torch.autograd.grad

    def start(self) -> None:
        """Attach to torch."""
        call, backward = self._call, self._backward

        def called(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return self._called(call, module, args, kwargs)

        def differentiate(tensors: Any, *args: Any, **kwargs: Any) -> None:
            data = () if self._done else self._data_of(tensors, kwargs.get("inputs"))
            if data:  # examples are made by following its gradient
                self._followed += (item for item in data if not any(other is item for other in self._followed))
                backward(tensors, *args, **kwargs)
                return
            with self._differentiating(tensors):
                backward(tensors, *args, **kwargs)
            self._backward_ends()

        grad = self._grad

        @functools.wraps(grad)
        def gradient(outputs: Any, *args: Any, **kwargs: Any) -> Any:
            wanted = tensors_of(args[:1] or kwargs.get("inputs"))
            # a part of the loss, as a gradient penalty is, or what examples are made by
            if self._done or kwargs.get("create_graph") or self._are_data(wanted):
                return grad(outputs, *args, **kwargs)
            with self._differentiating(outputs):
                result = grad(outputs, *args, **kwargs)
            self._backward_ends()
            return result

        nn.Module.__call__ = called  # type: ignore[method-assign]
        torch.autograd.backward = differentiate
        torch.autograd.grad = gradient
        self._handle = register_optimizer_step_pre_hook(lambda optimizer, *_: self._step_begins(optimizer))
        self.__enter__()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Leave torch as it was."""
        self._done = True
        self._stop_recording()
        nn.Module.__call__ = self._call  # type: ignore[method-assign]
        torch.autograd.backward = self._backward
        torch.autograd.grad = self._grad
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """A function of torch was called."""
        kwargs = dict(kwargs or {})
        if self._done or self._depth or len(self._calls) > _MOST:
            return func(*args, **kwargs)
        if not torch.is_grad_enabled() or not self._depends_on_a_model(func, (args, kwargs)):
            result = func(*args, **kwargs)  # it is data, which is the same when the step is taken again
            self._note_data((args, kwargs), given_by(result, args))
            return result
        copies = self._copies((args, kwargs))
        before = versions((args, kwargs), copies)
        try:
            result = func(*args, **kwargs)
        except Exception:
            if getattr(func, "__name__", "") in LOSSES:
                self._loss_raised(Seen(func, None, args, kwargs, torch.zeros(()), copies))
            raise
        is_over = self._done or func is Tensor.backward  # within which it ends
        is_read = result is None and getattr(func, "__name__", "") == "__get__"  # a property that holds nothing yet
        if not (is_over or is_read) and (tensors_of(result) or result is None):
            self._note(Seen(func, None, args, kwargs, result, copies), before)
        return result

    def _called(self, call: Callable[..., Any], module: nn.Module, args: Any, kwargs: Any) -> Any:
        is_model = next(module.parameters(), None) is not None
        if self._done or self._depth or not is_model:
            return call(module, *args, **kwargs)
        if not torch.is_grad_enabled():
            return self._called_without_graph(call, module, args, kwargs)
        copies = self._copies((args, kwargs))
        before = versions((args, kwargs), copies)
        held = held_by(module)
        self._depth += 1
        try:
            result = call(module, *args, **kwargs)
        finally:
            self._depth -= 1
        self._note(Seen(None, module, args, kwargs, result, copies, held=held), before)
        return result

    def _called_without_graph(self, call: Callable[..., Any], module: nn.Module, args: Any, kwargs: Any) -> Any:
        self._depth += 1
        try:
            result = call(module, *args, **kwargs)
        finally:
            self._depth -= 1
        self._cut_off(tensors_of(result))
        return result

    def _note_data(self, given: Any, made: Sequence[Tensor]) -> None:
        """Data that are made of what a model gave, as the values that a critic is to learn."""
        if self._cut and any(id(item) in self._cut for item in tensors_of(given)):
            self._cut_off(made)

    def _cut_off(self, tensors: Sequence[Tensor]) -> None:
        if len(self._cut) < _MOST:
            self._cut |= {id(item): item for item in tensors}

    def _is_taught_by_a_model(self) -> bool:
        """Whether what a distance is measured from comes of a model, too."""
        made = self._cut.keys() | self._made.keys()
        distances = [item for item in self._calls if getattr(item.function, "__name__", "") in DISTANCES]
        given = [item for call in distances for item in tensors_of((call.args, call.kwargs))]
        return any(id(item) in made and not item.requires_grad for item in given)

    def _depends_on_a_model(self, function: Callable[..., Any], given: Any) -> bool:
        name = getattr(function, "__name__", "")
        is_initialisation = getattr(function, "__module__", "") == nn.init.__name__  # which is not repeated in a step
        if is_initialisation or (name not in LOSSES and _RANDOM.search(name)):
            return False
        tensors = tensors_of(given)
        return any(id(item) in self._made or (item.requires_grad and not self._is_followed(item)) for item in tensors)

    def _are_cleared(self) -> bool:
        """Whether the gradients of the loss before were thrown away."""
        return bool(self._below) and not any(map(_has_gradient, self._below or ()))

    def _data_of(self, losses: Any, wanted: Any) -> tuple[Tensor, ...]:
        """What a gradient is asked for with respect to, where nothing of it is trained; nothing where anything is.

        Args:
            losses: Of which the first is looked at.
            wanted: The leaves that were asked for; all that the loss depends on where none were.
        """
        leaves = tensors_of(wanted)
        loss = next(iter(tensors_of(losses)), None)
        if not leaves and loss is not None:
            view = read_graph(loss)
            leaves = [] if view is None else parameters_of(view)
        return tuple(leaves) if self._are_data(leaves) else ()

    def _are_data(self, leaves: Sequence[Tensor]) -> bool:
        """Whether nothing of them is trained; without any module, bare tensors may be the model."""
        return any(call.module is not None for call in self._calls) and are_data(leaves)

    def _is_followed(self, tensor: Tensor) -> bool:
        """Whether it is data that has its gradient already, by which an example is being made."""
        if any(item is tensor for item in self._followed):
            return True
        if isinstance(tensor, nn.Parameter) or not (is_loose(tensor) and tensor.grad is not None):
            return False
        if self._held is None:  # all objects are gone through for it
            self._held = held_by_optimizers()
        return bool(self._held) and id(tensor) not in self._held

    def _copies(self, given: Any) -> dict[int, Tensor]:
        """The data among what is given, before anything can write to them."""
        return {
            id(item): item.detach().clone()
            for item in tensors_of(given)
            if id(item) not in self._made and not is_loose(item)
        }

    def _note(self, seen: Seen, before: Mapping[int, int]) -> None:
        after = versions((seen.args, seen.kwargs), seen.copies)
        seen.written = frozenset(key for key, version in after.items() if version != before[key])
        self._calls.append(seen)
        self._made |= {id(item): item for item in seen.makes}

    @contextlib.contextmanager
    def _differentiating(self, tensors: Any) -> Iterator[None]:
        """Take this for the step's loss: the first one, or a later one where the gradients before were thrown away."""
        self.saw_backward = True
        loss = next(iter(tensors_of(tensors)), None)
        if loss is not None and (not self._losses or self._are_cleared()):
            self._losses = [*self._losses[:1], loss]
            self._until, self._below = len(self._calls), _parameters_below(loss)
        elif self._losses:  # what adds to the gradients of another loss is not kept in memory
            del self._calls[self._until :]
            self._made = {id(item): item for call in self._calls for item in call.makes}
        self._depth += 1  # what is computed again for it is no call of the script's
        try:
            yield
        finally:
            self._depth -= 1

    def _backward_ends(self) -> None:
        if self._done:
            return
        # either it takes closures, or updates are written by hand
        if self._optimizer is not None or not self._is_optimized():
            self._hand_over()
        else:
            self.waits_for_step = True

    def _loss_raised(self, seen: Seen) -> None:
        """The script is about to end here; what the loss function was given may say why."""
        self._note(seen, versions((seen.args, seen.kwargs), seen.copies))
        self._losses = [seen.result]
        self._hand_over(verified=False)

    def _is_optimized(self) -> bool:
        """Whether there is an optimizer for what was called."""
        own = {id(item) for call in self._calls if call.module is not None for item in call.module.parameters()}
        own |= {id(item) for call in self._calls for item in tensors_of((call.args, call.kwargs)) if is_loose(item)}
        return bool(own & held_by_optimizers())

    def _step_begins(self, optimizer: Optimizer) -> None:
        if self._done:
            return
        self._optimizer = optimizer
        if self._losses:
            self._hand_over()

    def _stop_recording(self) -> None:
        # while one of the functions is handled, as Tensor.backward is one, this mode is not in place
        if _get_current_function_mode_stack()[-1:] == [self]:  # type: ignore[no-untyped-call]
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    @torch.inference_mode(False)
    @torch.enable_grad()  # an optimizer may step in a block without gradients
    def _hand_over(self, *, verified: bool = True) -> None:
        self.stop()
        try:
            subject = self._subject(verified=verified)
        except InputError as error:
            self._refused(error)
            return
        subject = dataclasses.replace(subject, taught=self._is_taught_by_a_model())
        self._calls.clear()
        self._made.clear()
        self._cut.clear()
        self._followed.clear()
        with contextlib.suppress(Exception):  # what a script holds may be of any kind
            more = find_more(subject.batch, sys._getframe())
            if more is not None:
                subject = dataclasses.replace(subject, others=more.batches, further=more.further, extreme=more.extreme)
            else:
                subject = dataclasses.replace(subject, held=find_held(subject.batch, sys._getframe()))
        self._found(subject)

    def _subject(self, *, verified: bool) -> Subject:
        data = frozenset(map(id, self._followed))
        refusals: list[InputError] = []
        # the later loss may be one of weights that are not there any longer, as of those a step away that SAM looks at
        for loss in reversed(self._losses):
            try:
                return subject_of(self._calls, loss, self._optimizer, data, verified=verified)
            except InputError as error:
                refusals.append(error)
        raise refusals[0]


def _parameters_below(loss: Tensor) -> list[nn.Parameter] | None:
    """The parameters that a loss depends on; ``None`` where that is too much to read."""
    view = read_graph(loss)
    return None if view is None else [leaf for leaf in parameters_of(view) if isinstance(leaf, nn.Parameter)]


def _has_gradient(parameter: nn.Parameter) -> bool:
    gradient = parameter.grad
    return gradient is not None and (gradient.is_sparse or bool(gradient.detach().any()))

"""From single events to trainings: what wrappers and hooks tell is put in order; a fault here ends the watching."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any, Concatenate, ParamSpec

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from babysit.measure.record import Forward, RunHeader
from babysit.watch.attach import Attachment
from babysit.watch.calls import Call
from babysit.watch.compiled import Uncompiled
from babysit.watch.forwards import ForwardHooks
from babysit.watch.names import Names
from babysit.watch.sample import StepSample
from babysit.watch.schedule import is_remembered
from babysit.watch.store import Store
from babysit.watch.training import Loss, Training, total
from babysit.watch.trainings import Trainings

_DENSE_BLOCKS = 16
_P = ParamSpec("_P")


def guarded(
    method: Callable[Concatenate[Observer, _P], None],
) -> Callable[Concatenate[Observer, _P], None]:
    """Make a method of the observer safe to call from a training: its own faults end the watching and nothing else."""

    @functools.wraps(method)
    def safely(self: Observer, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        # asked first what mostly settles it, as this is done for every module of a sampled step
        if self.failed or self._busy or (get_ident() != self._ident and self._is_elsewhere()):
            return
        self._busy = True
        try:
            with torch._C.DisableTorchFunction():
                method(self, *args, **kwargs)
        except Exception as error:  # whatever it is, the training goes on
            self.fail(error)
        finally:
            self._busy = False

    return safely


class Observer:
    """Listens to torch and keeps the books of every training it sees.

    Args:
        names: Of the models.
        store: Where records go.
        header: What is known of every training before it begins.
        on_step: Called after every step with its number and loss.
        on_failure: Called once with the fault that ended the watching.
        eager: Whether compiled models may be run uncompiled at sampled steps.

    Attributes:
        failed: Whether a fault ended the watching.
        saw_backward: Whether anything was ever differentiated.
        is_compiled: Whether something is compiled, inside which module hooks do not fire.
    """

    def __init__(
        self,
        names: Names,
        store: Store,
        header: RunHeader,
        on_step: Callable[[Training], None],
        on_failure: Callable[[Exception], None],
        *,
        eager: bool = False,
    ) -> None:
        self.failed = False
        self.saw_backward = False
        self.is_compiled = False
        self._names = names
        self._trainings = Trainings(names, store, header)
        self._on_step = on_step
        self._on_failure = on_failure
        self._attachment = Attachment(self)
        self._hooks = ForwardHooks(names, self)
        self._uncompiled = Uncompiled() if eager else None
        self._compiled: list[weakref.ref[nn.Module]] = []
        self._busy = False
        self._thread: threading.Thread | None = None
        self._ident = 0
        self._in_backward = False
        self._stepping: list[weakref.ref[Optimizer]] = []
        self._depth = 0
        self._blocks = 0
        self._evaluations = 0
        self._optimizer_steps = 0
        self._loader_examples = 0
        self._loss: weakref.ref[Tensor] | None = None
        self._scaled: tuple[weakref.ref[Tensor], Tensor] | None = None

    def start(self) -> None:
        """Attach to torch."""
        self._trainings.begin()
        self._attachment.install()
        self._watch_next()

    def stop(self) -> None:
        """Detach from torch."""
        self._attachment.remove()
        self._leave_modules()

    def silence(self) -> None:
        """Stop in a forked child, where nothing may be written."""
        self.failed = True
        self._attachment.silence()
        self._leave_modules()

    def fail(self, error: Exception) -> None:
        """End the watching because of a fault of its own."""
        if not self.failed:
            self.failed = True
            self.stop()
            self._on_failure(error)

    @property
    def trainings(self) -> list[Training]:
        """All that were seen, in the order in which they began."""
        return self._trainings.seen

    # -- what the module hooks ask and tell ----------------------------------------------------------------------

    @property
    def step(self) -> int:
        """Steps taken in the training that goes on."""
        return 0 if self._current is None else self._current.step

    @property
    def sample(self) -> StepSample | None:
        """The sampled step that goes on."""
        return None if self._current is None else self._current.sample

    def model_called(self, forward: Forward, batch: Tensor | None) -> None:
        """A whole model was called."""
        training = self._current
        if training is None:
            return
        if forward.gradient:
            self._stay_here()
            if self._loader_examples and not forward.available:
                forward = dataclasses.replace(forward, available=self._loader_examples)
        training.phases.forward_seen(forward, batch, training.sample)

    @guarded
    def module_entered(self, module: nn.Module, inputs: Any) -> None:
        """A module is about to be called."""
        if type(module).__name__ == "OptimizedModule":
            self._find_compiled(module)
        elif not self._in_backward:  # where activations are computed again
            self._hooks.entered(module, inputs)

    @guarded
    def module_left(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """It was called."""
        if not self._in_backward:
            self._hooks.left(module, inputs, output)

    @guarded
    def function_called(self, kind: str, output: Tensor) -> None:
        """An activation was called as a function."""
        self._hooks.function(kind, output)

    # -- what the wrappers tell ----------------------------------------------------------------------------------

    def wants_call(self) -> bool:
        """Whether the next call of a loss function is to be looked at."""
        training = self._current
        return (
            training is not None
            and not (self.failed or self._busy or self._in_backward)
            and training.phases.wants_calls(training.step, training.sample)
        )

    @guarded
    def loss_called(self, describe: Callable[[], Call | None]) -> None:
        """A loss function was called; ``None`` where it is none of a training."""
        training, call = self._current, describe()
        if training is not None and call is not None:
            training.phases.loss_called(call, training.step, training.sample)

    def trains(self, tensors: Sequence[Tensor]) -> bool:
        """Whether any of these leaves is trained, as far as is known."""
        training = self._current
        if self.failed or training is None:
            return True
        return self._ask(lambda: training.trains(tensors), otherwise=True)

    def is_of_data(self, loss: Tensor) -> bool:
        """Whether nothing that is trained is among what a loss depends on."""
        training = self._current
        if self.failed or training is None:
            return False
        return self._ask(lambda: training.is_of_data(loss), otherwise=False)

    @guarded
    def data_differentiated(self) -> None:
        """A loss is about to be differentiated with respect to data."""
        if self._current is not None:
            self._current.phases.data_differentiated()

    @guarded
    def backward_begins(self, losses: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """Tensors are about to be differentiated."""
        self.saw_backward = True
        self._in_backward = True
        self._stay_here()
        self._loss = weakref.ref(losses[0])
        if self._current is not None:
            values = [self._value(*pair) for pair in itertools.zip_longest(losses, gradients[: len(losses)])]
            self._current.backward_begins(losses[0], total(values))
        if self.is_compiled:
            self._leave_modules()  # the backward pass and the update run compiled, as at any step

    @guarded
    def backward_ends(self) -> None:
        """It has been differentiated."""
        self._in_backward = False
        self._hooks.passed()
        training = self._current
        if training is not None:
            before = training.step
            training.backward_ends()
            if not training.optimizers:
                self._watch_next()
                if training.step > before:
                    self._on_step(training)

    @guarded
    def step_begins(self, optimizer: Optimizer) -> None:
        """An optimizer is about to take a step."""
        self._leave_step(optimizer)  # which an exception has ended before, where it is still in one
        self._stepping.append(weakref.ref(optimizer))
        self._name_compiled()
        self._trainings.choose(optimizer, None if self._loss is None else self._loss())
        if self._current is not None:
            self._current.step_begins(optimizer)

    @guarded
    def step_ends(self, optimizer: Optimizer) -> None:
        """An optimizer has taken a step."""
        self._leave_step(optimizer)
        self._optimizer_steps += 1
        training = self._current
        if training is not None:
            training.step_ends(optimizer)
            self._watch_next()
            self._on_step(training)

    @guarded
    def clipped(self, norm: Tensor | None, limit: float) -> None:
        """Gradients were clipped."""
        if self._current is not None:
            self._current.clipped(norm, limit)

    @guarded
    def scaled(self, loss: Tensor, scaled: Tensor) -> None:
        """A gradient scaler has multiplied a loss."""
        self._scaled = weakref.ref(scaled), loss.detach()
        if self._current is not None:
            self._current.is_scaled = True

    def optimizer_steps(self) -> int:
        """Steps of all optimizers so far."""
        return self._optimizer_steps

    @guarded
    def step_skipped(self) -> None:
        """A gradient scaler left a step out."""
        if self._current is not None:
            self._current.skipped()

    @guarded
    def mode_changed(self, module: nn.Module, training: bool) -> None:
        """A module was put into training or evaluation mode."""
        if self._current is None or not any(root is module for root in self._names.roots):
            return
        self._current.phases.mode_changed(training)
        if not training:
            self._evaluations += 1
            self._watch_evaluation(is_remembered(self._evaluations, 4 * _DENSE_BLOCKS))
        elif self.sample is None:
            self._hooks.remove()

    @guarded
    def gradients_off(self) -> None:
        """A block without gradients was entered."""
        self._depth += 1
        if self._depth == 1 and not self._is_stepping and not self._in_backward:
            self._blocks += 1
            self._watch_evaluation(is_remembered(self._blocks, _DENSE_BLOCKS))

    @guarded
    def gradients_on(self) -> None:
        """It was left."""
        self._depth = max(0, self._depth - 1)
        if self._depth == 0 and self.sample is None and not self._is_stepping:
            self._hooks.remove()

    @guarded
    def loader_started(self, loader: Any) -> None:
        """A data loader is iterated from its beginning."""
        if self._current is not None:
            self._current.phases.pass_boundary()
        if torch.is_grad_enabled():
            self._loader_examples = _examples_of(loader)
            if self._current is not None:
                self._current.phases.available = self._loader_examples

    @guarded
    def compiled(self, what: Any) -> None:
        """Something is compiled, a module or a function."""
        self._find_compiled(what)

    # -- details -------------------------------------------------------------------------------------------------

    def _ask(self, question: Callable[[], bool], *, otherwise: bool) -> bool:
        """The answer to what a training is asked in the middle of a script, where a fault may not reach it either."""
        try:
            return question()
        except Exception as error:  # whatever it is, the training goes on
            self.fail(error)
            return otherwise

    @property
    def _current(self) -> Training | None:
        return self._trainings.current

    def _stay_here(self) -> None:
        """This is the thread that trains."""
        if self._thread is None:
            self._thread, self._ident = threading.current_thread(), get_ident()

    def _is_elsewhere(self) -> bool:
        """Whether this is another thread than the one that trains; where that has ended, another one may train."""
        thread = self._thread
        if thread is None or thread.ident == get_ident():
            return False
        if thread.is_alive():
            return True
        self._thread, self._ident = None, 0
        return False

    @property
    def _is_stepping(self) -> bool:
        """Whether an optimizer is taking a step."""
        return any(reference() is not None for reference in self._stepping)

    def _leave_step(self, optimizer: Optimizer) -> None:
        """The step of an optimizer is over, and those within it."""
        places = [place for place, reference in enumerate(self._stepping) if reference() is optimizer]
        del self._stepping[places[0] if places else len(self._stepping) :]

    def _value(self, loss: Tensor, gradient: Tensor | None) -> Loss:
        """What is differentiated as one number, without a scaler's factor; on the host only where that is free."""
        scaled, self._scaled = self._scaled, None
        if scaled is not None and scaled[0]() is loss:
            loss = scaled[1]
        if loss.dim() and (gradient is not None or loss.numel() != 1):
            values = loss.detach()
            loss = (values if gradient is None else values * gradient.detach()).sum()
        return float(loss.item()) if loss.device.type == "cpu" else loss.detach().reshape(())

    def _watch_next(self) -> None:
        """Module hooks for the step that begins now, where it is sampled; none where it is not."""
        if self.sample is not None and (not self.is_compiled or self._runs_uncompiled()):
            self._hooks.begin()
        else:
            self._leave_modules()

    def _watch_evaluation(self, wanted: bool) -> None:
        if (wanted or self._hooks.have_seen_enough) and not self.is_compiled:
            self._hooks.install()

    def _leave_modules(self) -> None:
        self._hooks.remove()
        if self._uncompiled is not None:
            self._uncompiled.end()

    def _find_compiled(self, what: Any) -> None:
        self.is_compiled = True
        if isinstance(what, nn.Module):
            self._compiled.append(weakref.ref(what))
        self._watch_next()

    def _name_compiled(self) -> None:
        """Learn the paths of compiled modules by a step's time: when they were compiled, their model was unfinished."""
        for reference in self._compiled:
            module = reference()
            if module is not None:
                self._names.add(module)
        self._compiled.clear()

    def _runs_uncompiled(self) -> bool:
        return self._uncompiled is not None and self._uncompiled.begin()


def _examples_of(loader: Any) -> int:
    try:
        return len(loader.dataset)
    except Exception:  # a stream has no length, and says so in any way
        return 0

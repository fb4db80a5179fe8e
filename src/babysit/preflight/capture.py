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
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from babysit.errors import InputError
from babysit.preflight.batch import Batch, map_tensors, tensors_of
from babysit.preflight.calls import Seen, changed, given_by, held_by, versions
from babysit.preflight.failures import refusal
from babysit.preflight.isolation import isolated
from babysit.preflight.modes import set_training
from babysit.preflight.more_data import find_held, find_more
from babysit.preflight.replay import Container, Operation, Source, Step, same
from babysit.preflight.subject import Subject
from babysit.watch.calls import DISTANCES, LOSSES
from babysit.watch.graph import parameters_of, read_graph
from babysit.watch.in_use import held_by_optimizers
from babysit.watch.names import Names

TODO = "write a function that returns (model, loss_fn, batch), and check FILE.py:FUNCTION"
FEW = 20
"""Examples, at most, that it is tried with whether the step can be taken with fewer than the script's."""
FEW_SAME = 1e-5
"""Losses of the same examples differ by less, relative to them: they are added in another order."""
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
            if self._done or kwargs.get("create_graph") or not self._are_trained(wanted):
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
        if name not in LOSSES and _RANDOM.search(name):
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
        return () if self._are_trained(leaves) else tuple(leaves)

    def _are_trained(self, leaves: Iterable[Tensor]) -> bool:
        """Whether any is a parameter, or in an optimizer; without an optimizer or a module it may be whatever it is."""
        leaves = tuple(leaves)
        has_model = any(call.module is not None for call in self._calls)
        if not has_model or any(isinstance(leaf, nn.Parameter) for leaf in leaves):
            return True
        held = held_by_optimizers()
        return not held or any(id(leaf) in held for leaf in leaves)

    def _is_followed(self, tensor: Tensor) -> bool:
        """Whether it is data that has its gradient already, by which an example is being made."""
        if any(item is tensor for item in self._followed):
            return True
        if isinstance(tensor, nn.Parameter) or not (_is_loose(tensor) and tensor.grad is not None):
            return False
        if self._held is None:  # all objects are gone through for it
            self._held = held_by_optimizers()
        return bool(self._held) and id(tensor) not in self._held

    def _copies(self, given: Any) -> dict[int, Tensor]:
        """The data among what is given, before anything can write to them."""
        return {
            id(item): item.detach().clone()
            for item in tensors_of(given)
            if id(item) not in self._made and not _is_loose(item)
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
        own |= {id(item) for call in self._calls for item in tensors_of((call.args, call.kwargs)) if _is_loose(item)}
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


def subject_of(
    calls: list[Seen],
    loss: Tensor,
    optimizer: Optimizer | None,
    data: frozenset[int] = frozenset(),
    *,
    verified: bool = True,
) -> Subject:
    """Make of the recorded calls what can be checked.

    Args:
        calls: From the first model to the loss.
        loss: What is differentiated.
        optimizer: That is about to take a step, if any is.
        data: Ids of leaves that are known to be data, though a gradient was asked for.
        verified: Take the step again to see whether the same loss comes out.

    Raises:
        InputError: The loss does not come from the recorded calls, or comes out otherwise when they are made again.
    """
    kept = _needed(calls, loss)
    if not kept:
        raise InputError("the loss", expected="a model that leads to it", found="none", todo=TODO)
    optimized = held_by_optimizers()
    model, paths = _model_of(kept, optimized, data)
    names = {id(parameter): name for name, parameter in [*model.named_parameters(), *model.named_buffers()]}
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    made: dict[int, int] = {}
    operations: list[Operation] = []
    for item in kept:
        source = _Sources(item, made, names, inputs, targets, not paths)
        args, kwargs = map_tensors(item.args, source), map_tensors(item.kwargs, source)  # type: ignore[arg-type]
        places = []
        for tensor in item.makes:
            places.append(made.setdefault(id(tensor), len(made)))
        path = "" if item.module is None else paths[id(item.module)]
        is_layer = not paths and source._meets_a_parameter()
        operations.append(Operation(item.function, path, args, kwargs, tuple(places), is_layer))
    # what a script sets anew before each of its steps, as the state of a recurrent model, it would set for these, too
    all_paths = {id(module): path for path, module in model.named_modules()}
    held = [(all_paths[id(part)], name, value) for part, name, value in changed(kept) if id(part) in all_paths]
    step = Step(operations, Source("made", made[id(loss)]), held)
    size = next((len(item) for item in [*inputs, *targets] if item.dim()), 1)
    batch = Batch(tuple(inputs), tuple(targets), size)
    elsewhere = _elsewhere(model, optimizer, optimized)
    subject = Subject(
        model,
        batch,
        step.outputs_of,
        step.loss_of,
        optimizer,
        elsewhere=elsewhere,
        fixed_size=True,
        entangled=_is_entangled(kept),
    )
    if not verified:
        return subject
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the step warns of, it has warned of
        _verify(subject, loss)
        return dataclasses.replace(subject, fixed_size=not _takes_fewer(subject))


@dataclass
class _Sources:
    """Tells where each tensor of a call comes from, and collects the data."""

    call: Seen
    made: dict[int, int]
    names: dict[int, str]
    inputs: list[Tensor]
    targets: list[Tensor]
    is_bare: bool

    def _meets_a_parameter(self) -> bool:
        """Whether the call is one of a layer of bare tensors."""
        return any(id(item) in self.names for item in tensors_of((self.call.args, self.call.kwargs)))

    def __call__(self, tensor: Tensor) -> Source:
        """The source of one tensor."""
        if id(tensor) in self.made:
            return Source("made", self.made[id(tensor)])
        if id(tensor) in self.names:
            return Source("parameter", name=self.names[id(tensor)])
        is_input = self.call.module is not None or (self.is_bare and self._meets_a_parameter())
        kind, data = ("input", self.inputs) if is_input else ("target", self.targets)
        data.append(self.call.copies.get(id(tensor), tensor.detach()))
        return Source(kind, len(data) - 1, is_written=id(tensor) in self.call.written)


def _needed(calls: list[Seen], loss: Tensor) -> list[Seen]:
    """The calls that the loss depends on, those that write to what it depends on included."""
    wanted = {id(loss)}
    kept: list[Seen] = []
    for item in reversed(calls):
        if wanted & {id(tensor) for tensor in given_by(item.result, item.args)}:
            kept.append(item)
            wanted |= {id(tensor) for tensor in tensors_of((item.args, item.kwargs))}
    return kept[::-1]


def _is_entangled(kept: Sequence[Seen]) -> bool:
    """Whether what a module is given also leads to another module through a function."""
    made = {id(item) for call in kept for item in call.makes}
    given = {id(item) for call in kept if call.module is not None for item in tensors_of((call.args, call.kwargs))}
    leading: set[int] = set()
    for call in reversed(kept):
        tensors = {id(item) for item in tensors_of((call.args, call.kwargs))}
        if call.module is None and leading & {id(item) for item in call.makes} and (tensors & given) - made:
            return True
        if call.module is not None or leading & {id(item) for item in call.makes}:
            leading |= tensors
    return False


def _model_of(
    kept: list[Seen], optimized: frozenset[int], followed: frozenset[int]
) -> tuple[nn.Module, dict[int, str]]:
    """One model that holds all that were called and all bare tensors that are trained, and the path of each call."""
    names = Names()
    modules = [item.module for item in kept if item.module is not None]
    roots = list({id(root): root for root in (names.add(module) for module in modules)}.values())
    own = {id(parameter) for root in roots for parameter in root.parameters()}
    given = [tensor for item in kept for tensor in tensors_of((item.args, item.kwargs))]
    loose = list({id(item): item for item in given if _is_loose(item) and id(item) not in own}.values())
    if len(roots) == 1 and not loose:
        model = roots[0]
    else:
        named = {f"{type(root).__name__.lower()}_{number}": root for number, root in enumerate(roots, 1)}
        data = _read_only(kept, loose, optimized, followed)
        model = Container(named, [item for item in loose if id(item) not in data], list(data.values()))
    paths = {id(module): path for path, module in model.named_modules()}
    return model, {id(module): paths[id(module)] for module in modules}


def _read_only(
    kept: list[Seen], loose: list[Tensor], optimized: frozenset[int], followed: frozenset[int]
) -> dict[int, Tensor]:
    """Of loose leaves those that are data: no optimizer has them, and a module or a differentiation is given them."""
    readers = [call for call in kept if call.module is not None or getattr(call.function, "__name__", "") == "grad"]
    given = {id(item) for call in readers for item in tensors_of((call.args, call.kwargs))} | followed
    return {id(item): item for item in loose if id(item) in given - optimized and not isinstance(item, nn.Parameter)}


def _elsewhere(model: nn.Module, optimizer: Optimizer | None, optimized: frozenset[int]) -> frozenset[str]:
    """Names of the parameters that are in another optimizer, and not in this one."""
    if optimizer is None:
        return frozenset()
    others = optimized - {id(item) for group in optimizer.param_groups for item in group["params"]}
    return frozenset(name for name, item in model.named_parameters() if id(item) in others)


def _parameters_below(loss: Tensor) -> list[nn.Parameter] | None:
    """The parameters that a loss depends on; ``None`` where that is too much to read."""
    view = read_graph(loss)
    return None if view is None else [leaf for leaf in parameters_of(view) if isinstance(leaf, nn.Parameter)]


def _has_gradient(parameter: nn.Parameter) -> bool:
    gradient = parameter.grad
    return gradient is not None and (gradient.is_sparse or bool(gradient.detach().any()))


def _is_loose(tensor: Tensor) -> bool:
    return tensor.requires_grad and tensor.is_leaf


def _verify(subject: Subject, loss: Tensor) -> None:
    """Whether the loss comes out again, as far as it is the same every time.

    Raises:
        InputError: It does not.
    """
    try:
        with isolated(subject.model) as model:
            first = subject.loss(model, subject.batch)
            if same(first, loss):
                return
            second = subject.loss(model, subject.batch)
    except Exception as error:
        raise refusal("the step", error, expected="one that can be taken again", todo=TODO) from error
    if same(first, second, 1e-7):
        found = f"{first.item():.6g}, not {loss.item():.6g}, when the step is taken again"
        raise InputError("the loss", expected="the same loss for the same batch", found=found, todo=TODO)


def _takes_fewer(subject: Subject) -> bool:
    """Whether the step can be taken with a few of the batch's examples: they lose what they do over and over.

    Sizes may have been written into the calls, as into ``view(64, -1)``, sums are divided by them, and examples may be
    compared with each other, or have noise drawn for them.
    """
    size = subject.batch.size
    count = max((number for number in range(2, min(FEW, size - 1) + 1) if size % number == 0), default=0)
    if not count:
        return False
    with contextlib.suppress(Exception), isolated(subject.model) as model:
        set_training(model, False)
        filled, few = subject.few(count), subject.batch.take(range(count))
        return same(subject.loss(model, filled), subject.loss(model, few), FEW_SAME)
    return False

"""Makes of the recorded calls of a step what can be checked: a step that is taken again, whatever weights and data."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from babysit.errors import InputError
from babysit.preflight.batch import Batch, map_tensors, tensors_of
from babysit.preflight.calls import Seen, changed, given_by, is_loose
from babysit.preflight.failures import refusal
from babysit.preflight.isolation import isolated
from babysit.preflight.modes import set_training
from babysit.preflight.replay import Container, Operation, Source, Step, same
from babysit.preflight.subject import Subject
from babysit.watch.in_use import held_by_optimizers
from babysit.watch.names import Names

_INSTEAD = "write a function that returns (model, loss_fn, batch), and check FILE.py:FUNCTION"
FEW = 20
"""Examples, at most, that it is tried with whether the step can be taken with fewer than the script's."""
_DIMENSIONS = 8
"""Shorter lists of whole numbers may be shapes; in longer ones, of so many as there are examples, each belongs to one,
as the lengths of sequences do."""
FEW_SAME = 1e-5
"""Losses of the same examples differ by less, relative to them: they are added in another order."""


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
        raise InputError("the loss", expected="a model that leads to it", found="none", todo=_INSTEAD)
    optimized = held_by_optimizers()
    model, paths = _model_of(kept, optimized, data)
    names = {id(parameter): name for name, parameter in [*model.named_parameters(), *model.named_buffers()]}
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    made: dict[int, int] = {}
    operations: list[Operation] = []
    for item in kept:
        source = _Sources(item, made, names, inputs, targets, not paths)
        args, kwargs = tuple(map(source.of, item.args)), {name: source.of(value) for name, value in item.kwargs.items()}
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

    def of(self, value: Any) -> Any:
        """An argument with a source in the place of every tensor, and of every list with a whole number an example."""
        if isinstance(value, list | tuple) and len(value) > _DIMENSIONS and all(type(item) is int for item in value):
            if len(value) != next((len(item) for item in self.inputs if item.dim()), 0):
                return value
            self.targets.append(torch.tensor(value))
            return Source("numbers", len(self.targets) - 1)
        return map_tensors(value, self)  # type: ignore[arg-type]  # a source takes the place of a tensor

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
    loose = list({id(item): item for item in given if is_loose(item) and id(item) not in own}.values())
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
        raise refusal("the step", error, expected="one that can be taken again", todo=_INSTEAD) from error
    if same(first, second, 1e-7):
        found = f"{first.item():.6g}, not {loss.item():.6g}, when the step is taken again"
        raise InputError("the loss", expected="the same loss for the same batch", found=found, todo=_INSTEAD)


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

"""Training or evaluation: what was seen is sorted once it is known whether a backward pass follows."""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from babysit.measure.record import EVALUATION, TRAIN, Forward, LossCall, Record
from babysit.watch.batches import Inputs, SeenExamples, fewest, measure_inputs, resolve
from babysit.watch.calls import Call, Memory, measure_call, memory_of
from babysit.watch.evaluation import (
    CLOSELY,
    Light,
    Pass,
    average,
    evaluation,
    is_over_training,
    light,
    resolved_forwards,
)
from babysit.watch.facts import OBSERVED, Facts, Targets, observe, score_of
from babysit.watch.gather import Gather
from babysit.watch.inputs import InputProbes
from babysit.watch.sample import StepSample
from babysit.watch.schedule import is_remembered

_BATCHES = 16
_MOST_OPEN = 256
_DENSE_PASSES = 64
CLOSE_CALLS = 8
"""Calls of loss functions in one step that are recorded."""

_CLOSE_FORWARDS = 4


@dataclass(frozen=True)
class _OpenForward:
    """A model's call whose phase is not known yet."""

    forward: Forward
    read: Callable[[], Inputs]


@dataclass(frozen=True)
class _OpenCall:
    """A loss function's call whose phase is not known yet; nothing of the script's is kept alive by it."""

    name: str
    value: Tensor
    light: Light
    mode: bool | None
    targets: Targets | None
    memory: Memory
    build: Callable[[int, str], LossCall] | None


class Phases:
    """Sorts calls of models and of loss functions into training and evaluation, and makes their records.

    Args:
        write: Receives the records of evaluation.
        facts: Learn from the calls in training.

    Attributes:
        due: Records of the sampled step that goes on, to be made once its numbers were read.
        values: Value and mean of the loss functions' calls since the last step.
        available: Examples of the training data, as far as a loader told; 0 when unknown.
        inputs: What the training batches held.
    """

    def __init__(self, write: Callable[[Record], None], facts: Facts) -> None:
        self.due: list[Callable[[], Record]] = []
        self.values: list[tuple[Tensor, Tensor]] = []
        self.available = 0
        self.inputs = InputProbes()
        self._write = write
        self._facts = facts
        self._seen = SeenExamples()
        self._forwards: list[_OpenForward] = []
        self._calls: list[_OpenCall] = []
        self._lights: deque[Light] = deque(maxlen=_BATCHES)
        self._gap = 0
        self._pass: Pass | None = None
        self._passes = 0
        self._observed = 0
        self._last_pass_step = 0
        self._tests: tuple[int, int] = (-1, 0)
        self._mode: bool | None = None

    @property
    def last_examples(self) -> frozenset[int]:
        """Fingerprints of the last training batch that was looked at."""
        return self._seen.last

    @property
    def has_seen_a_model(self) -> bool:
        """Whether a model was called since the last backward pass."""
        return bool(self._forwards)

    def wants_calls(self, step: int, sample: StepSample | None) -> bool:
        """Whether the next call of a loss function is to be looked at."""
        return (
            not torch.is_grad_enabled()
            or (sample is not None and sample.detailed)
            or step % max(1, (self._gap or step) // _BATCHES) == 0
            or self._mode is False
        )

    def mode_changed(self, training: bool) -> None:
        """The model was put into training or evaluation mode: an evaluation pass begins or ends."""
        self._mode = training
        self.pass_boundary()

    def forward_seen(self, forward: Forward, batch: Tensor | None, sample: StepSample | None) -> None:
        """A model was called.

        Args:
            forward: What is known of the call.
            batch: Its first tensor, where that is data.
            sample: The sampled step that goes on.
        """
        self._mode = forward.training
        if not forward.gradient:
            current = self._current_pass(forward.step)
            if current.wants_forwards:
                self._into_pass(_OpenForward(forward, _measured(batch, current.gather)))
        elif len(self._forwards) < _MOST_OPEN:
            # what may turn out to be evaluation is not read together with a step
            together = sample is not None and forward.training
            gather = sample.gather if sample is not None and together else Gather()
            wanted = (sample is None or sample.detailed or not forward.training) and self._wants_closely(forward)
            read = _measured(batch if wanted else None, gather)
            self._forwards.append(_OpenForward(forward, read if together else _read_alone(read, gather)))
            if batch is not None and forward.training:
                self.inputs.add(batch)

    def loss_called(self, call: Call, step: int, sample: StepSample | None) -> None:
        """A loss function was called."""
        if not call.outputs.numel():  # of nothing, nothing can be said
            return
        if call.result is None:  # the script is about to end with an error: what is known is written at once
            gather = Gather()
            make = measure_call(call, gather)
            gather.read()
            self._write(make(step, TRAIN))
            return
        examples = call.outputs.shape[0] if call.outputs.dim() else 1
        numbers = light(call.value, score_of(call, self._facts.variance()), examples)
        # what has no graph and comes of a model in evaluation mode is evaluation, in a block without gradients or not
        if not call.outputs.requires_grad and not call.result.requires_grad and self._is_evaluating:
            self._call_in_pass(call, numbers, step)
        elif len(self._calls) < _MOST_OPEN:
            closely = sample is not None and sample.detailed and len(self._calls) < CLOSE_CALLS
            targets = observe(call) if self._observed < OBSERVED else None
            build = measure_call(call, sample.gather) if sample is not None and closely else None
            value = call.result.detach()
            value = value if value.dim() == 0 else value.float().mean()
            self._calls.append(_OpenCall(call.name, value, numbers, self._mode, targets, memory_of(call), build))

    def backward_begins(self, step: int, sample: StepSample | None) -> None:
        """What is open belongs to the training, but for what was seen in another mode before it."""
        self.close_pass()
        mode = self._forwards[-1].forward.training if self._forwards else self._calls[-1].mode if self._calls else None
        if mode is not None:
            self._evaluated(lambda item: item is not None and item is not mode, step)
            self.close_pass()
        if sample is not None and sample.detailed:
            self._forwards_due(sample)
        connected = frozenset().union(*(call.memory.connected for call in self._calls))
        for call in self._calls:
            of_itself = not connected.isdisjoint(call.memory.cut)
            self._observed += 1
            self._facts.learn(call.name, call.targets, of_itself=of_itself)
            self.values.append((call.value, call.light.numbers[0]))
            self._lights.append(call.light)
            if call.build is not None:
                self.due.append(_built(call.build, step, of_itself=of_itself))
        self._facts.learn_pass([call.targets.labels for call in self._calls if call.targets is not None])
        self._forwards.clear()
        self._calls.clear()

    def data_differentiated(self) -> None:
        """What was computed is no loss of the training: its gradient with respect to data is asked for."""
        self._calls.clear()

    def targets_picked(self, targets: Targets) -> None:
        """A loss that is written out by hand has these targets."""
        self._observed += 1
        self._facts.learn(targets.name, targets)

    @property
    def _is_evaluating(self) -> bool:
        return not torch.is_grad_enabled() or self._mode is False

    @property
    def wants_targets(self) -> bool:
        """Whether the targets of a loss that no function of torch has computed are still to be counted."""
        return not self.values and self._observed < OBSERVED

    def pass_boundary(self) -> None:
        """Whatever is evaluated from here on belongs to another pass."""
        if self._pass is not None and not self._pass.is_empty:
            self.close_pass()

    def close(self, step: int) -> None:
        """No backward pass will come any more: what is open in training mode is a step that was not finished."""
        self._evaluated(lambda mode: mode is False, step)
        self.close_pass()

    def close_pass(self) -> None:
        """The evaluation pass is over."""
        finished, self._pass = self._pass, None
        if finished is None or finished.is_empty or not finished.kept:
            return
        finished.gather.read()
        forwards = resolved_forwards(finished, self._seen)
        for forward in forwards:
            self._write(forward)
        for make in finished.calls:
            self._write(make(finished.step, EVALUATION))
        of_training = is_over_training(forwards, self._seen, self.available)
        record = evaluation(finished, float(self._passes), "train" if of_training else self._split(finished.step))
        if record is None:
            return
        self._write(record)
        loss, score, examples = average(list(self._lights))
        if examples:
            self._write(dataclasses.replace(record, split="batches", loss=loss, score=score, examples=examples))
        self._gap = max(1, finished.step - self._last_pass_step)
        self._last_pass_step = finished.step

    def _wants_closely(self, forward: Forward) -> bool:
        """Whether it is one of the first in its mode: of others what they were given is not recorded in any phase."""
        alike = (item for item in self._forwards if item.forward.training is forward.training)
        return sum(1 for _ in itertools.islice(alike, _CLOSE_FORWARDS)) < _CLOSE_FORWARDS

    def _split(self, step: int) -> str:
        number = self._tests[1] + 1 if self._tests[0] == step else 0
        self._tests = (step, number)
        return "validation" if number == 0 else "test"

    def _into_pass(self, item: _OpenForward) -> None:
        current = self._current_pass(item.forward.step)
        if current.wants_forwards:
            current.forwards.append((item.forward, item.read))

    def _call_in_pass(self, call: Call, numbers: Light, step: int) -> None:
        current = self._current_pass(step)
        if current.loss_name in ("", call.name):
            current.loss_name = call.name
            current.add(numbers)
        if current.kept and len(current.calls) < CLOSELY:
            current.calls.append(measure_call(call, current.gather, whole=True))

    def _current_pass(self, step: int) -> Pass:
        if self._pass is None:
            self._pass = Pass(step, is_remembered(self._passes, _DENSE_PASSES))
            self._passes += 1
        return self._pass

    def _evaluated(self, belongs: Callable[[bool | None], bool], step: int) -> None:
        """Move what is open and belongs to an evaluation after all into a pass."""
        for item in self._forwards:
            if belongs(item.forward.training):
                self._into_pass(item)
        for call in self._calls:
            if belongs(call.mode):
                self._current_pass(step).add(call.light)
        self._forwards = [item for item in self._forwards if not belongs(item.forward.training)]
        self._calls = [call for call in self._calls if not belongs(call.mode)]

    def _forwards_due(self, sample: StepSample) -> None:
        path, values = fewest(sample.fewest)
        for number, item in enumerate(self._forwards[:_CLOSE_FORWARDS]):
            forward = item.forward
            if number == 0 and values is not None:
                forward = dataclasses.replace(forward, fewest_values=values, fewest_module=path)
            self.due.append(_resolved(forward, item.read, self._seen))


def _measured(batch: Tensor | None, gather: Gather) -> Callable[[], Inputs]:
    return _nothing if batch is None else measure_inputs(batch, gather)


def _read_alone(read: Callable[[], Inputs], gather: Gather) -> Callable[[], Inputs]:
    def read_first() -> Inputs:
        gather.read()
        return read()

    return read_first


def _nothing() -> Inputs:
    return None, np.empty(0, dtype=np.int64)


def _resolved(forward: Forward, read: Callable[[], Inputs], seen: SeenExamples) -> Callable[[], Record]:
    return lambda: resolve(forward, seen, read(), TRAIN)


def _built(build: Callable[[int, str], LossCall], step: int, *, of_itself: bool) -> Callable[[], Record]:
    return lambda: dataclasses.replace(build(step, TRAIN), of_itself=of_itself)

"""One training as it is observed: its steps, and what is measured around them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from babysit.measure.record import TRAIN, Forward, Graph, LossTail, Probe, Record, RunHeader
from babysit.measure.sampling import is_sampled
from babysit.watch.activations import ActivationSample, Alive
from babysit.watch.batches import available_beside
from babysit.watch.facts import Facts, observe_picked
from babysit.watch.gather import Gather
from babysit.watch.graph import (
    compared_shapes,
    first_input,
    linear_chains,
    own_sign,
    parameters_of,
    picked_classes,
    read_graph,
)
from babysit.watch.in_use import OptimizersInUse, are_data, held_by_optimizers, that_holds
from babysit.watch.inputs import BATCHES
from babysit.watch.losses import LossLog
from babysit.watch.movement import Movement
from babysit.watch.names import Names
from babysit.watch.origin import find_origin
from babysit.watch.parameters import UpdateSample, coverage
from babysit.watch.phases import Phases
from babysit.watch.replicas import replica
from babysit.watch.sample import StepSample
from babysit.watch.schedule import is_detailed, is_structural
from babysit.watch.values import is_array

Loss = float | Tensor
"""On the host, or still on its device."""

_MOST_VALUES = 64
_PUBLISHED_TOO = (2, 8, 32)
_FEW = 0.05
_UNUSUALLY_MANY = 16
"""Backward passes before the first step, after which it is looked whether an optimizer has the parameters at all."""


class Training:
    """One training: a model, or several that are trained together, from the first step to the last.

    A step ends with the update of the first optimizer. Where no optimizer of torch takes steps, it ends when the next
    backward pass begins with other parameters than the one before.

    Args:
        write: Receives its records.
        write_header: Receives its header whenever more is known.
        header: What is known before.
        names: Of the models.
        tail: Keeps the losses that are in no block yet.

    Attributes:
        step: Steps taken.
        sample: The sampled step that goes on; ``None`` where the step is not sampled.
        phases: What was seen of models and loss functions.
        optimizers: What takes its steps.
        is_scaled: Whether a gradient scaler multiplies the loss.
    """

    def __init__(
        self,
        write: Callable[[Record], None],
        write_header: Callable[[RunHeader], None],
        header: RunHeader,
        names: Names,
        tail: LossTail | None = None,
    ) -> None:
        self.step = 0
        self.header = header
        self.facts = Facts()
        self.phases = Phases(write, self.facts)
        self.optimizers = OptimizersInUse()
        self.is_scaled = False
        self.sample: StepSample | None = None
        self._names = names
        self._write = write
        self._write_header = write_header
        self._losses = LossLog(write, tail)
        self._alive: dict[str, Alive] = {}
        self._movement = Movement()
        self._by_hand = False
        self._updating = False
        self._waiting: StepSample | None = None
        self._graph: Graph | None = None
        self._called: set[str] = set()
        self._leaves: list[Tensor] | None = None
        self._stepped: set[int] = set()
        self._step_losses: list[Loss] = []
        self._backwards = 0
        self._version: tuple[int, int] | None = None
        self._unused_optimizer = ""
        self._own_losses: set[int] = set()
        self._several_losses = 0
        self._broken = False
        self._held: dict[bool, frozenset[int]] = {}
        self._skipped = 0
        self.sample = self._new_sample(0)

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained."""
        return self.optimizers.parameters or self._movement.parameters

    @property
    def last_loss(self) -> float:
        """The last loss that reached the host."""
        return self._losses.last

    def backward_begins(self, loss: Tensor, value: Loss) -> None:
        """A loss is about to be differentiated; ``value`` is what it is without any scaling."""
        if not self.optimizers.were_seen and self._movement.happened:
            self._by_hand = True
            self._finish_step(None)
        if self.sample is not None and self.sample.detailed and not self.phases.has_seen_a_model:
            self._look_at_bare_tensors(loss)
        self.phases.backward_begins(self.step, self.sample)
        if self.sample is not None and self.sample.detailed and self.phases.wants_targets:
            self._look_at_own_loss(loss)
        self._backwards += 1
        version = self._version_of_weights()
        if self._backwards == 1 or self._version is None:
            self._version = version
        # no loss of the step's is one at weights that were moved since, as by sharpness-aware minimisation
        if version == self._version:
            self._step_losses.append(value)
        if self.sample is not None:
            self._look_before(loss, self.sample)
        if isinstance(value, float) and not math.isfinite(value) and not self._broken:
            self._broken = True
            self._write(find_origin(loss, self.step, self._names))
        if not self.optimizers.were_seen and not self._movement:
            view = read_graph(loss)
            self._movement.note(parameters_of(view) if view is not None else ())

    def backward_ends(self) -> None:
        """It has been differentiated."""
        if self.optimizers.were_seen:
            if self.sample is not None and self._looks_at_peaks(self.sample):
                self.sample.note_peak(self.parameters, taken=False)
            return
        if self._backwards == _UNUSUALLY_MANY and self.step == 0:  # while it still exists
            self._unused_optimizer = that_holds(self._movement.parameters)
        self._movement.note(self._movement.parameters)
        if not self._by_hand:
            return
        if not self._updating:  # what follows belongs to the next step, but for the update
            self._updating = True
            self._waiting, self.sample = self.sample, self._new_sample(self.step + 1)
        if self._waiting is not None:
            self._waiting.updates.begin([{"params": self._movement.parameters}], "")

    def clipped(self, norm: Tensor | None, limit: float) -> None:
        """Gradients were clipped."""
        sample = self.sample
        if sample is not None and sample.clip is None:
            sample.clip = (None if norm is None else sample.gather.put(norm.detach().clone())), limit

    def skipped(self) -> None:
        """A gradient scaler found infinities and left a step out."""
        self._skipped += 1
        self._step_losses.clear()
        self._backwards = 0

    def step_begins(self, optimizer: Optimizer) -> None:
        """An optimizer is about to take a step."""
        if self.optimizers.add(optimizer):
            self._by_hand = False
        sample = self.sample
        if sample is None:
            return
        scale = getattr(optimizer, "grad_scale", None)
        factor = float(scale) if isinstance(scale, Tensor) and scale.device.type == "cpu" else 1.0
        if self._looks_at_peaks(sample):
            sample.note_peak(self.parameters, taken=True)
        sample.updates.begin(optimizer.param_groups, type(optimizer).__name__, factor)
        if sample.structural:
            given = (item for group in optimizer.param_groups for item in group["params"] if item.grad is not None)
            self._stepped |= set(map(id, given))
            if optimizer is self.optimizers.first:
                self._look_at_coverage(sample)

    def step_ends(self, optimizer: Optimizer) -> None:
        """An optimizer has taken a step."""
        if self._backwards:
            self._own_losses.add(id(optimizer))
        if self.sample is not None:
            self.sample.updates.end(closely=self.sample.detailed)
        if optimizer is self.optimizers.first:
            self._finish_step(_rate(optimizer))
        self._backwards = 0

    def trains(self, tensors: Sequence[Tensor]) -> bool:
        """Whether any of these leaves is trained; before the first update also what cannot be data."""
        known = any(isinstance(item, nn.Parameter) or self.optimizers.is_trained(item) for item in tensors)
        return known or not (self.optimizers or self.phases.has_seen_a_model)

    def is_of_data(self, loss: Tensor) -> bool:
        """Whether nothing that is trained is among what a loss depends on.

        So it is while examples are made by following the gradient of a frozen model, as an energy's; the same with a
        picture that an optimizer holds is a training.
        """
        by_hand = self._movement and not self.optimizers.were_seen
        # without any module, bare tensors are the model; without an optimizer, they may be updated by hand
        if self.optimizers.can_learn or by_hand or not self._names.roots:
            return False
        view = read_graph(loss)
        return view is not None and are_data(parameters_of(view), self._held_by_optimizers)

    def _held_by_optimizers(self) -> frozenset[int]:
        """What optimizers have: looked for once before the first update, and once after it, as that takes its time."""
        seen = self.optimizers.were_seen
        if seen not in self._held:
            self._held[seen] = held_by_optimizers()
        return self._held[seen]

    def take_over(self, other: Training) -> None:
        """The step that another training has begun to see is one of this training."""
        self._step_losses = list(other._step_losses)
        self._backwards = other._backwards
        other._step_losses.clear()
        other._backwards = 0
        other.sample = None

    def adopt(self, other: Training) -> None:
        """What seemed to be another training is a part of this one."""
        self.take_over(other)
        self.optimizers.adopt(other.optimizers)

    def close(self) -> None:
        """Write what is not written yet."""
        if not self.optimizers.were_seen and self._movement.happened:
            self._finish_step(None)
        if self.step == 0 and self._unused_optimizer:
            passes = {"backward_passes": float(self._backwards)}
            self._write(Probe("no-step", passes, texts={"optimizer": self._unused_optimizer}))
        self.phases.close(self.step)
        self.write_losses()
        self.publish(closing=True)

    def write_losses(self) -> None:
        """Write the losses that are not written yet."""
        self._losses.flush()

    def release(self) -> None:
        """Keep nothing in memory of what is over."""
        self.close()
        self.phases = Phases(self._write, self.facts)
        self.sample = self._graph = self._leaves = None
        self.optimizers.forget()
        self._alive.clear()

    def publish(self, *, closing: bool = False) -> None:
        """Tell what is known of the whole training."""
        facts, available, optimizer = self.facts, self.phases.available, self.optimizers.first
        batch = self.phases.inputs.batch_size or facts.rows
        settings = dict(self.header.settings)
        rate = None if optimizer is None else _rate(optimizer)
        if rate is not None:
            settings.setdefault("lr", rate)
        header = dataclasses.replace(
            self.header,
            task=facts.task,
            loss_name=facts.loss_name,
            chance_loss=facts.chance(),
            classes=facts.classes,
            batch_size=batch,
            steps_per_epoch=math.ceil(available / batch) if available and batch else 0,
            optimizer=self.optimizers.names,
            progress=self._several_losses <= _FEW * self.step,
            settings=settings,
        )
        if header != self.header:
            self.header = header
            self._write_header(header)
        if self.step >= BATCHES or closing:
            for probe in self.phases.inputs.probes(facts):
                self._write(probe)

    def _version_of_weights(self) -> tuple[int, int] | None:
        """What is another one once the optimizer's weights were written to; ``None`` without any."""
        optimizer = self.optimizers.first
        parameters = [] if optimizer is None else optimizer.param_groups[0]["params"]
        return (id(parameters[0]), parameters[0]._version) if parameters else None

    def _new_sample(self, step: int) -> StepSample | None:
        if not is_sampled(step):
            return None
        activations = ActivationSample(self._alive)
        return StepSample(step, is_detailed(step), is_structural(step), activations, UpdateSample())

    def _look_before(self, loss: Tensor, sample: StepSample) -> None:
        """What can only be seen while gradients are those of the step before, and the graph is there."""
        sample.backwards += 1
        for optimizer in self.optimizers if self.step > 0 else ():
            trained = [item for group in optimizer.param_groups for item in group["params"]]
            sample.note_gradients_before(id(optimizer), trained)
        if self.step > 0 and self._by_hand:
            sample.note_gradients_before(id(self), self._movement.written)
        if sample.structural and sample.backwards == 1:
            view = read_graph(loss)
            if view is not None:
                self._leaves = parameters_of(view)
                chains = linear_chains(view, self._names.owner_of)
                self._graph = Graph(self.step, len(view.nodes), chains, own_sign(loss), *compared_shapes(loss))

    def _look_at_coverage(self, sample: StepSample) -> None:
        """Which modules' parameters this step reaches."""
        self._called |= sample.called
        self._names.refresh()
        stepped = frozenset(self._stepped)
        self._write(coverage(self.step, self._names, self.parameters, self._called, self._leaves, stepped))
        self._leaves = None
        self._stepped.clear()

    def _look_at_bare_tensors(self, loss: Tensor) -> None:
        """The inputs of a model that is no module, from the graph."""
        view = read_graph(loss)
        batch = None if view is None else first_input(view)
        if batch is not None and is_array(batch):
            forward = Forward(self.step, TRAIN, "", True, tuple(batch.shape), available=available_beside(batch))
            self.phases.forward_seen(forward, batch, self.sample)

    def _looks_at_peaks(self, sample: StepSample) -> bool:
        """Whether what happens to gradients between a backward pass and the step is the script's doing."""
        return sample.detailed and not self.is_scaled and len(self.optimizers) == 1

    def _look_at_own_loss(self, loss: Tensor) -> None:
        """The targets of a loss that is written out by hand, from the graph."""
        picked = picked_classes(loss)
        targets = None if picked is None else observe_picked(*picked)
        if targets is not None:
            self.phases.targets_picked(targets)

    def _finish_step(self, lr: float | None) -> None:
        if self._step_losses:
            loss = self._loss()
            self._losses.add(loss)
            sample = self._waiting if self._updating else self.sample
            if sample is not None and sample.step == self.step:
                self._record(sample, loss, lr)
            self.step += 1
            self._several_losses += len(self._own_losses) > 1
        self._own_losses.clear()
        self._step_losses.clear()
        self.phases.values.clear()
        self._backwards = 0
        if not self._updating and (self.sample is None or self.sample.step != self.step):
            self.sample = self._new_sample(self.step)
        self._updating, self._waiting = False, None

    def _record(self, sample: StepSample, loss: Loss, lr: float | None) -> None:
        sample.updates.end(closely=sample.detailed)
        sign = self._sign(loss, sample.gather)
        read = sample.gather.put(loss) if isinstance(loss, Tensor) else None
        record = sample.finish(lr, self._names, self._skipped)
        self._skipped = 0
        value = float(loss if read is None else read()[0])
        self._write(dataclasses.replace(record, loss=value))
        for item in self.phases.due:
            self._write(item())
        self.phases.due.clear()
        if sample.detailed and (ranks := replica(self.step, self.parameters, self._names, self.phases.last_examples)):
            self._write(ranks)
        related = sign()
        if self._graph is not None:
            self._write(dataclasses.replace(self._graph, sign=related or self._graph.sign))
            self._graph = None
        if is_structural(self.step) or self.step in _PUBLISHED_TOO:
            self.publish()

    def _sign(self, loss: Loss, gather: Gather) -> Callable[[], int]:
        """How what is backpropagated relates to what the loss functions gave, once the numbers were read."""
        values = self.phases.values[:_MOST_VALUES]
        if not values or self.optimizers.take_closures:
            return lambda: 0
        readers = [(gather.put(value), gather.put(mean)) for value, mean in values]
        total = gather.put(torch.as_tensor(loss))

        def relate() -> int:
            given, means = ([float(pair[place]()[0]) for pair in readers] for place in (0, 1))
            return self.facts.relate(float(total()[0]), given, means)

        return relate

    def _loss(self) -> Loss:
        return self._step_losses[0] if self.optimizers.take_closures else total(self._step_losses)


def total(losses: Sequence[Loss]) -> Loss:
    """The sum of one or more losses."""
    if len(losses) == 1:
        return losses[0]
    if all(isinstance(item, float) for item in losses):
        return math.fsum(float(item) for item in losses) if all(map(math.isfinite, losses)) else math.nan
    return torch.stack([torch.as_tensor(item).float() for item in losses]).sum()


def _rate(optimizer: Optimizer) -> float | None:
    rate: Any = optimizer.param_groups[0].get("lr")
    if isinstance(rate, Tensor):
        return float(rate) if rate.device.type == "cpu" and rate.numel() == 1 else None
    return float(rate) if isinstance(rate, int | float) else None

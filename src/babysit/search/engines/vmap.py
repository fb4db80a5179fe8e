"""Equal models with different hyperparameters as one program, by `torch.func`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from babysit.errors import Interrupted, RunFolderError, StorageError
from babysit.fit.trainer import Trainer
from babysit.search.engines._base import WIDEST, Between, Engine, nothing_between
from babysit.search.engines.single import SingleEngine, judge
from babysit.search.engines.vmap_stack import VmapStack
from babysit.search.problem import Problem, steps_in
from babysit.search.states import States
from babysit.search.trials import Outcome, TrialSpec, failure

VERIFIED_STEPS = 3
"""Steps after which a stack must have the losses of the same trials alone."""

GRADIENT_ERROR = 1e-2
"""Of the largest gradient: where two values in a max pooling or a zero in a ReLU are a rounding apart, a gradient goes
another way; measured at 2e-3 on a small CNN, where the plain model was as far from double precision."""

_NOT_OURS = (Interrupted, RunFolderError, StorageError)


class Refused(Exception):  # noqa: N818  # says what is to be done, nothing is wrong
    """Some trials cannot be trained as one, for the reason given."""


class VmapEngine(Engine):
    """Trains trials whose models differ in their weights only as one model with a dimension more.

    The first steps of every kind of model are taken twice, together and alone. Where the losses, gradients or running
    statistics differ, or the model draws random numbers or does what ``torch.func`` cannot follow, its trials are
    trained alone and a note says why.

    Args:
        problem: What they train.
        states: Where they wait for their next rung.
        between: Called after every step.
        width: Most trials that are trained together.
        places: Processes over which the trials of a rung are to be spread.
    """

    name: ClassVar[str] = "vmap"

    def __init__(
        self,
        problem: Problem,
        states: States,
        between: Between = nothing_between,
        *,
        width: int = WIDEST,
        places: int = 1,
    ) -> None:
        super().__init__(problem, states, between, width=width, places=places)
        # through this engine's own attribute, which a worker process replaces
        self._single = SingleEngine(problem, states, lambda trials: self.between(trials))
        self._verified: set[Hashable] = set()
        self._refused: dict[Hashable, str] = {}

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        """Trials with equal models, batches and update rules, as many as may be trained together."""
        kinds: dict[Hashable, list[TrialSpec]] = {}
        for trial in trials:
            kinds.setdefault(self._kind(trial), []).append(trial)
        width = self.width_for(len(trials))
        return [tuple(own[at : at + width]) for own in kinds.values() for at in range(0, len(own), width)]

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        """Train a group on to ``epochs`` epochs and evaluate each trial."""
        found: dict[int, Outcome] = {}
        stacks: dict[int, list[tuple[TrialSpec, Trainer]]] = {}
        for trial in trials:
            try:
                trainer = self._begun(trial)
                stacks.setdefault(trainer.step, []).append((trial, trainer))
            except _NOT_OURS:
                raise
            except Exception as error:  # whatever a user's model raises costs that trial and no other
                found[trial.number] = failure(trial, epochs, error)
        for together in stacks.values():
            for outcome in self._train_together(together, epochs):
                found[outcome.number] = outcome
        return [found[trial.number] for trial in trials]

    def _begun(self, trial: TrialSpec) -> Trainer:
        trainer = self.problem.trainer(trial)
        state = self.states.get(trial.number)
        if state is not None:
            trainer.load_state_dict(state)
        return trainer

    def _kind(self, trial: TrialSpec) -> Hashable:
        """What trials must have in common to be stacked; a model that cannot be built is one of a kind."""
        try:
            model = self.problem.build(trial)
        except Exception:  # said when it is trained
            return ("raises", trial.number)
        return (self.problem.batches_key(trial), self.problem.settings_of(trial).optimizer, _signature(model))

    def _train_together(self, together: list[tuple[TrialSpec, Trainer]], epochs: float) -> list[Outcome]:
        trials, trainers = [trial for trial, _ in together], [trainer for _, trainer in together]
        if len(trials) == 1:
            return self._single.train(trials, epochs)
        kind = (trainers[0].settings.optimizer, _signature(trainers[0].model))
        try:
            if kind in self._refused:
                raise Refused(self._refused[kind])
            if kind not in self._verified:
                self._verify(trials, trainers)
                self._verified.add(kind)
            stack = VmapStack(trainers, self.problem.task.loss)
            self._run(stack, trainers, steps_in(trainers[0].batches, epochs))
        except _NOT_OURS:
            raise
        except Exception as error:  # what torch.func cannot follow raises all kinds of errors
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            if kind not in self._refused:
                self.notes.append(f"trained alone rather than by vmap, such as trial {trials[0].number}: {reason}")
            self._refused[kind] = reason
            return self._single.train(trials, epochs)
        stack.unstack()
        return [self._finished(trial, trainer, epochs) for trial, trainer in together]

    def _run(self, stack: VmapStack, trainers: Sequence[Trainer], until: int) -> None:
        for trainer in trainers:
            trainer.model.train()
        with trainers[0].own_randomness():
            for _ in range(trainers[0].step, until):
                alive = [trainer for trainer in trainers if not trainer.stopped]
                if not alive:
                    return
                for trainer, loss in zip(trainers, stack.step(), strict=True):
                    if not trainer.stopped:
                        trainer.taken(loss)
                self.between(len(alive))

    def _finished(self, trial: TrialSpec, trainer: Trainer, epochs: float) -> Outcome:
        try:
            outcome = judge(self.problem, trainer, trial, epochs)
        except _NOT_OURS:
            raise
        except Exception as error:  # a user's model or score may raise in evaluation
            return failure(trial, epochs, error)
        if not outcome.stopped and epochs < trial.epochs:
            self.states.put(trial.number, trainer.state_dict())
        return outcome

    def _verify(self, trials: Sequence[TrialSpec], trainers: Sequence[Trainer]) -> None:
        """Take the first steps of two of the trials together and alone.

        Raises:
            Refused: They differ.
        """
        by_rate = sorted(range(len(trials)), key=lambda row: trainers[row].settings.lr)
        rows = [by_rate[0], by_rate[len(by_rate) // 2]]  # the highest rates may be chaotic, which tells nothing
        own = [self._begun(trials[row]) for row in rows]
        stack = VmapStack(own, self.problem.task.loss)
        alone = [_Alone(self.problem, self.states, trials[row]) for row in rows]
        with trainers[rows[0]].own_randomness():
            for number in range(VERIFIED_STEPS):
                before = torch.get_rng_state()
                losses = stack.step()
                if not torch.equal(before, torch.get_rng_state()):
                    raise Refused("its batches draw random numbers")
                for row, single in enumerate(alone):
                    own[row].taken(losses[row])
                    _require_close(torch.tensor(losses[row]), torch.tensor(single.step()), "loss", 1e-4, 1e-5)
                    if number == 0:
                        _require_equal_inside(stack, row, single.trainer.model)


class _Alone:
    """A trial beside its search, its losses to be read step by step."""

    def __init__(self, problem: Problem, states: States, trial: TrialSpec) -> None:
        self._losses: list[float] = []
        self._loss = problem.task.loss
        task = dataclasses.replace(problem.task, loss=self._kept)
        self.trainer = dataclasses.replace(problem, task=task, kill_ratio=math.inf).trainer(trial)
        state = states.get(trial.number)
        if state is not None:
            self.trainer.load_state_dict(state)

    def step(self) -> float:
        """Take one step; its loss."""
        self.trainer.run(self.trainer.step + 1)
        return self._losses[-1]

    def _kept(self, outputs: Tensor, targets: Tensor) -> Tensor:
        loss = self._loss(outputs, targets)
        self._losses.append(loss.item())
        return loss


def _signature(model: nn.Module) -> Hashable:
    """Equal for models that differ in the values of their weights alone, as far as their modules say."""
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    first: dict[int, str] = {}
    shapes = tuple(
        (name, tuple(tensor.shape), str(tensor.dtype), tensor.requires_grad, first.setdefault(id(tensor), name))
        for name, tensor in tensors
    )
    numbers = tuple(
        (name, key, repr(value))
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, (bool, int, float, str, tuple)) and key != "training"
    )
    kinds = tuple((name, type(module)) for name, module in model.named_modules())
    return (str(model), shapes, numbers, kinds)


def _require_equal_inside(stack: VmapStack, row: int, model: nn.Module) -> None:
    """Gradients and buffers of the first step; later ones may differ by what rounding makes of a gradient of zero."""
    wanted = [weight.grad for weight in model.parameters() if weight.grad is not None]
    scale = max((float(gradient.abs().max()) for gradient in wanted), default=0.0)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            if weight.grad is None:
                raise Refused(f"{name} gets no gradient")
            _require_close(stack.gradients[name][row], weight.grad, f"gradient of {name}", 1e-2, GRADIENT_ERROR * scale)
    statistics = [values for values in model.buffers() if values.is_floating_point()]
    largest = max((float(values.abs().max()) for values in statistics), default=0.0)
    for name, values in model.named_buffers():
        # a mean near zero is known no better than the deviations beside it
        _require_close(stack.others[name][row], values, name, 1e-4, max(1e-5, 1e-4 * largest))


def _require_close(found: Tensor, expected: Tensor, what: str, rtol: float, atol: float) -> None:
    if found.shape != expected.shape or not torch.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=True):
        both = f" ({found.item():.6g}, {expected.item():.6g})" if found.numel() == expected.numel() == 1 else ""
        raise Refused(f"{what} differs from that of the trial alone{both}")

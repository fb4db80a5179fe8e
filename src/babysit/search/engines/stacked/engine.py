"""The engine: which trials are stacked, how a stack is trained to the end of a rung, what becomes of its trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, TypeVar

from torch import Tensor

from babysit.errors import Interrupted, RunFolderError, StorageError
from babysit.fit.evaluation import judge
from babysit.search.engines._base import WIDEST, Between, Engine, nothing_between
from babysit.search.engines.single import SingleEngine
from babysit.search.engines.stacked.grouping import buckets, stacks
from babysit.search.engines.stacked.members import Member, kind
from babysit.search.engines.stacked.plan import NotStackable, Plan, plan_of
from babysit.search.engines.stacked.run import Ended, Run
from babysit.search.engines.stacked.verify import STEPS, disagreement
from babysit.search.problem import Problem, steps_in
from babysit.search.states import States
from babysit.search.trials import Outcome, TrialSpec

T = TypeVar("T")
_NOT_THE_TRIALS_FAULT = (Interrupted, RunFolderError, StorageError)


class StackedEngine(Engine):
    """Trains many multilayer perceptrons as one program.

    Trials that see the same batches and whose networks are alike but for the widths of their hidden layers are
    stacked: a layer of all of them is one product, and each has its own rate, decay, momentum, schedule and dropout.
    The first steps of a stack are compared with a trial's alone. What does not agree, or is not known to be right in a
    stack, is trained alone, and a note says why.

    Args:
        problem: What they train.
        states: Where they wait for their next rung.
        between: Called after every step.
        width: The most trials in a stack.
        places: Processes over which the trials of a rung are to be spread.
    """

    name: ClassVar[str] = "stacked"

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
        self._plans: dict[int, tuple[Hashable, Plan] | None] = {}

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        """Trials of like networks and equal batches together, at most ``width`` of them; the others by themselves."""
        found: list[tuple[TrialSpec, ...]] = []
        alike: list[tuple[Hashable, tuple[TrialSpec, Plan]]] = []
        for trial in trials:
            if (known := self._planned(trial)) is None:
                found.append((trial,))
            else:
                alike.append((known[0], (trial, known[1])))
        for bucket in buckets(alike):
            widths = [plan.widths for _, plan in bucket]
            for stack in stacks(widths, bucket[0][1].inputs, self.width_for(len(trials))):
                found.append(tuple(bucket[index][0] for index in stack))
        position = {trial.number: index for index, trial in enumerate(trials)}
        return sorted(found, key=lambda group: position[group[0].number])

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        """Train each on to ``epochs`` epochs and evaluate it, those that can be together."""
        outcomes: dict[int, Outcome] = {}
        members: list[tuple[Hashable, Member]] = []
        for trial in trials:
            member = self._member(trial)
            if member is None:
                outcomes[trial.number] = self._alone([trial], epochs)[0]
            else:
                members.append(((kind(self.problem, trial, member.plan), member.state["step"]), member))
        for stack in buckets(members):
            for outcome in self._train(stack, epochs):
                outcomes[outcome.number] = outcome
        return [outcomes[trial.number] for trial in trials]

    def _planned(self, trial: TrialSpec) -> tuple[Hashable, Plan] | None:
        if trial.number not in self._plans:
            plan = self._stackable(lambda: plan_of(self.problem.build(trial)))
            self._plans[trial.number] = None if plan is None else (kind(self.problem, trial, plan), plan)
        return self._plans[trial.number]

    def _member(self, trial: TrialSpec) -> Member | None:
        state = self.states.get(trial.number)
        return self._stackable(lambda: Member.of(self.problem, trial, state))

    def _stackable(self, make: Callable[[], T]) -> T | None:
        """What is made of a trial for a stack; ``None`` where it has to be trained alone."""
        try:
            return make()
        except NotStackable as reason:
            self._note(str(reason))  # of the model's structure, so that no trial need be named
        except _NOT_THE_TRIALS_FAULT:
            raise
        except Exception:  # what it is, the single engine finds out again and says
            return None
        return None

    def _train(self, members: list[Member], epochs: float) -> list[Outcome]:
        trials = [member.trial for member in members]
        if len(members) == 1:
            return self._alone(trials, epochs)
        try:
            until = steps_in(members[0].trainer.batches, epochs)
            run = Run(self.problem, members)
            run.to(min(run.watched.state["step"] + STEPS, until), self.between)
            reason = disagreement(self.problem, run)
            if not reason:
                run.to(until, self.between)
                return self._judged(run, epochs)
        except _NOT_THE_TRIALS_FAULT:
            raise
        except Exception as error:  # of one of them, or of the stack: each alone, it costs the one that raises
            reason = f"{type(error).__name__}: {error}" if not isinstance(error, NotStackable) else str(error)
        self._note(reason, trials)
        return self._alone(trials, epochs)

    def _judged(self, run: Run, epochs: float) -> list[Outcome]:
        outcomes = [_stopped(stopped, epochs) for stopped in run.stopped]
        if run.program is None:
            return outcomes
        outputs = run.program.outputs(self.problem.validation)
        for trial, member in enumerate(run.program.members):
            outcome = self._outcome(run, trial, outputs[trial], epochs)
            if not outcome.stopped and epochs < member.trial.epochs:
                self.states.put(member.trial.number, run.state_dict(trial))
            outcomes.append(outcome)
        return outcomes

    def _outcome(self, run: Run, trial: int, outputs: Tensor, epochs: float) -> Outcome:
        ended = run.ended(trial)
        result = judge(outputs, self.problem.validation.y, self.problem.task)
        if not math.isfinite(result.loss):
            return _stopped(ended.because(f"validation loss {result.loss} after step {ended.steps}"), epochs)
        if math.isnan(result.merit):
            return _stopped(ended.because(f"the score is NaN after step {ended.steps}"), epochs)
        trained = ended.steps / ended.member.trainer.batches.steps_per_epoch
        number = ended.member.trial.number
        return Outcome(number, epochs, trained, ended.steps, ended.initial_loss, result.loss, result.merit)

    def _alone(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        return self._single.train(trials, epochs)

    def _note(self, reason: str, trials: Sequence[TrialSpec] = ()) -> None:
        numbers = ", ".join(str(trial.number) for trial in trials)
        which = f" ({'trial' if len(trials) == 1 else 'trials'} {numbers})" if trials else ""
        note = f"trained alone, not stacked: {reason}{which}"
        if note not in self.notes:
            self.notes.append(note)


def _stopped(ended: Ended, epochs: float) -> Outcome:
    steps = ended.steps
    trained = steps / ended.member.trainer.batches.steps_per_epoch
    number = ended.member.trial.number
    return Outcome(number, epochs, trained, steps, ended.initial_loss, math.inf, -math.inf, ended.reason)

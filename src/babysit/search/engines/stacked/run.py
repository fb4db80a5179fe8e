"""A stack on its way to the end of a rung: who is stopped on the way, and what is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from babysit.fit.evaluation import Examples
from babysit.fit.trainer import verdict
from babysit.search.engines.stacked.members import Member
from babysit.search.engines.stacked.program import Program
from babysit.search.problem import Problem


@dataclass(frozen=True)
class Ended:
    """Where a trial ended.

    Attributes:
        member: Which.
        steps: It has taken.
        initial_loss: Loss of its first step.
        reason: Why it was stopped; ``""`` where it was not.
    """

    member: Member
    steps: int
    initial_loss: float
    reason: str = ""

    def because(self, reason: str) -> Ended:
        """The same, stopped for some reason."""
        return dataclasses.replace(self, reason=reason)


class Run:
    """Trains a stack step by step.

    A trial that is stopped stays in the stack, where it does no harm, until half of the trials are: then the others go
    on in a narrower one.

    Args:
        problem: What is trained.
        members: The trials of the stack.

    Attributes:
        program: Those that are alive; ``None`` where none is.
        stopped: The others.
        watched: A trial that stands for the others, as it began.
        watched_losses: Of its steps.
    """

    def __init__(self, problem: Problem, members: Sequence[Member]) -> None:
        self._problem = problem
        self.watched = _representative(members)
        self._batches = members[0].trainer.batches
        self.program: Program | None = Program(members, problem.task.loss)
        self.stopped: list[Ended] = []
        self.watched_losses: list[float] = []
        self._initial = [member.state["initial_loss"] for member in members]
        self._dead: set[int] = set()
        self._members = list(members)

    def to(self, until: int, between: Callable[[int], None]) -> None:
        """Train until so many steps have been taken since the beginning, or nobody is left.

        Args:
            until: The number of steps.
            between: Called after every step with the number of trials that took it.
        """
        while self.program is not None and self.program.step < until:
            step = self.program.step
            losses = self.program.train_step(*self._batches.batch(step))
            alive = len(losses) - len(self._dead)
            self._judge(step, losses)
            if 2 * len(self._dead) >= len(losses):
                self._compact()
            between(alive)
        self._compact()

    def watched_outputs(self, examples: Examples) -> Tensor | None:
        """The outputs of the watched trial; ``None`` where it was stopped."""
        trials = [] if self.program is None else [member.trial for member in self.program.members]
        if self.program is None or self.watched.trial not in trials:
            return None
        return self.program.outputs(examples)[trials.index(self.watched.trial)]

    def ended(self, trial: int) -> Ended:
        """Where a trial of the program stands."""
        assert self.program is not None
        return Ended(self.program.members[trial], self.program.step, self._initial[trial])

    def state_dict(self, trial: int) -> dict[str, Any]:
        """What a trial of the program goes on from."""
        assert self.program is not None
        return {**self.program.state_dict(trial), "initial_loss": self._initial[trial]}

    def _judge(self, step: int, losses: Sequence[float]) -> None:
        if step == 0:
            self._initial = list(losses)
        for trial, loss in enumerate(losses):
            if trial not in self._dead:
                if self._members[trial].trial is self.watched.trial:
                    self.watched_losses.append(loss)
                initial = max(self._initial[trial], self._problem.chance)
                if reason := verdict(step, loss, initial, self._problem.kill_ratio):
                    self._dead.add(trial)
                    self.stopped.append(Ended(self._members[trial], step + 1, self._initial[trial], reason))

    def _compact(self) -> None:
        """Leave the dead behind."""
        if not self._dead or self.program is None:
            return
        alive = [trial for trial in range(len(self._members)) if trial not in self._dead]
        members = [dataclasses.replace(self._members[trial], state=self.state_dict(trial)) for trial in alive]
        self._initial = [self._initial[trial] for trial in alive]
        self._members, self._dead = members, set()
        self.program = Program(members, self._problem.task.loss) if members else None


def _representative(members: Sequence[Member]) -> Member:
    """A trial whose first steps tell much: it is padded if any is, and learns fast but not the fastest."""
    widest = max(member.plan.widths for member in members)
    padded = [member for member in members if member.plan.widths != widest] or members
    return sorted(padded, key=lambda member: member.trainer.settings.lr)[2 * len(padded) // 3]

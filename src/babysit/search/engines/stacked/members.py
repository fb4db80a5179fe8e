"""A trial in a stack: its network, its settings, where it stands."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from babysit.fit.trainer import Trainer
from babysit.search.engines.stacked.optimizers import rule_of
from babysit.search.engines.stacked.plan import Plan, plan_of
from babysit.search.problem import Problem
from babysit.search.trials import TrialSpec


@dataclass(frozen=True, eq=False)
class Member:
    """One of the trials that are trained together.

    Attributes:
        trial: Which.
        trainer: Its training alone, at its beginning; never run.
        plan: Of its network.
        state: Where it stands, as the ``state_dict`` of its trainer.
    """

    trial: TrialSpec
    trainer: Trainer
    plan: Plan
    state: Mapping[str, Any]

    @classmethod
    def of(cls, problem: Problem, trial: TrialSpec, state: Mapping[str, Any] | None) -> Member:
        """A trial at its beginning, or where it was left.

        Raises:
            NotStackable: Its network has to be trained alone.
        """
        trainer = problem.trainer(trial)
        plan = plan_of(trainer.model)
        return cls(trial, trainer, plan, trainer.state_dict() if state is None else state)

    @property
    def parameter_names(self) -> list[str]:
        """The network's parameters in the order in which its optimizer numbers them."""
        names = {id(parameter): name for name, parameter in self.trainer.model.named_parameters()}
        return [names[id(p)] for group in self.trainer.optimizer.param_groups for p in group["params"]]


def kind(problem: Problem, trial: TrialSpec, plan: Plan) -> Hashable:
    """Trials of one kind can be trained together, as far as they have taken equally many steps."""
    return (plan.key, rule_of(problem.settings_of(trial)), problem.batches_key(trial))

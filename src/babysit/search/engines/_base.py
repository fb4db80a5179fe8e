"""How trials are trained: one interface, so that a search need not know whether they run alone or many at a time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from babysit.search.problem import Problem
from babysit.search.states import States
from babysit.search.trials import Outcome, TrialSpec

Between = Callable[[int], None]
"""Called after every step with the number of trials that took it; may raise to stop."""


WIDEST = 64
"""Trials that are taken together at most, unless it is measured what is best."""


def nothing_between(trials: int) -> None:
    """Go on."""


class Engine(ABC):
    """Trains trials.

    Args:
        problem: What they train.
        states: Where they wait for their next rung.
        between: Called after every step.
        width: Trials that are taken together at most, by an engine that can.
        places: Processes over which the trials of a rung are to be spread.

    Attributes:
        name: As it is printed and recorded.
        notes: What a person should know: trials that it could not take together, and why.
    """

    name: ClassVar[str]

    def __init__(
        self,
        problem: Problem,
        states: States,
        between: Between = nothing_between,
        *,
        width: int = WIDEST,
        places: int = 1,
    ) -> None:
        self.problem = problem
        self.states = states
        self.between = between
        self.width = width
        self.places = places
        self.notes: list[str] = []

    @abstractmethod
    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        """Which trials are trained together: each in one group, a function of the arguments alone.

        A search that is begun again must find the same groups, as sums over a stack are rounded as the stack is wide.
        """

    @abstractmethod
    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        """Train a group on to ``epochs`` epochs since its beginning and evaluate each on the validation split.

        Trials that may go on leave their state behind, as :meth:`~babysit.fit.trainer.Trainer.state_dict` gives it,
        so that any engine can go on with them. A trial that raises costs itself alone.
        """

    def width_for(self, trials: int) -> int:
        """How many of so many trials are taken together at most, so that every place gets some."""
        return max(1, min(self.width, math.ceil(trials / self.places)))

    def release(self, numbers: Sequence[int]) -> None:
        """Forget trials that will not be trained on."""
        self.states.drop(numbers)

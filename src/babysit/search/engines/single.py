"""One trial after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from babysit.errors import Interrupted, RunFolderError, StorageError
from babysit.fit.evaluation import evaluate
from babysit.fit.trainer import Trainer
from babysit.search.engines._base import Engine
from babysit.search.problem import Problem, steps_in
from babysit.search.trials import Outcome, TrialSpec, failure


class SingleEngine(Engine):
    """Trains one trial after the other, with nothing between that costs time."""

    name: ClassVar[str] = "single"

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        """Each by itself."""
        return [(trial,) for trial in trials]

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        """Train each on to ``epochs`` epochs and evaluate it."""
        return [self._attempt(trial, epochs) for trial in trials]

    def _attempt(self, trial: TrialSpec, epochs: float) -> Outcome:
        try:
            return self._train(trial, epochs)
        except (Interrupted, RunFolderError, StorageError):
            raise  # no fault of the trial's
        except Exception as error:  # whatever a user's model raises costs that trial and no other
            return failure(trial, epochs, error)

    def _train(self, trial: TrialSpec, epochs: float) -> Outcome:
        trainer = self.problem.trainer(trial)
        state = self.states.get(trial.number)
        if state is not None:
            trainer.load_state_dict(state)
        trainer.run(steps_in(trainer.batches, epochs), lambda: self.between(1))
        outcome = judge(self.problem, trainer, trial, epochs)
        if not outcome.stopped and epochs < trial.epochs:
            self.states.put(trial.number, trainer.state_dict())
        return outcome


def judge(problem: Problem, trainer: Trainer, trial: TrialSpec, epochs: float) -> Outcome:
    """The outcome of a training as it stands: its model is evaluated on the validation split."""
    trained = trainer.step / trainer.batches.steps_per_epoch
    taken = (trial.number, epochs, trained, trainer.step, trainer.initial_loss)
    if trainer.stopped:
        return Outcome(*taken, math.inf, -math.inf, trainer.stopped)
    with trainer.own_randomness():  # of models that draw in evaluation too
        result = evaluate(trainer.model, problem.validation, problem.task)
    if not math.isfinite(result.loss):
        return Outcome(*taken, math.inf, -math.inf, f"validation loss {result.loss} after step {trainer.step}")
    if math.isnan(result.merit):
        return Outcome(*taken, math.inf, -math.inf, f"the score is NaN after step {trainer.step}")
    return Outcome(*taken, result.loss, result.merit)

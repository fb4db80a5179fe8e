"""How trials are trained: one interface, so that a search need not know whether they run alone or many at a time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from babysit.errors import Interrupted, RunFolderError, StorageError
from babysit.fit.checkpoint import load_checkpoint, save_checkpoint
from babysit.fit.evaluation import Examples, evaluate
from babysit.fit.losses import Task
from babysit.fit.trainer import Trainer
from babysit.storage import LineWriter, read_lines, refuse_write


@dataclass(frozen=True)
class TrialSpec:
    """One trial to be trained.

    Attributes:
        number: Unique in the search, from 0.
        round: Number of its round.
        params: Its hyperparameters.
        seed: Of its initial weights, its batches and its dropout.
        epochs: Longest it may train; the end of its learning-rate schedule. May be a fraction.
    """

    number: int
    round: int
    params: Mapping[str, Any]
    seed: int
    epochs: float


@dataclass(frozen=True)
class Outcome:
    """Where a trial stands after training to some epoch.

    Attributes:
        number: The trial's.
        epochs: What it was to be trained to.
        trained: Epochs it has trained; fewer than ``epochs`` when it was stopped.
        steps: Steps it has taken.
        initial_loss: Loss of its first step.
        loss: Validation loss, never NaN; infinite when it was stopped.
        score: Validation accuracy or R²; ``-inf`` when it was stopped.
        stopped: Why it was killed; ``""`` when all is well.
        failed: It raised, rather than diverged.
    """

    number: int
    epochs: float
    trained: float
    steps: int
    initial_loss: float
    loss: float
    score: float
    stopped: str = ""
    failed: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        """Greater is better: the score, and the lower loss where scores are equal."""
        return (self.score, -self.loss)


class Engine(ABC):
    """Trains trials."""

    @abstractmethod
    def advance(self, trials: Sequence[TrialSpec], epochs: float) -> Iterator[Outcome]:
        """Train each trial on to ``epochs`` epochs since its beginning and evaluate it on the validation split."""

    @abstractmethod
    def release(self, numbers: Sequence[int]) -> None:
        """Forget trials that will not be advanced again."""


class SingleEngine(Engine):
    """Trains one trial after the other, keeping those that may go on.

    Args:
        make: Builds the trainer of a trial.
        validation: What trials are judged on.
        task: Loss and score.
        between: Called after every step, for progress and signals.
        folder: Where trials wait for their next rung; without it they wait in memory alone.
    """

    def __init__(
        self,
        make: Callable[[TrialSpec], Trainer],
        validation: Examples,
        task: Task,
        *,
        between: Callable[[], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._make = make
        self._validation = validation
        self._task = task
        self._between = between
        self._folder = folder
        self._waiting: dict[int, Trainer] = {}

    def advance(self, trials: Sequence[TrialSpec], epochs: float) -> Iterator[Outcome]:
        """Train each trial on to ``epochs`` epochs since its beginning and evaluate it."""
        for trial in trials:
            yield self._advance(trial, epochs)

    def release(self, numbers: Sequence[int]) -> None:
        """Forget trials that will not be advanced again."""
        for number in numbers:
            self._waiting.pop(number, None)
            if self._folder is not None:
                self._file(number).unlink(missing_ok=True)

    def _advance(self, trial: TrialSpec, epochs: float) -> Outcome:
        try:
            return self._train(trial, epochs)
        except (Interrupted, RunFolderError, StorageError):
            raise  # no fault of the trial's
        except Exception as error:  # whatever a user's model raises costs that trial and no other
            reason = f"{type(error).__name__}: {error}"
            return Outcome(trial.number, epochs, 0.0, 0, math.nan, math.inf, -math.inf, reason, failed=True)

    def _train(self, trial: TrialSpec, epochs: float) -> Outcome:
        trainer = self._waiting.pop(trial.number, None) or self._revive(trial)
        trainer.run(max(1, round(epochs * trainer.batches.steps_per_epoch)), self._between)
        trained = trainer.step / trainer.batches.steps_per_epoch
        taken = (trial.number, epochs, trained, trainer.step, trainer.initial_loss)
        if trainer.stopped:
            return Outcome(*taken, math.inf, -math.inf, trainer.stopped)
        with trainer.own_randomness():  # of models that draw in evaluation too
            result = evaluate(trainer.model, self._validation, self._task)
        if not math.isfinite(result.loss):
            return Outcome(*taken, math.inf, -math.inf, f"validation loss {result.loss} after step {trainer.step}")
        if epochs < trial.epochs:
            self._keep(trial.number, trainer)
        return Outcome(*taken, result.loss, result.score)

    def _keep(self, number: int, trainer: Trainer) -> None:
        self._waiting[number] = trainer
        if self._folder is not None:
            try:
                self._folder.mkdir(exist_ok=True)
            except OSError as error:
                raise refuse_write(self._folder, error) from error
            save_checkpoint(self._file(number), trainer.state_dict())

    def _revive(self, trial: TrialSpec) -> Trainer:
        """A new trainer, where the last one stopped; from the beginning where nothing was kept."""
        trainer = self._make(trial)
        state = load_checkpoint(self._file(trial.number)) if self._folder is not None else None
        if state is not None:
            trainer.load_state_dict(state)
        return trainer

    def _file(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{number:05d}.pt"


class JournaledEngine(Engine):
    """Remembers outcomes in a file, so that a search that is begun again only trains what is missing.

    Args:
        engine: Trains what is not in the journal.
        path: The journal, one outcome a line.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        # opened first: that cuts a torn last line, which must not count as known while the file lacks it
        self._journal = LineWriter(path)
        self._known = {(outcome.number, outcome.epochs): outcome for outcome in _read_journal(path)}

    def advance(self, trials: Sequence[TrialSpec], epochs: float) -> Iterator[Outcome]:
        """Outcomes in the trials' order, from the journal where they are known."""
        for trial in trials:
            outcome = self._known.get((trial.number, epochs))
            if outcome is None:
                (outcome,) = self._engine.advance([trial], epochs)
                self._journal.append(asdict(outcome))
            yield outcome

    def release(self, numbers: Sequence[int]) -> None:
        """Forget trials that will not be advanced again; their outcomes stay in the journal."""
        self._engine.release(numbers)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


def _read_journal(path: Path) -> Iterator[Outcome]:
    for line in read_lines(path):
        numbers = {name: float(line[name]) for name in ("epochs", "trained", "initial_loss", "loss", "score")}
        yield Outcome(**{**line, **numbers})

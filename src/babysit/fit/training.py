"""A whole training: epochs, evaluations, best weights kept, early stopping, averages, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babysit.errors import Interrupted, RunFolderError
from babysit.fit.averages import POLYAK_EVERY, PolyakAverage, Weights, copy_weights, load_weights
from babysit.fit.checkpoint import load_checkpoint, save_checkpoint
from babysit.fit.evaluation import Examples, evaluate
from babysit.fit.losses import Task
from babysit.fit.trainer import Trainer
from babysit.measure.record import Evaluation, Records

CHECKPOINT_SECONDS = 5.0
"""At most this much work is lost to a kill, as long as saving is quick."""
QUICK_SECONDS = 0.25
"""Of a checkpoint; one that takes longer is written less often, so that saving takes a twentieth of the time."""


@dataclass
class Best:
    """The best evaluation so far and the weights it was made with.

    Attributes:
        score: Accuracy or R²; minus the loss where a loss of one's own leaves open what the outputs mean.
        loss: Mean loss.
        epoch: After which it was made.
        weights: Of the model then.
    """

    score: float = -math.inf
    loss: float = math.inf
    epoch: int = 0
    weights: Weights = field(default_factory=dict)

    def improves(self, score: float, loss: float) -> bool:
        """Whether an evaluation is better: a higher score, or as high a score at a lower loss; never a NaN."""
        return not math.isnan(loss) and (score, -loss) > (self.score, -self.loss)


@dataclass(frozen=True)
class Extras:
    """What a training does beside training.

    Attributes:
        patience: Epochs without a better evaluation before it stops; 0, or nothing to evaluate on, never stops early.
        snapshots: How many snapshots of the second half are kept for an ensemble.
        polyak: Keep Polyak's average of the weights.
    """

    patience: int = 0
    snapshots: int = 0
    polyak: bool = False


class Training:
    """Runs a trainer to its end, evaluating after every whole epoch.

    The evaluations of the last of the splits choose the best weights, stop early and lower a plateau's rate.

    Args:
        trainer: What takes the steps; its writers should write to ``writer`` too.
        task: Loss and score of the evaluations.
        examples: ``"train"`` and ``"validation"`` (or ``"train"`` alone) to evaluate on.
        extras: Early stopping, snapshots, averages.
        writer: Where evaluations are recorded.
        checkpoint: File to go on from after a kill; continued from where it exists.
        between: Called after every step with the trainer, for progress and signals; when it raises ``Interrupted``, a
            checkpoint is written first.
    """

    def __init__(
        self,
        trainer: Trainer,
        task: Task,
        examples: Mapping[str, Examples],
        *,
        extras: Extras = Extras(),
        writer: Records | None = None,
        checkpoint: Path | None = None,
        between: Callable[[Trainer], None] | None = None,
    ) -> None:
        self.trainer = trainer
        self.best = Best()
        self.snapshots: list[Weights] = []
        self.polyak = PolyakAverage(trainer.model) if extras.polyak else None
        self.evaluations: list[Evaluation] = []
        self.epochs_done = 0
        self._task = task
        self._examples = examples
        self._extras = extras
        self._writer = writer
        self._checkpoint = checkpoint
        self._between = between
        self._last_saved = time.monotonic()
        self._save_seconds = 0.0

    def run(self) -> Best:
        """Train to the end and leave the best weights in the model.

        Returns:
            The best evaluation; the last weights where there is nothing to evaluate on.

        Raises:
            Interrupted: A signal asked to stop; the checkpoint holds everything.
            StorageError: The disk refused; the checkpoint before is intact.
        """
        steps = self.trainer.batches.steps_per_epoch
        while not self._finished():
            self.trainer.run((self.epochs_done + 1) * steps, self._after_step)
            self.trainer.flush()
            if not self.trainer.stopped:
                self._after_epoch()
        self.trainer.flush()
        if self.best.weights:
            load_weights(self.trainer.model, self.best.weights)
        return self.best

    def save(self) -> None:
        """Write the checkpoint, if there is a file for it."""
        if self._checkpoint is None:
            return
        began = time.monotonic()
        if self._writer is not None:
            self._writer.sync()
        save_checkpoint(self._checkpoint, self.state_dict())
        self._last_saved = time.monotonic()
        self._save_seconds = self._last_saved - began

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one.

        Raises:
            RunFolderError: It is damaged, or of another model or optimizer.
        """
        state = load_checkpoint(self._checkpoint) if self._checkpoint else None
        if state is None:
            return False
        try:
            self.load_state_dict(state)
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            raise RunFolderError(
                str(self._checkpoint),
                expected="a checkpoint of this very model and optimizer",
                found=str(error).strip().partition("\n")[0],
                todo="choose another folder, or go on with what it was begun with",
            ) from error
        return True

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on exactly here."""
        return {
            "trainer": self.trainer.state_dict(),
            "best": vars(self.best),
            "snapshots": self.snapshots,
            "polyak": (self.polyak.weights, self.polyak.updates) if self.polyak else None,
            "evaluations": [(e.step, e.epoch, e.split, e.loss, e.score, e.examples) for e in self.evaluations],
            "epochs_done": self.epochs_done,
            "written": self._writer.size if self._writer else 0,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.trainer.load_state_dict(state["trainer"])
        self.best = Best(**state["best"])
        self.snapshots = list(state["snapshots"])
        if state["polyak"] is not None:
            self.polyak = PolyakAverage(self.trainer.model, *state["polyak"])
        self.evaluations = [Evaluation(*fields) for fields in state["evaluations"]]
        self.epochs_done = state["epochs_done"]
        if self._writer is not None:
            self._writer.rewind(state["written"])

    def _finished(self) -> bool:
        waited = self.epochs_done - self.best.epoch
        return (
            self.epochs_done >= self.trainer.settings.epochs
            or bool(self.trainer.stopped)
            or (bool(self.evaluations) and 0 < self._extras.patience <= waited)
        )

    def _after_step(self) -> None:
        if self.polyak is not None and self.trainer.step % POLYAK_EVERY == 0:
            self.polyak.update(self.trainer.model)
        if self._checkpoint is not None and time.monotonic() - self._last_saved > self._unsaved_seconds():
            self.save()
        if self._between is not None:
            try:
                self._between(self.trainer)
            except Interrupted:
                self.save()  # here alone: a second signal does not wait, and may come in the middle of an update
                raise

    def _unsaved_seconds(self) -> float:
        return CHECKPOINT_SECONDS * max(1.0, self._save_seconds / QUICK_SECONDS)

    def _after_epoch(self) -> None:
        trainer = self.trainer
        self.epochs_done += 1
        epoch = self.epochs_done
        if self._is_snapshot(epoch):
            self.snapshots.append(copy_weights(trainer.model))
        result = None
        for split, examples in self._examples.items():
            with trainer.own_randomness():  # of models that draw in evaluation too
                result = evaluate(trainer.model, examples, self._task)
            self._record(Evaluation(trainer.step, epoch, split, result.loss, result.score, result.examples))
        if result is None:
            return
        if self.best.improves(result.merit, result.loss):
            self.best = Best(result.merit, result.loss, epoch, copy_weights(trainer.model))
        if trainer.plateau is not None:
            trainer.plateau.observe(result.merit)

    def _record(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)
        if self._writer is not None:
            self._writer.write(evaluation)

    def _is_snapshot(self, epoch: int) -> bool:
        wanted, epochs = self._extras.snapshots, self.trainer.settings.epochs
        return (
            epoch in {epochs - index * max(1, epochs // (2 * wanted)) for index in range(wanted)} if wanted else False
        )

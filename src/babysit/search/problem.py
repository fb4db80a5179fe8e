"""What all trials of a search have in common: how a model is built, the data, the loss, how it is judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from torch import nn

from babysit.data.batches import Batches
from babysit.fit.evaluation import Examples
from babysit.fit.idle_bias import idle_biases
from babysit.fit.layout import put_channels_innermost
from babysit.fit.losses import Task
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import KILL_RATIO, Trainer
from babysit.search.trials import TrialSpec


@dataclass(frozen=True, eq=False)
class Problem:
    """What is searched for.

    Attributes:
        build: The network of a trial, its weights decided by the trial's hyperparameters and seed alone.
        batches: What a trial trains on: a function of its hyperparameters and the settings' batch size and seed, which
            is the trial's ``order``.
        validation: What trials are judged on.
        task: Loss and score.
        settings: Where a trial's hyperparameters say nothing.
        chance: Loss of a constant prediction; see :class:`~babysit.fit.trainer.Trainer`.
        kill_ratio: A trial is stopped where its loss is over this many times the initial one.
        marks: What the data look like, by :func:`~babysit.fit.data_marks.data_marks`.
        decides_batches: Hyperparameters that ``batches`` looks at; trials that agree in them see the same batches.
    """

    build: Callable[[TrialSpec], nn.Module]
    batches: Callable[[TrialSpec, TrainSettings], Batches]
    validation: Examples
    task: Task
    settings: TrainSettings
    chance: float = 0.0
    kill_ratio: float = KILL_RATIO
    marks: tuple[float, ...] = ()
    decides_batches: tuple[str, ...] = ("batch_size", "augment")

    def settings_of(self, trial: TrialSpec) -> TrainSettings:
        """The settings of a trial's training; its seed is that of its dropout."""
        return dataclasses.replace(self.settings.changed(trial.params), seed=trial.seed)

    def batches_of(self, trial: TrialSpec) -> Batches:
        """What a trial trains on."""
        return self.batches(trial, dataclasses.replace(self.settings_of(trial), seed=trial.order))

    def batches_key(self, trial: TrialSpec) -> Hashable:
        """Trials with equal keys see the same batches in the same order."""
        named = tuple((name, repr(trial.params[name])) for name in self.decides_batches if name in trial.params)
        return (trial.order, self.settings_of(trial).batch_size, named)

    def trainer(self, trial: TrialSpec) -> Trainer:
        """A trial's training, at its beginning."""
        batches = self.batches_of(trial)
        model = self.build(trial)
        put_channels_innermost(model)
        return Trainer(
            model,
            self.task.loss,
            batches,
            self.settings_of(trial),
            total_steps=steps_in(batches, trial.epochs),
            kill_ratio=self.kill_ratio,
            chance_loss=self.chance,
            idle=idle_biases(model),
        )


def steps_in(batches: Batches, epochs: float) -> int:
    """Steps of so many epochs, which may be a fraction; at least one."""
    return max(1, round(epochs * batches.steps_per_epoch))

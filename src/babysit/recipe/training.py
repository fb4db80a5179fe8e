"""Step 9: the full training of the best setting, read as the lecture reads it; more models for an ensemble."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from babysit.fit.averages import Weights
from babysit.fit.recording import LayerRecorder
from babysit.fit.trainer import KILL_RATIO, Trainer
from babysit.fit.training import Best, Extras, Training
from babysit.measure.record import Evaluation, RecordWriter, read_run
from babysit.recipe.activations import activation_probe
from babysit.recipe.budget import Plan
from babysit.recipe.run import Run
from babysit.recipe.steps import StepResult
from babysit.recipe.subject import Subject
from babysit.rules._catalogue import catalogue
from babysit.search.study import StudyResult

TRAINING_FAMILIES = ("ACT", "GEN", "GRD", "INI", "LOS", "UPD")
"""Rules of these families judge a training; the others judge what comes before it."""
SNAPSHOTS = 3


@dataclass(frozen=True, eq=False)
class Trained:
    """What the full training left.

    Attributes:
        network: With the best weights.
        params: Its hyperparameters.
        best: The evaluation that chose them.
        polyak: The averaged weights.
        snapshots: Weights along the second half.
        members: Further networks for the ensemble, each trained to its own end.
    """

    network: nn.Module
    params: Mapping[str, Any]
    best: Best
    polyak: Weights
    snapshots: list[Weights]
    members: list[nn.Module]


def train_fully(run: Run, subject: Subject, plan: Plan, study: StudyResult) -> Trained:
    """Step 9: train the best setting to its end and read the signs."""
    run.display.begin(9, "Full training")
    network = subject.network_for(study.best, run.options.seed)
    run.know(
        total_steps=plan.epochs * _steps_per_epoch(subject, study.best),
        steps_per_epoch=_steps_per_epoch(subject, study.best),
    )
    if not run.folder.checkpoint.exists():
        run.rewind()  # otherwise the checkpoint knows from where to write on
    training = _training(
        run, subject, network, study.best, plan.epochs, run.options.seed, run.folder.checkpoint, run.writer
    )
    best = _finish(run, training, "training")
    sample, _ = subject.prepared.few(256)
    run.writer.write(activation_probe("activations-final", network, sample))
    members = [_member(run, subject, plan, study, number) for number in range(1, run.options.ensemble)]
    run.report["final"] = _summary(subject, study.best, plan, training, best)
    record = read_run(run.folder.path)
    run.end_step(
        StepResult(
            9,
            "training",
            "Full training",
            _say(subject, training, best),
            "a steep fall that keeps decreasing, training and validation close together",
            passed=not training.trainer.stopped and bool(best.weights),
        ),
        judged_by=[code for code in catalogue() if code.startswith(TRAINING_FAMILIES)],
        records=record,
    )
    assert training.polyak is not None
    return Trained(network, study.best, best, training.polyak.weights, training.snapshots, members)


def _training(
    run: Run,
    subject: Subject,
    network: nn.Module,
    params: Mapping[str, Any],
    epochs: int,
    seed: int,
    checkpoint: Path,
    writer: RecordWriter | None,
) -> Training:
    prepared = subject.prepared
    settings = dataclasses.replace(subject.settings.changed(params), seed=seed, epochs=epochs)
    model = prepared.around(network)
    trainer = Trainer(
        model,
        prepared.task.loss,
        prepared.batches(settings.batch_size, seed, params.get("augment", subject.augment)),
        settings,
        kill_ratio=KILL_RATIO,
        chance_loss=subject.chance,
        sampler=LayerRecorder(network, writer.write) if writer else None,
        write_losses=writer.write if writer else None,
    )

    def between(trainer: Trainer) -> None:
        if trainer.step % 20 == 0:
            run.display.progress("steps of the full training", trainer.step, trainer.total_steps)
        run.interrupts.check()

    return Training(
        trainer,
        prepared.task,
        {"train": prepared.train_sample, "validation": prepared.validation},
        extras=Extras(patience=max(5, epochs // 3), snapshots=SNAPSHOTS, polyak=True),
        writer=writer,
        checkpoint=checkpoint,
        between=between,
    )


def _finish(run: Run, training: Training, what: str) -> Best:
    if training.resume():
        run.display.note(f"{what} goes on from step {training.trainer.step:,}")
    with run.interrupts.deferred():
        best = training.run()
        training.save()
    return best


def _member(run: Run, subject: Subject, plan: Plan, study: StudyResult, number: int) -> nn.Module:
    """The network of the next best setting, trained like the first; with a fresh seed when settings run out."""
    params = study.ranking[number % len(study.ranking)]
    seed = run.options.seed + number
    network = subject.network_for(params, seed)
    checkpoint = run.folder.file(f"member-{number}.pt")
    _finish(run, _training(run, subject, network, params, plan.epochs, seed, checkpoint, None), f"model {number + 1}")
    return network


def _steps_per_epoch(subject: Subject, params: Mapping[str, Any]) -> int:
    return subject.prepared.batches(subject.settings.changed(params).batch_size, 0).steps_per_epoch


def _at(evaluations: list[Evaluation], split: str, epoch: int) -> Evaluation | None:
    return next((e for e in evaluations if e.split == split and e.epoch == epoch), None)


def _summary(subject: Subject, params: Mapping[str, Any], plan: Plan, training: Training, best: Best) -> dict[str, Any]:
    settings = training.trainer.settings
    splits = {split: _at(training.evaluations, split, best.epoch) for split in ("train", "validation")}
    return {
        "description": subject.architecture.describe(params),
        "epochs": training.epochs_done,
        "planned_epochs": plan.epochs,
        "best_epoch": best.epoch,
        "settings": {**params, **settings.to_json()},
        **{split: {"loss": found.loss, "score": found.score} for split, found in splits.items() if found},
    }


def _say(subject: Subject, training: Training, best: Best) -> str:
    name = subject.prepared.task.score_name
    if training.trainer.stopped:
        return f"stopped: {training.trainer.stopped}"
    train = _at(training.evaluations, "train", best.epoch)
    gap = f", training {train.score:.4f}" if train and math.isfinite(train.score) else ""
    length = f"{training.epochs_done} epoch{'s' if training.epochs_done > 1 else ''}"
    return f"{length}, best in epoch {best.epoch}: validation {name} {best.score:.4f}{gap}"

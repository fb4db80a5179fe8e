"""`bs.fit`: train a model on data, watch it, and hand back what was found."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from babysit._version import __version__
from babysit.diagnose import Diagnosis, diagnose
from babysit.errors import InputError
from babysit.fit.evaluation import Examples
from babysit.fit.interrupts import Interrupts
from babysit.fit.layout import channels_innermost, contiguous
from babysit.fit.losses import CLASSIFICATION, REGRESSION, LossFunction, Task, chance_loss, task_under
from babysit.fit.recording import LayerRecorder
from babysit.fit.run_folder import header_of_begun, open_records
from babysit.fit.settings import TrainSettings
from babysit.fit.sources import Data, Sources, sources
from babysit.fit.threads import choose_threads, step_work, torch_threads
from babysit.fit.trainer import Trainer
from babysit.fit.training import Best, Extras, Training
from babysit.measure.record import (
    MemoryRecords,
    RunHeader,
    RunRecord,
    collect,
    read_run,
)
from babysit.rules import Finding
from babysit.rules._config import read_config


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a training left.

    Attributes:
        model: The model that was passed, with the best weights (the last ones where there was no validation).
        best: The evaluation that chose them.
        record: Everything recorded; what the rules have read.
        diagnosis: What they say.
        polyak: Polyak's average of the weights, a state dict for the same model.
        snapshots: Weights along the second half of the training, likewise; :func:`babysit.fit.averages.with_weights`
            makes models of them, and :class:`babysit.fit.Ensemble` lets these vote.
    """

    model: nn.Module
    best: Best
    record: RunRecord
    diagnosis: Diagnosis
    polyak: dict[str, Tensor]
    snapshots: tuple[dict[str, Tensor], ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the training, worst first; empty when it is healthy."""
        return tuple(self.diagnosis.findings)


def fit(
    model: nn.Module,
    data: Data,
    *,
    validation: Data | None = None,
    loss: LossFunction | None = None,
    optimizer: str = "momentum",
    lr: float = 0.01,
    l2: float = 0.0,
    momentum: float = 0.9,
    schedule: str = "cosine",
    epochs: int = 10,
    batch_size: int = 128,
    seed: int = 0,
    patience: int = 0,
    snapshots: int = 0,
    watch: bool = True,
    threads: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
) -> FitResult:
    """Train a model and keep its best weights.

    `[tool.babysit]` of the nearest pyproject.toml configures the rules that judge it.

    Args:
        model: Any module from a batch of inputs to logits ``(N, C)`` or values ``(N,)`` / ``(N, 1)``; trained in place.
        data: A :class:`~babysit.data.Dataset` (its inputs as they are, as floats), a pair of arrays or tensors
            ``(x, y)`` held in memory (a NumPy memory map is read batch by batch), or a DataLoader, whose order becomes
            a function of the seed unless it has a generator of its own. Floats become those of the model.
        validation: A pair ``(x, y)`` or a loader, read once; a data set brings its own. Chooses the best weights: by
            accuracy, by R², or by the loss where one of your own leaves open what the outputs mean.
        loss: ``(outputs, targets) -> mean loss``; cross-entropy for integer targets, squared error for others.
        optimizer: ``sgd``, ``momentum``, ``nesterov``, ``adagrad``, ``rmsprop``, ``adam`` or ``adamw``.
        lr: First learning rate.
        l2: Strength λ of ½·λ·‖W‖² on the weights.
        momentum: Of the update rules that have one.
        schedule: ``constant``, ``step``, ``exponential``, ``1/t``, ``cosine`` or ``plateau``.
        epochs: Passes over the data.
        batch_size: Examples a step; a DataLoader brings its own.
        seed: Of the order of the examples and of dropout; the caller's random numbers are left alone.
        patience: Epochs without a better validation score before it stops; 0, or no validation, never stops early.
        snapshots: How many weights along the second half of the epochs are kept, to vote.
        watch: Record the statistics of sampled steps and judge them.
        threads: Of torch; as many as there are idle cores by default, and as before when a run goes on.
        out: A run folder, with checkpoints; SIGINT and SIGTERM then save before they stop.
        resume: Go on with the run in ``out``, bit for bit, where it was killed.

    Raises:
        InputError: A setting, the data or the configuration cannot be used.
        RunFolderError: ``out`` has files in it and ``resume`` was not asked for, or it was begun with other settings.
        StorageError: The disk refused; the checkpoint before is intact.
        Interrupted: A signal came; everything is saved in ``out``.

    Example:
        >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> y = (x.sum(dim=1) > 0).long()
        >>> result = fit(nn.Linear(4, 2), (x, y), validation=(x, y), lr=0.3, epochs=20, batch_size=20)
        >>> result.best.score > 0.97
        True
    """
    config = read_config(Path.cwd())  # before anything is trained, as it may be wrong
    settings = TrainSettings(optimizer, lr, l2, momentum, schedule, epochs, batch_size, seed)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    interrupts = Interrupts()
    with ExitStack() as stack:
        if out is not None:
            stack.enter_context(interrupts)
        # before the first batch, as the workers that a loader starts for it are to leave signals to this process
        stack.enter_context(interrupts.deferred())
        given = sources(data, validation, settings, device, _number_type(model))
        batches, examples = given.batches, given.examples
        first_targets = batches.batch(0)[1]
        task = task_under(loss, first_targets)
        _require_score(schedule, examples)
        stack.enter_context(channels_innermost(model))
        work = step_work(model, batches.batch_size or len(first_targets))
        header = _header(settings, task, given, device, threads or choose_threads(work))
        begun = header_of_begun(Path(out), header) if out is not None and resume else None
        header = begun or header
        stack.enter_context(torch_threads(threads or header.settings["threads"]))
        records = stack.enter_context(open_records(out, None if begun else header))
        trainer = Trainer(
            model,
            task.loss,
            batches,
            settings,
            sampler=LayerRecorder(model, records.write) if watch else None,
            write_losses=records.write,
        )
        training = Training(
            trainer,
            task,
            examples,
            extras=Extras(patience=patience, snapshots=snapshots, polyak=True),
            writer=records,
            checkpoint=None if out is None else Path(out) / "checkpoint.pt",
            between=lambda _: interrupts.check(),
        )
        if not training.resume():
            records.rewind(0)  # a run that was killed before its first checkpoint begins anew
        best = training.run()
        training.save()
        interrupts.check()
    record = collect(header, records.records) if isinstance(records, MemoryRecords) else read_run(Path(str(out)))
    assert training.polyak is not None
    diagnosis = diagnose(record, config=config)
    best.weights = contiguous(best.weights)
    polyak, voters = contiguous(training.polyak.weights), tuple(map(contiguous, training.snapshots))
    return FitResult(model, best, record, diagnosis, polyak, voters)


def _number_type(model: nn.Module) -> torch.dtype:
    floats = (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    return next(floats, torch.float32)


def _require_score(schedule: str, examples: dict[str, Examples]) -> None:
    if schedule == "plateau" and not examples:
        raise InputError(
            "schedule",
            expected="a validation split for 'plateau', which reads its score",
            found="none",
            todo="pass validation=(x, y) or choose another schedule",
        )


def _header(
    settings: TrainSettings,
    task: Task,
    given: Sources,
    device: torch.device,
    threads: int,
) -> RunHeader:
    batches, targets = given.batches, given.targets
    usual = task.loss is CLASSIFICATION.loss or task.loss is REGRESSION.loss
    return RunHeader(
        command="fit",
        task=task.name,
        loss_name=task.loss_name,
        chance_loss=chance_loss(task, targets) if usual and targets is not None else None,
        classes=int(targets.max().item()) + 1 if task.name == "classification" and targets is not None else 0,
        batch_size=batches.batch_size,
        steps_per_epoch=batches.steps_per_epoch,
        total_steps=settings.epochs * batches.steps_per_epoch,
        optimizer=settings.optimizer,
        seed=settings.seed,
        device=str(device),
        settings={**settings.to_json(), "threads": threads, "data": given.marks},
        versions={"babysit": __version__, "torch": torch.__version__, "python": platform.python_version()},
    )

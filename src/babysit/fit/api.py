"""`bs.fit`: train a model on data, watch it, and hand back what was found."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from babysit._version import __version__
from babysit.data import Dataset
from babysit.data.batches import Batches, LoaderBatches, TensorBatches
from babysit.diagnose import Diagnosis, diagnose
from babysit.errors import InputError, RunFolderError
from babysit.fit.evaluation import Examples
from babysit.fit.interrupts import Interrupts
from babysit.fit.losses import CLASSIFICATION, REGRESSION, LossFunction, Task, chance_loss
from babysit.fit.recording import LayerRecorder
from babysit.fit.settings import TrainSettings
from babysit.fit.threads import choose_threads, torch_threads
from babysit.fit.trainer import Trainer
from babysit.fit.training import Best, Extras, Training
from babysit.measure.record import (
    MemoryRecords,
    Records,
    RecordWriter,
    RunHeader,
    RunRecord,
    collect,
    read_run,
    write_header,
)
from babysit.rules import Finding

Arrays = tuple[Tensor | np.ndarray, Tensor | np.ndarray]
TRAIN_SAMPLE = 5_000
"""Training examples evaluated every epoch, so that both accuracies are measured alike."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a training left.

    Attributes:
        model: The model that was passed, with the best weights (the last ones where there was no validation).
        best: The evaluation that chose them.
        record: Everything recorded; what the rules have read.
        diagnosis: What they say.
        polyak: Polyak's average of the weights, a state dict for the same model.
    """

    model: nn.Module
    best: Best
    record: RunRecord
    diagnosis: Diagnosis
    polyak: dict[str, Tensor]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the training, worst first; empty when it is healthy."""
        return tuple(self.diagnosis.findings)


def fit(
    model: nn.Module,
    data: Dataset | Arrays | Iterable[tuple[Tensor, Tensor]],
    *,
    validation: Arrays | None = None,
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
    watch: bool = True,
    threads: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
) -> FitResult:
    """Train a model and keep its best weights.

    Args:
        model: Any module from a batch of inputs to logits ``(N, C)`` or values ``(N,)`` / ``(N, 1)``; trained in place.
        data: A :class:`~babysit.data.Dataset` (its inputs as they are, as float32), a pair of arrays or tensors
            ``(x, y)`` held in memory, or a DataLoader.
        validation: A pair ``(x, y)``; a data set brings its own. Chooses the best weights.
        loss: ``(outputs, targets) -> mean loss``; cross-entropy for integer targets, squared error for others.
        optimizer: ``sgd``, ``momentum``, ``nesterov``, ``adagrad``, ``rmsprop``, ``adam`` or ``adamw``.
        lr: First learning rate.
        l2: Strength λ of ½·λ·‖W‖² on the weights.
        momentum: Of the update rules that have one.
        schedule: ``constant``, ``step``, ``exponential``, ``1/t``, ``cosine`` or ``plateau``.
        epochs: Passes over the data.
        batch_size: Examples a step; a DataLoader brings its own.
        seed: Of the order of the examples and of dropout; the caller's random numbers are left alone.
        patience: Epochs without a better validation score before it stops; 0 never stops early.
        watch: Record the statistics of sampled steps and judge them.
        threads: Of torch; as many as there are idle cores by default.
        out: A run folder, with checkpoints; SIGINT and SIGTERM then save before they stop.
        resume: Go on with the run in ``out``, bit for bit, where it was killed.

    Raises:
        InputError: A setting or the data cannot be used.
        RunFolderError: ``out`` has files in it and ``resume`` was not asked for.
        Interrupted: A signal came; everything is saved in ``out``.

    Example:
        >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> y = (x.sum(dim=1) > 0).long()
        >>> result = fit(nn.Linear(4, 2), (x, y), validation=(x, y), lr=0.3, epochs=20, batch_size=20)
        >>> result.best.score > 0.97
        True
    """
    settings = TrainSettings(optimizer, lr, l2, momentum, schedule, epochs, batch_size, seed)
    batches, examples, targets = _sources(data, validation, settings)
    task = _task(loss, targets)
    for parameter in model.parameters():
        if parameter.dim() == 4:
            # convolutions on a CPU are faster with the channels innermost
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            break
    header = _header(settings, task, batches, targets, model)
    with ExitStack() as stack:
        stack.enter_context(torch_threads(threads or choose_threads()))
        interrupts = stack.enter_context(Interrupts()) if out is not None else Interrupts()
        records = _open(out, header, resume=resume)
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
            extras=Extras(patience=patience, polyak=True),
            writer=records,
            checkpoint=None if out is None else Path(out) / "checkpoint.pt",
            between=lambda _: interrupts.check(),
        )
        training.resume()
        with interrupts.deferred():
            best = training.run()
            training.save()
    record = collect(header, records.records) if isinstance(records, MemoryRecords) else read_run(Path(str(out)))
    assert training.polyak is not None
    return FitResult(model, best, record, diagnose(record), training.polyak.weights)


def _sources(
    data: Dataset | Arrays | Iterable[tuple[Tensor, Tensor]], validation: Arrays | None, settings: TrainSettings
) -> tuple[Batches, dict[str, Examples], Tensor]:
    """Batches, what to evaluate on, and (some of) the training targets."""
    if isinstance(data, Dataset):
        validation = validation or (data.inputs("validation"), data.targets("validation"))
        data = (data.inputs("train"), data.targets("train"))
    examples = {} if validation is None or not len(validation[0]) else {"validation": _held(validation)}
    if not isinstance(data, tuple):
        batches = LoaderBatches(data)
        return batches, examples, next(iter(data))[1]
    train = _held(data)
    assert isinstance(train.x, Tensor)
    part = torch.from_numpy(np.random.default_rng(0).permutation(len(train))[:TRAIN_SAMPLE])
    seen = {"train": Examples(train.x[part], train.y[part]), **examples} if examples else {}
    return TensorBatches(train.x, train.y, settings.batch_size, settings.seed), seen, train.y


def _held(arrays: Arrays) -> Examples:
    x, y = (item if isinstance(item, Tensor) else torch.from_numpy(np.ascontiguousarray(item)) for item in arrays)
    if len(x) != len(y) or not len(x):
        raise InputError(
            "data",
            expected="as many targets as inputs, and at least one",
            found=f"{len(x)} and {len(y)}",
            todo="check them",
        )
    if x.dtype == torch.uint8 or x.dtype == torch.float64:
        x = x.float()
    if not y.is_floating_point():
        y = y.long()
    return Examples(x, y.float() if y.dtype == torch.float64 else y)


def _task(loss: LossFunction | None, targets: Tensor) -> Task:
    base = REGRESSION if targets.is_floating_point() else CLASSIFICATION
    if loss is None:
        return base
    name = getattr(loss, "__name__", type(loss).__name__)
    return Task(base.name, name, loss, base.score_name)


def _header(settings: TrainSettings, task: Task, batches: Batches, targets: Tensor, model: nn.Module) -> RunHeader:
    known = task.loss is CLASSIFICATION.loss or task.loss is REGRESSION.loss
    return RunHeader(
        command="fit",
        task=task.name,
        loss_name=task.loss_name,
        chance_loss=chance_loss(task, targets) if known else None,
        classes=int(targets.max().item()) + 1 if task.name == "classification" else 0,
        batch_size=batches.batch_size,
        steps_per_epoch=batches.steps_per_epoch,
        total_steps=settings.epochs * batches.steps_per_epoch,
        optimizer=settings.optimizer,
        seed=settings.seed,
        device=str(next((parameter.device for parameter in model.parameters()), "cpu")),
        settings=settings.to_json(),
        versions={"babysit": __version__, "torch": torch.__version__, "python": platform.python_version()},
    )


def _open(out: str | Path | None, header: RunHeader, *, resume: bool) -> Records:
    if out is None:
        return MemoryRecords()
    folder = Path(out)
    if resume and (folder / "run.json").exists():
        return RecordWriter(folder)
    if folder.exists() and any(folder.iterdir()):
        raise RunFolderError(
            str(folder), expected="a new or empty folder", found="files in it", todo="choose another, or resume=True"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_header(folder, header)
    return RecordWriter(folder)

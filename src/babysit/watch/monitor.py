"""The watcher: attached to torch, it records every training that it sees, and judges what it has recorded."""

from __future__ import annotations

import atexit
import os
import platform
import sys
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import torch
from torch import nn

from babysit._version import __version__
from babysit.diagnose import Diagnosis, diagnose, join
from babysit.errors import BabysitError, told
from babysit.measure.record import RunHeader, RunRecord
from babysit.rules import Finding
from babysit.rules._config import DEFAULTS, Config
from babysit.watch.names import Names
from babysit.watch.observer import Observer
from babysit.watch.schedule import is_structural
from babysit.watch.store import Store
from babysit.watch.training import Training

_LOOK_AT_FINDINGS_FROM = 64
_COMPILED = (
    "the model is compiled: what its layers put out, its inputs and its mode were not recorded; losses, gradients, "
    "weights and updates were. With --eager (eager=True) sampled steps run uncompiled, and all is recorded"
)
_COMPILED_EAGER = (
    "the model is compiled, and its forward passes ran uncompiled at sampled steps: results differ in the last digits "
    "from those of a run that is not watched"
)


class Display(Protocol):
    """Shows a person how it goes."""

    @property
    def active(self) -> bool:
        """Whether there is anything that it is shown on."""

    def update(self, step: int, loss: float, findings: Sequence[str]) -> None:
        """A step was taken."""

    def close(self) -> None:
        """There will be no more."""


class Monitor:
    """Watches trainings, from :meth:`start` to :meth:`close`, and changes nothing in them.

    Args:
        out: Run folder; ``None`` keeps the records in memory.
        command: What is run, for the reader.
        config: Of the rules.
        live: Shows progress.
        models: Known from the start; others are found as they are called.
        rank: Of this process in a distributed training; ``None`` where it is alone.
        eager: Run compiled models uncompiled at sampled steps, so that their activations are recorded; results then
            differ in the last digits.

    Attributes:
        folder: The run folder.
        is_block: Whether a ``with`` statement says where it ends.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Monitor() as monitor:
        ...     for _ in range(3):
        ...         optimizer.zero_grad()
        ...         model(torch.ones(4, 2)).square().mean().backward()
        ...         optimizer.step()
        >>> monitor.steps, len(monitor.record.losses)
        (3, 3)
    """

    def __init__(
        self,
        *,
        out: Path | None = None,
        command: str = "",
        config: Config = DEFAULTS,
        live: Display | None = None,
        models: Iterable[nn.Module] = (),
        rank: int | None = None,
        eager: bool = False,
    ) -> None:
        self.folder = out
        self._config = config
        self._live = live
        self._eager = eager
        self._store = Store(out, rank)
        self._notes: list[str] = []
        self._codes: tuple[str, ...] = ()
        self._diagnosis: Diagnosis | None = None
        self.is_block = False
        self._started = False
        self._process = os.getpid()
        names = Names()
        for model in models:
            names.add(model)
        versions = {"babysit": __version__, "torch": torch.__version__, "python": platform.python_version()}
        header = RunHeader(command=command, versions=versions)
        self._observer = Observer(names, self._store, header, self._stepped, self._failed, eager=eager)

    def __enter__(self) -> Self:
        self.is_block = True
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Attach to torch; the training that goes on from here is watched.

        Raises:
            RunFolderError: The run folder has a run in it.
            StorageError: The disk refused.
        """
        if self._started:
            return
        self._started = True
        self._store.open()
        self._observer.start()
        atexit.register(self._end)
        observer = weakref.ref(self._observer)  # what is registered for forks is never forgotten
        os.register_at_fork(after_in_child=lambda: _silence(observer))

    def close(self) -> Diagnosis:
        """Detach, write what is left, and judge all that was recorded; again and again the same."""
        if self._diagnosis is None:
            self._end()
            if self._observer.is_compiled:
                self._notes.append(_COMPILED_EAGER if self._eager else _COMPILED)
            self._diagnosis = self._judge()
        return self._diagnosis

    @property
    def diagnosis(self) -> Diagnosis:
        """What the records say, so far."""
        return self._diagnosis or self._judge()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, so far, worst first; empty when all is well."""
        return self.diagnosis.findings

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """Everything recorded, training by training; losses of the last few steps may be missing while it goes on."""
        return tuple(self._store.runs())

    @property
    def record(self) -> RunRecord:
        """Everything recorded of the last training."""
        return self.records[-1]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know beside the findings."""
        return tuple(self._notes)

    @property
    def steps(self) -> int:
        """Steps taken in all trainings."""
        return sum(training.step for training in self._observer.trainings)

    @property
    def saw_backward(self) -> bool:
        """Whether anything was differentiated."""
        return self._observer.saw_backward

    def _end(self) -> None:
        """Detach, and write what is left; at the latest when the interpreter ends."""
        atexit.unregister(self._end)
        self._observer.stop()
        if self._live is not None:
            self._live.close()
        if os.getpid() != self._process:  # what a forked child shares is its parent's
            return
        for training in self._observer.trainings:
            try:
                training.write_losses() if self._observer.failed else training.close()
            except Exception as error:  # the records so far are as good as ever
                if not self._observer.failed:
                    self._failed(error)
        self._store.close()

    def _judge(self) -> Diagnosis:
        try:
            runs = self._store.runs()
        except BabysitError as error:  # the folder was removed meanwhile, or cannot be read
            self._notes.append(f"the records cannot be read: {error}")
            return Diagnosis()
        return join([diagnose(run, config=self._config) for run in runs])

    def _stepped(self, training: Training) -> None:
        if self._live is None or not self._live.active:
            return
        if training.step >= _LOOK_AT_FINDINGS_FROM and is_structural(training.step):
            self._codes = tuple(finding.code for finding in self._judge().findings)
        self._live.update(training.step, training.last_loss, self._codes)

    def _failed(self, error: Exception) -> None:
        text = f"watching ended at step {self.steps}: {told(error, most=1000)}"
        self._notes.append(text)
        if self._live is not None:
            self._live.close()
        # not as a Python warning, which a script may have turned into an error
        sys.stderr.write(f"babysit: {text}; the training goes on\n")


def _silence(observer: weakref.ref[Observer]) -> None:
    watching = observer()
    if watching is not None:
        watching.silence()

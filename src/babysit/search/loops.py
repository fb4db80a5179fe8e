"""A user's own training loop as a trial: a function that reports, and is held, or ended, at its reports."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from babysit.fit.trainer import KILL_RATIO
from babysit.search.engines import Between
from babysit.search.processes import how_it_ended
from babysit.search.runners import Finished
from babysit.search.trials import Outcome, TrialSpec, Unit, failed

POLL_SECONDS = 0.1


class _Ended(BaseException):
    """The search goes on without this trial; no user's ``except Exception`` is to stop that."""


class Trial:
    """What a loop of the user's own is given.

    Attributes:
        number: Of the trial, from 0.
        params: Its hyperparameters; ``trial["lr"]`` for short.
        seed: Python's, NumPy's and torch's random numbers are seeded with it before the loop begins.
        epochs: Longest it is to train.
    """

    def __init__(self, spec: TrialSpec, tell: Callable[[float, float], None]) -> None:
        self.number = spec.number
        self.params: Mapping[str, Any] = dict(spec.params)
        self.seed = spec.seed
        self.epochs = spec.epochs
        self._tell = tell

    def __getitem__(self, name: str) -> Any:
        return self.params[name]

    def report(self, step: float, value: float) -> None:
        """Say how training stands.

        The trial may be held here until others have come as far, and ends here when it is not among the better half.

        Args:
            step: Epochs trained up to now.
            value: The metric on validation data.
        """
        self._tell(float(step), float(value))


Loop = Callable[[Trial], float | None]


@dataclass
class _Running:
    """One trial's process, for as long as the trial lives."""

    spec: TrialSpec
    process: BaseProcess
    connection: Connection
    unit: Unit | None = None
    reports: list[tuple[float, float]] = field(default_factory=list)


class LoopRunner:
    """Runs each trial in a process of its own, which waits inside its ``report`` from rung to rung.

    A process a trial gives each its own random numbers and modules, and takes the machine's cores; a search that is
    begun again runs a trial anew up to where it was.

    Args:
        loop: Trains one trial.
        count: Processes that run at a time.
        between: Called at every report, and with 0 while nothing happens; may raise to stop.
        maximize: Whether a greater value is a better one.
        logs: Folder for what trials print; ``None`` lets them print.
    """

    def __init__(
        self, loop: Loop, count: int, between: Between, *, maximize: bool = True, logs: Path | None = None
    ) -> None:
        self._loop = loop
        self._count = count
        self._between = between
        self._maximize = maximize
        self._logs = logs
        self._trials: dict[int, _Running] = {}
        self._ended: dict[int, Outcome] = {}

    def run(self, units: Iterable[Unit]) -> Iterator[Finished]:
        """Run each unit's trial on to its rung."""
        waiting = iter(units)
        active: list[_Running] = []
        while True:
            while len(active) < self._count and (unit := next(waiting, None)) is not None:
                known = self._known(unit)
                if known is not None:
                    yield unit, [known]
                else:
                    active.append(self._send(unit))
            if not active:
                return
            for running in self._ready(active):
                outcome = self._receive(running)
                if outcome is not None:
                    active.remove(running)
                    unit, running.unit = running.unit, None
                    assert unit is not None
                    yield unit, [outcome]

    def release(self, numbers: Iterable[int]) -> None:
        """End the processes of trials that go no further."""
        for number in numbers:
            self._ended.pop(number, None)
            running = self._trials.pop(number, None)
            if running is not None:
                with contextlib.suppress(OSError):
                    running.connection.send(None)
                _join(running)

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for running in self._trials.values():
            running.process.terminate()
            _join(running)
        self._trials.clear()

    def _known(self, unit: Unit) -> Outcome | None:
        """How a trial stands that need not go on to come to this rung: it is there, or has returned."""
        (trial,) = unit.trials
        if trial.number in self._ended:
            return dataclasses.replace(self._ended[trial.number], epochs=unit.epochs)
        running = self._trials.get(trial.number)
        if running is None or running.reports[-1][0] < unit.epochs:
            return None
        return self._judge(dataclasses.replace(running, unit=unit))

    def _send(self, unit: Unit) -> _Running:
        (trial,) = unit.trials
        if trial.number not in self._trials:
            self._trials[trial.number] = self._begin(trial)
        running = self._trials[trial.number]
        running.unit = unit
        with contextlib.suppress(OSError):  # it has died; that is seen when its answer is awaited
            running.connection.send(unit.epochs)
        return running

    def _begin(self, trial: TrialSpec) -> _Running:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(self._loop, trial, self._maximize, theirs, ours, self._log_of(trial))
        )
        process.start()
        theirs.close()
        return _Running(trial, process, ours)

    def _log_of(self, trial: TrialSpec) -> Path | None:
        if self._logs is None:
            return None
        self._logs.mkdir(exist_ok=True)
        return self._logs / f"{trial.number:05d}.txt"

    def _ready(self, active: Sequence[_Running]) -> list[_Running]:
        ready = wait([running.connection for running in active], timeout=POLL_SECONDS)
        if not ready:
            self._between(0)
        return [running for running in active if running.connection in ready]

    def _receive(self, running: _Running) -> Outcome | None:
        """How the trial stands, if that is its rung or its end."""
        try:
            kind, *values = running.connection.recv()
        except (EOFError, OSError):
            _join(running)
            died = f"its process died ({how_it_ended(running.process.exitcode)})"
            return self._end(running, self._failed(running, died))
        if kind == "failed":
            return self._end(running, self._failed(running, values[0]))
        if kind == "returned":
            return self._end(running, self._returned(running, *values))
        running.reports.append((values[0], values[1]))
        self._between(1)
        return self._judge(running) if kind == "held" else None

    def _returned(self, running: _Running, value: float | None) -> Outcome:
        if value is not None:
            last = running.reports[-1][0] if running.reports else running.spec.epochs
            running.reports.append((last, value))
        if not running.reports:
            return self._failed(running, "it neither reported nor returned a value")
        return self._judge(running)

    def _judge(self, running: _Running) -> Outcome:
        assert running.unit is not None
        (step, value), (_, first) = running.reports[-1], running.reports[0]
        taken = (running.spec.number, running.unit.epochs, step, len(running.reports), first)
        if why := _diverged(first, value, maximize=self._maximize):
            return Outcome(*taken, math.inf, -math.inf, f"{why} at step {step:g}")
        score = value if self._maximize else -value
        return Outcome(*taken, -score, score)

    def _failed(self, running: _Running, reason: str) -> Outcome:
        assert running.unit is not None
        return failed(running.spec, running.unit.epochs, reason)

    def _end(self, running: _Running, outcome: Outcome) -> Outcome:
        self._ended[running.spec.number] = outcome
        del self._trials[running.spec.number]
        _join(running)
        return outcome


def _diverged(first: float, value: float, *, maximize: bool) -> str:
    """Why a trial is to be stopped; ``""`` while all is well."""
    if not math.isfinite(value):
        return f"value {value}"
    if not maximize and value > KILL_RATIO * first > 0:
        return f"value {value:.3g} over {KILL_RATIO:g} × the first {first:.3g}"
    return ""


def _join(running: _Running) -> None:
    running.process.join()
    running.connection.close()


class _Link:
    """A trial's end of the pipe."""

    def __init__(self, connection: Connection, *, maximize: bool) -> None:
        self._connection = connection
        self._maximize = maximize
        self._first = math.nan
        self._until = float(connection.recv())

    def report(self, step: float, value: float) -> None:
        """Tell, and wait where the rung is reached or the trial diverges."""
        self._first = value if math.isnan(self._first) else self._first
        held = step >= self._until or bool(_diverged(self._first, value, maximize=self._maximize))
        self.send("held" if held else "step", step, value)
        if held:
            until = self._connection.recv()
            if until is None:
                raise _Ended
            self._until = float(until)

    def send(self, kind: str, *values: object) -> None:
        """Say how it stands or how it ended."""
        self._connection.send((kind, *values))


def _work(
    loop: Loop, spec: TrialSpec, maximize: bool, connection: Connection, parents: Connection, log: Path | None
) -> None:
    """A trial's whole life."""
    parents.close()
    # Ctrl-C reaches the whole group; the parent decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    if log is not None:
        _print_to(log)
    random.seed(spec.seed)
    np.random.seed(spec.seed)
    torch.manual_seed(spec.seed)
    with contextlib.suppress(_Ended, EOFError, OSError):  # ended, or the parent has gone
        link = _Link(connection, maximize=maximize)
        try:
            value = loop(Trial(spec, link.report))
            link.send("returned", None if value is None else float(value))
        except Exception as error:
            link.send("failed", f"{type(error).__name__}: {error}")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # nothing of the parent's exit handlers is this process's business


def _print_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    # a notebook's streams, and others', do not write where these descriptors lead
    sys.stdout = sys.stderr = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115

"""Units trained in several processes with one thread each.

Small matrices gain nothing from a second thread and lose much on a busy machine; a second process gains all of a second
core. Processes are forked, so that data and a user's functions, closures too, are there without being sent. What passes
between parent and worker is small: a unit's settings one way, its outcomes the other; states wait in a folder.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from babysit.errors import BabysitError
from babysit.search.engines import Between, Engine
from babysit.search.runners import Finished
from babysit.search.trials import Outcome, Unit, failure

TELL_SECONDS = 0.1
"""How often a worker tells its parent about its steps."""
ATTEMPTS = 2
"""How often a unit is tried whose worker dies: once more, as the machine may have been short of memory."""


class WorkerDiedError(Exception):
    """A worker process ended in the middle of its unit."""


def can_fork() -> bool:
    """Whether workers can be forked here: on Linux, and while no CUDA device is in use."""
    return sys.platform == "linux" and not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]


@dataclass(eq=False)
class _Worker:
    """One process, the unit it is at, and how it is spoken with."""

    process: BaseProcess
    connection: Connection
    unit: Unit | None = None


class Processes:
    """Trains units in forked workers.

    Args:
        engine: Every worker has its copy; its states must be files, as a trial need not come back to the same worker.
        count: Number of workers.
        between: Called in the parent with the number of trial-steps taken, and with 0 while nothing happens; may raise
            to stop.
    """

    def __init__(self, engine: Engine, count: int, between: Between) -> None:
        self._engine = engine
        self._count = count
        self._between = between
        self._workers: list[_Worker] = []
        self._deaths: dict[tuple[int, float], int] = {}

    def run(self, units: Iterable[Unit]) -> Iterator[Finished]:
        """Train units as workers come free, each back as it finishes."""
        waiting, again = iter(units), list[Unit]()
        while True:
            for index in range(self._count):
                if not self._is_free(index):
                    continue
                unit = again.pop() if again else next(waiting, None)
                if unit is None:
                    break
                self._send(index, unit)
            if not any(worker.unit for worker in self._workers):
                return
            for worker in self._ready():
                yield from self._receive(worker, again)

    def release(self, numbers: Iterable[int]) -> None:
        """Forget trials that go no further."""
        self._engine.release(list(numbers))

    def close(self) -> None:
        """End the workers, whatever they are at."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers.clear()

    def _is_free(self, index: int) -> bool:
        return index >= len(self._workers) or self._workers[index].unit is None

    def _send(self, index: int, unit: Unit) -> None:
        if index >= len(self._workers):
            self._workers.append(self._begin())
        worker = self._workers[index]
        worker.unit = unit
        with contextlib.suppress(OSError):  # it has died; that is seen when its answer is awaited
            worker.connection.send(unit)

    def _begin(self) -> _Worker:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(self._engine, theirs, ours))
        with warnings.catch_warnings():
            # of threads at a fork: torch's own do no work here, and a worker uses one
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _ready(self) -> list[_Worker]:
        busy = [worker for worker in self._workers if worker.unit is not None]
        ready = wait([worker.connection for worker in busy], timeout=TELL_SECONDS)
        if not ready:
            self._between(0)
        return [worker for worker in busy if worker.connection in ready]

    def _receive(self, worker: _Worker, again: list[Unit]) -> Iterator[Finished]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._bury(worker, again)
            return
        if isinstance(message, int):
            self._between(message)
        elif isinstance(message, BabysitError):
            raise message
        else:
            unit, worker.unit = worker.unit, None
            assert unit is not None
            outcomes, notes = message
            self._engine.notes += [note for note in notes if note not in self._engine.notes]
            yield unit, outcomes

    def _bury(self, worker: _Worker, again: list[Unit]) -> Iterator[Finished]:
        """A worker has died: its unit is tried once more by another, then its trials count as failed."""
        worker.process.join()
        unit, code = worker.unit, worker.process.exitcode
        self._workers.remove(worker)
        worker.connection.close()
        assert unit is not None
        self._deaths[unit.key] = self._deaths.get(unit.key, 0) + 1
        if self._deaths[unit.key] < ATTEMPTS:
            again.append(unit)
            return
        died = WorkerDiedError(f"the process that trained it died twice ({how_it_ended(code)})")
        yield unit, [failure(trial, unit.epochs, died) for trial in unit.trials]


def how_it_ended(code: int | None) -> str:
    """A process's exit code for a person.

    Example:
        >>> how_it_ended(-9)
        'SIGKILL: out of memory?'
    """
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}: out of memory?" if -code == signal.SIGKILL else name


def _work(engine: Engine, connection: Connection, parents: Connection) -> None:
    """A worker's whole life."""
    parents.close()
    # Ctrl-C reaches the whole group; the parent decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    engine.between = _Telling(connection)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):  # the parent has gone
        while True:
            connection.send(_train(engine, connection.recv()))
    os._exit(0)  # nothing of the parent's exit handlers is this process's business


def _train(engine: Engine, unit: Unit) -> tuple[list[Outcome], list[str]] | BabysitError:
    try:
        return engine.train(unit.trials, unit.epochs), list(engine.notes)
    except BabysitError as error:
        return error


class _Telling:
    """Tells the parent about steps, now and then; ends the worker when the parent has gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._steps = 0
        self._told = time.monotonic()

    def __call__(self, trials: int) -> None:
        self._steps += trials
        now = time.monotonic()
        if now - self._told > TELL_SECONDS:
            self._connection.send(self._steps)
            self._steps, self._told = 0, now

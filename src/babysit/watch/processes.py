"""Which processes are watched: the one that runs the script and those it spawns; none it forks, no data workers."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from babysit.watch.importing import AfterImport

if TYPE_CHECKING:
    from babysit.diagnose import Diagnosis
    from babysit.rules._config import Config
    from babysit.watch.live import LiveLine

_DATA_WORKERS = ("torch.utils.data", "torchdata")
_SPAWN = "torch.multiprocessing.spawn"
# must leave a process alone in which babysit cannot be imported
_ARRIVE = """
try:
    import sys
    sys.path.append(root)
    try:
        from babysit.watch.processes import arrive
    finally:
        sys.path.remove(root)
    arrive(payload)
except Exception:
    pass
"""
_UNUSED = {"run.json", "steps.jsonl", "losses.tail"}
_ROOT = str(Path(__file__).parents[2])

_in_charge = os.getpid()


class Watcher(Protocol):
    """What watches a process; see :class:`babysit.watch.monitor.Monitor`."""

    @property
    def folder(self) -> Path | None:
        """The run folder."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines to tell."""

    @property
    def saw_backward(self) -> bool:
        """Whether there was a backward pass."""

    @property
    def steps(self) -> int:
        """Steps taken by optimizers."""

    def start(self) -> None:
        """Attach to torch."""

    def close(self) -> Diagnosis:
        """Detach, and judge what was recorded."""


@dataclass(frozen=True)
class Assignment:
    """What is to be watched, as it is told to every process.

    Attributes:
        command: What was run, for the reader.
        config: Of the rules.
        folder: The run folder.
        rank: Of this process in a distributed training, where a launcher gave it one.
        eager: Whether compiled models may be run uncompiled at sampled steps.
    """

    command: str
    config: Config
    folder: Path
    rank: int | None = None
    eager: bool = False


class Session:
    """The watching of this process. A fault of it is told once, and the training goes on.

    Args:
        make: Makes the watcher.
    """

    def __init__(self, make: Callable[[], Watcher]) -> None:
        self._make = make
        self.watcher: Watcher | None = None
        self.failed = False

    def begin(self) -> None:
        """Start to watch."""
        try:
            watcher = self._make()
            watcher.start()
        except Exception as error:
            self._tell(error)
        else:
            self.watcher = watcher

    def end(self) -> Diagnosis | None:
        """Watch no longer; what was seen, or ``None`` where nothing was watched."""
        if self.watcher is None or forked():
            return None
        try:
            return self.watcher.close()
        except Exception as error:
            self._tell(error)
            return None

    def _tell(self, error: Exception) -> None:
        self.failed = True
        line = " ".join(f"babysit: the training is not watched: {type(error).__name__}: {error}".split())
        with contextlib.suppress(Exception):  # the script may have closed it
            sys.stderr.write(f"{line}\n")


def take_charge() -> None:
    """Make this process the one that is watched; those it forks from now on are not."""
    global _in_charge
    _in_charge = os.getpid()


def forked() -> bool:
    """Whether this process was forked from the one that is watched."""
    return os.getpid() != _in_charge


def launched_rank() -> int | None:
    """The rank that a launcher such as torchrun gave this process."""
    text = os.environ.get("RANK", "")
    return int(text) if text.isdecimal() else None


def discard_unused(folder: Path) -> bool:
    """Remove a run folder in which nothing was recorded; whether it is gone."""
    try:
        found = {item.name: item for item in folder.iterdir()}
        records = found.get("steps.jsonl")
        if found.keys() <= _UNUSED and (records is None or not records.stat().st_size):
            for item in found.values():
                item.unlink()
            folder.rmdir()
    except OSError:  # it is in use, or has gone meanwhile
        pass
    return not folder.exists()


def new_monitor(assignment: Assignment, live: LiveLine | None = None) -> Watcher:
    """The watcher of this process; torch must have been imported."""
    from babysit.watch.monitor import Monitor

    return Monitor(
        out=assignment.folder,
        command=assignment.command,
        config=assignment.config,
        live=live,
        rank=assignment.rank,
        eager=assignment.eager,
    )


class WatchSpawned:
    """Sees to it that processes started by `multiprocessing`'s spawn and forkserver are watched too.

    Args:
        assignment: Asked when the first one starts.
    """

    def __init__(self, assignment: Callable[[], Assignment]) -> None:
        self._assignment = assignment
        self._undo: Callable[[], None] | None = None
        self._import = AfterImport("multiprocessing.spawn", self._patch)

    def arm(self) -> None:
        """Do so from now on."""
        self._import.arm()

    def disarm(self) -> None:
        """Do so no longer."""
        self._import.disarm()
        if self._undo is not None:
            self._undo()

    def _patch(self) -> None:
        from multiprocessing import spawn

        original = spawn.get_preparation_data

        def get_preparation_data(name: str) -> dict[str, Any]:
            data = original(name)
            # whatever is wrong with the run folder, say, the process must start
            with contextlib.suppress(Exception):
                if not forked():
                    data["babysit"] = _Stowaway(pickle.dumps(self._assignment()))
            return data

        spawn.get_preparation_data = get_preparation_data
        self._undo = lambda: setattr(spawn, "get_preparation_data", original)


class _Stowaway:
    """Travels in what a new process is told first, and arms the watching where it is unpickled."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (_ARRIVE, {"payload": self._payload, "root": _ROOT})


def arrive(payload: bytes) -> None:
    """Arm the watching in a process that `multiprocessing` is starting; it knows its task only a little later.

    Args:
        payload: The pickled assignment of the parent.
    """
    from multiprocessing.process import BaseProcess

    take_charge()
    base: Any = BaseProcess
    original = base._bootstrap

    def _bootstrap(process: Any, *args: Any, **kwargs: Any) -> Any:
        base._bootstrap = original
        if forked() or _is_data_worker(process):
            return original(process, *args, **kwargs)
        return _watched(payload, process, lambda: original(process, *args, **kwargs))

    base._bootstrap = _bootstrap


def _watched(payload: bytes, process: Any, work: Callable[[], Any]) -> Any:
    session = Session(lambda: new_monitor(_own_assignment(pickle.loads(payload), process)))
    torch = AfterImport("torch", session.begin)
    spawned = WatchSpawned(lambda: pickle.loads(payload))
    torch.arm()
    spawned.arm()
    try:
        return work()
    finally:
        torch.disarm()
        spawned.disarm()
        session.end()
        watcher = session.watcher
        if watcher is not None and watcher.folder is not None and not watcher.saw_backward and not forked():
            discard_unused(watcher.folder)


def _own_assignment(parents: Assignment, process: Any) -> Assignment:
    """Ranks share the run folder; any other process gets a folder in it, and so does a rank whose place is taken."""
    rank = _rank_of(process) if parents.rank is None else None
    if rank is not None and (parents.folder / ("run.json" if rank == 0 else f"rank-{rank}.jsonl")).exists():
        rank = None
    folder = parents.folder if rank is not None else parents.folder / f"process-{os.getpid()}"
    return replace(parents, folder=folder, rank=rank)


def _rank_of(process: Any) -> int | None:
    rank = launched_rank()
    arguments: Any = getattr(process, "_args", ())
    if rank is None and _module_of(process) == _SPAWN and len(arguments) > 1 and isinstance(arguments[1], int):
        return int(arguments[1])
    return rank


def _is_data_worker(process: Any) -> bool:
    return _module_of(process).startswith(_DATA_WORKERS)


def _module_of(process: Any) -> str:
    """Where the function is defined that a process is to run."""
    return str(getattr(getattr(process, "_target", None), "__module__", ""))

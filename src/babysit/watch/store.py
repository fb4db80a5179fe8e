"""Where the records of the watched trainings go: a folder, its subfolders for further trainings, or memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from babysit.errors import RunFolderError
from babysit.measure.record import (
    LossTail,
    MemoryRecords,
    Record,
    RecordWriter,
    Replica,
    RunHeader,
    RunRecord,
    collect,
    read_runs,
    training_folder,
    write_header,
)
from babysit.storage import refuse_write

MOST = 20
"""Trainings of one process that are recorded; a search within a script may run any number."""


@dataclass
class Sink:
    """Where one training's records go.

    Attributes:
        write: Takes a record.
        write_header: Takes the header, whenever more is known.
        tail: Keeps the losses that are in no block yet.
        close: Ends it.
    """

    write: Callable[[Record], None]
    write_header: Callable[[RunHeader], None]
    tail: LossTail | None
    close: Callable[[], None]


class Store:
    """The records of all trainings of one process.

    Args:
        folder: The run folder; ``None`` for memory.
        rank: Of the process in a distributed training. Only the first rank records its training; the others write
            down what tells whether they agree with it.
    """

    def __init__(self, folder: Path | None, rank: int | None = None) -> None:
        self.folder = folder
        self._rank = rank or 0
        self._memory: list[tuple[list[RunHeader], MemoryRecords]] = []
        self._sinks: list[Sink] = []

    def open(self) -> None:
        """Make the folder.

        Raises:
            RunFolderError: It has files in it.
            StorageError: The disk refused.
        """
        if self.folder is None:
            return
        try:
            self.folder = self.folder.absolute()  # wherever the script goes
            self.folder.mkdir(parents=True, exist_ok=True)
            taken = self._rank == 0 and any((self.folder / name).exists() for name in ("run.json", "steps.jsonl"))
        except OSError as error:
            raise refuse_write(self.folder, error) from error
        if taken:
            raise RunFolderError(
                str(self.folder),
                expected="a new or empty folder",
                found="a run in it",
                todo="choose another with --out",
            )

    def new(self, header: RunHeader) -> Sink:
        """A place for the records of one more training."""
        number = len(self._sinks)
        if number >= MOST:
            sink = Sink(lambda _: None, lambda _: None, None, lambda: None)
        elif self.folder is None:
            sink = self._in_memory(header)
        elif self._rank:
            sink = self._of_rank(self.folder)
        else:
            sink = self._in_folder(training_folder(self.folder, number), header)
        self._sinks.append(sink)
        return sink

    def drop(self) -> None:
        """Forget the last training: it was none of its own."""
        self._sinks.pop().close()
        if self.folder is None:
            self._memory.pop()
        elif not self._rank:
            shutil.rmtree(training_folder(self.folder, len(self._sinks)), ignore_errors=True)

    def runs(self) -> list[RunRecord]:
        """What was recorded, training by training."""
        if self.folder is not None:
            return read_runs(self.folder)
        return [collect(headers[-1], records.records) for headers, records in self._memory]

    def close(self) -> None:
        """Close all files."""
        for sink in self._sinks:
            sink.close()

    def _in_memory(self, header: RunHeader) -> Sink:
        records = MemoryRecords()
        headers = [header]
        self._memory.append((headers, records))
        return Sink(records.write, headers.append, None, lambda: None)

    def _in_folder(self, folder: Path, header: RunHeader) -> Sink:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse_write(folder, error) from error
        write_header(folder, header)
        writer, tail = RecordWriter(folder), LossTail(folder)

        def close() -> None:
            writer.close()
            tail.close()

        return Sink(writer.write, lambda latest: write_header(folder, latest), tail, close)

    def _of_rank(self, folder: Path) -> Sink:
        writer = RecordWriter(folder, name=f"rank-{self._rank}.jsonl")

        def write(record: Record) -> None:
            if isinstance(record, Replica):
                writer.write(record)

        return Sink(write, lambda _: None, None, writer.close)

"""What a run leaves behind: plain records that rules read and reports draw; no tensor, no torch.

A run folder holds `run.json` (one :class:`RunHeader`), `steps.jsonl` (losses of every step in blocks, sampled steps,
evaluations, probes) and, after a search, `trials.jsonl` (rounds and trials). All are append-only and readable
while the run goes on; a torn last line is ignored.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from babysit.errors import RunFolderError
from babysit.measure._kinds import ALIVE as ALIVE
from babysit.measure._kinds import DEAD_BATCHES as DEAD_BATCHES
from babysit.measure._kinds import SCHEMA as SCHEMA
from babysit.measure._kinds import Evaluation as Evaluation
from babysit.measure._kinds import LayerStats as LayerStats
from babysit.measure._kinds import LossBlock as LossBlock
from babysit.measure._kinds import Probe as Probe
from babysit.measure._kinds import Range as Range
from babysit.measure._kinds import Record as Record
from babysit.measure._kinds import RoundRecord as RoundRecord
from babysit.measure._kinds import RunHeader as RunHeader
from babysit.measure._kinds import RunRecord as RunRecord
from babysit.measure._kinds import StepRecord as StepRecord
from babysit.measure._kinds import TrialRecord as TrialRecord
from babysit.measure._lines import from_line as from_line
from babysit.measure._lines import to_line as to_line
from babysit.measure._seen import CLASS_BUCKETS as CLASS_BUCKETS
from babysit.measure._seen import EVALUATION as EVALUATION
from babysit.measure._seen import TRAIN as TRAIN
from babysit.measure._seen import Coverage as Coverage
from babysit.measure._seen import Forward as Forward
from babysit.measure._seen import Graph as Graph
from babysit.measure._seen import LinearChain as LinearChain
from babysit.measure._seen import LossCall as LossCall
from babysit.measure._seen import Numbers as Numbers
from babysit.measure._seen import Origin as Origin
from babysit.measure._seen import Replica as Replica
from babysit.measure._tail import LossTail as LossTail
from babysit.measure._tail import has_tail as has_tail
from babysit.measure._tail import read_tail
from babysit.storage import LineWriter, read_json, read_lines, write_json


class Records(Protocol):
    """Where records go."""

    @property
    def size(self) -> int:
        """How much has been written, to go on from here later."""

    def write(self, record: Record) -> None:
        """Append one record."""

    def rewind(self, size: int) -> None:
        """Forget everything after ``size``."""

    def sync(self) -> None:
        """Make sure that what was written stays."""


class MemoryRecords:
    """Records in memory alone.

    Example:
        >>> kept = MemoryRecords()
        >>> kept.write(LossBlock(0, (2.3,)))
        >>> kept.size
        1
    """

    def __init__(self) -> None:
        self.records: list[Record] = []

    @property
    def size(self) -> int:
        """How many records there are."""
        return len(self.records)

    def write(self, record: Record) -> None:
        """Append one record."""
        self.records.append(record)

    def rewind(self, size: int) -> None:
        """Forget all but the first ``size``."""
        del self.records[size:]

    def sync(self) -> None:
        """Nothing to do."""


class RecordWriter:
    """Appends records to `steps.jsonl` of a run folder.

    Args:
        folder: The run folder, which must exist.
        size: Go on from this many bytes, as a checkpoint noted them.
        name: The file's name.

    Raises:
        StorageError: The disk refused.
    """

    def __init__(self, folder: Path, size: int | None = None, name: str = "steps.jsonl") -> None:
        self._lines = LineWriter(folder / name, size)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._lines.size

    def write(self, record: Record) -> None:
        """Append one record."""
        self._lines.append(to_line(record))

    def rewind(self, size: int) -> None:
        """Forget everything after the first ``size`` bytes, to go on from a checkpoint taken then."""
        self._lines.rewind(size)

    def sync(self) -> None:
        """Wait until the disk has everything written so far."""
        self._lines.sync()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def write_header(folder: Path, header: RunHeader) -> None:
    """Write `run.json`."""
    write_json(folder / "run.json", dataclasses.asdict(header))


def read_header(folder: Path) -> RunHeader:
    """Read `run.json`.

    Raises:
        RunFolderError: There is none, it is damaged, or a newer babysit wrote it.
    """
    try:
        fields = read_json(folder / "run.json")
        schema = int(fields["schema"])
        header = _read_header(fields)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunFolderError(
            str(folder),
            expected="a run folder with a readable run.json",
            found="none" if isinstance(error, OSError) else "a damaged one",
            todo="name the folder that a babysit command wrote with --out",
        ) from error
    if schema > SCHEMA:
        raise RunFolderError(
            str(folder),
            expected=f"records of format {SCHEMA} or older",
            found=f"format {schema}",
            todo="update babysit to read it",
        )
    return header


def read_run(folder: Path) -> RunRecord:
    """Read everything a run folder holds, also while the run goes on.

    Raises:
        RunFolderError: The folder is no run, or of a newer format.
    """
    header = read_header(folder)
    records = [
        record
        for name in ("steps.jsonl", "trials.jsonl", *sorted(path.name for path in folder.glob("rank-*.jsonl")))
        for line in read_lines(folder / name)
        if (record := from_line(line)) is not None
    ]
    return collect(header, [*records, *_tail(folder, records)])


def training_folder(folder: Path, number: int) -> Path:
    """Where the ``number``-th training of one process, counted from 0, is recorded; the first in the run folder."""
    return folder if number == 0 else folder / f"training-{number + 1}"


def read_runs(folder: Path) -> list[RunRecord]:
    """Every training of a run folder, in order; one that cannot be read after the first is left out.

    Raises:
        RunFolderError: The folder is no run, or of a newer format.
    """
    runs = [read_run(folder)]
    number = 1
    while (further := training_folder(folder, number)).is_dir():
        with contextlib.suppress(RunFolderError):
            runs.append(read_run(further))
        number += 1
    return runs


def _tail(folder: Path, records: Sequence[Record]) -> list[LossBlock]:
    """The losses of a killed or running training that are in no block yet."""
    first, losses = read_tail(folder)
    written = max((block.first + len(block.losses) for block in records if isinstance(block, LossBlock)), default=0)
    fresh = losses[max(0, written - first) :]
    return [LossBlock(max(first, written), fresh)] if fresh and first <= written else []


def collect(header: RunHeader, records: Sequence[Record]) -> RunRecord:
    """Sort records of all kinds into a :class:`RunRecord`."""
    sorted_by_kind: dict[type[Any], list[Any]] = defaultdict(list)
    for record in records:
        sorted_by_kind[type(record)].append(record)
    return RunRecord(
        header=header,
        blocks=tuple(sorted_by_kind[LossBlock]),
        steps=tuple(sorted_by_kind[StepRecord]),
        evaluations=tuple(sorted_by_kind[Evaluation]),
        probes=tuple(sorted_by_kind[Probe]),
        rounds=tuple(sorted_by_kind[RoundRecord]),
        trials=tuple(sorted_by_kind[TrialRecord]),
        calls=tuple(sorted_by_kind[LossCall]),
        forwards=tuple(sorted_by_kind[Forward]),
        graphs=tuple(sorted_by_kind[Graph]),
        coverage=tuple(sorted_by_kind[Coverage]),
        replicas=tuple(sorted_by_kind[Replica]),
        origins=tuple(sorted_by_kind[Origin]),
    )


def _read_header(fields: dict[str, Any]) -> RunHeader:
    known = {item.name for item in dataclasses.fields(RunHeader)}
    chance = fields.get("chance_loss")
    numbers = {"chance_loss": None if chance is None else float(chance)}
    return RunHeader(**{name: value for name, value in {**fields, **numbers}.items() if name in known})

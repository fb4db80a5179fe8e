"""The run folder of `bs.fit`: begun once, gone on with only by the same training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from babysit.errors import RunFolderError
from babysit.fit.data_marks import require_same
from babysit.measure.record import MemoryRecords, Records, RecordWriter, RunHeader, read_header, write_header
from babysit.storage import refuse_write


def header_of_begun(folder: Path, header: RunHeader) -> RunHeader | None:
    """The header of the run to go on with; None where there is none yet.

    Args:
        folder: Where it may have been begun.
        header: Of the training that is to go on.

    Raises:
        RunFolderError: It was begun as another training, or its header cannot be read.
    """
    if not (folder / "run.json").exists():
        return None
    begun = read_header(folder)
    if begun.command != "fit" or "threads" not in begun.settings:
        raise RunFolderError(
            str(folder), expected="a run of fit", found="one of another command", todo="choose another folder"
        )
    require_same(str(folder), _identity(begun), _identity(header), what="a run of fit")
    return begun


def _identity(header: RunHeader) -> dict[str, Any]:
    """What may not change when a run goes on."""
    settings = {name: value for name, value in header.settings.items() if name != "threads"}
    return {"task": header.task, "loss": header.loss_name, "total_steps": header.total_steps, **settings}


@contextmanager
def open_records(out: str | Path | None, header: RunHeader | None) -> Iterator[Records]:
    """Where the records go: to memory, or to a folder.

    Args:
        out: The run folder; None keeps the records in memory.
        header: What to begin the folder with; None to go on with it.

    Raises:
        RunFolderError: A folder that is to be begun has files in it.
        StorageError: The disk refused.
    """
    if out is None:
        yield MemoryRecords()
        return
    if header is not None:
        _create(Path(out), header)
    with closing(RecordWriter(Path(out))) as writer:
        yield writer


def _create(folder: Path, header: RunHeader) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # a kill while the header is written leaves a temporary file and no run
        taken = any(item.suffix != ".tmp" for item in folder.iterdir())
    except OSError as error:
        raise refuse_write(folder, error) from error
    if taken:
        raise RunFolderError(
            str(folder), expected="a new or empty folder", found="files in it", todo="choose another, or resume=True"
        )
    write_header(folder, header)

"""What `babysit run` says when the script has ended: of the script's own process, and of those it spawned."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from babysit.cli._output import fail, print_json
from babysit.cli._run_folder import SPAWNED, Place
from babysit.cli._verdict import show, verdict
from babysit.errors import BabysitError

if TYPE_CHECKING:
    from babysit.diagnose import Diagnosis
    from babysit.rules._config import Config
    from babysit.watch.processes import Session

_LAUNCHERS = ("torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch")
_LAUNCHED = "torchrun [OPTIONS] -m babysit run SCRIPT [ARGS]"


@dataclass(frozen=True)
class Seen:
    """What was seen in one process.

    Attributes:
        folder: Its records.
        diagnosis: What they say.
        steps: Taken by its optimizers; ``None`` where only its records are known.
    """

    folder: Path
    diagnosis: Diagnosis
    steps: int | None = None


def collect(session: Session, own: Diagnosis | None, place: Place, config: Config) -> list[Seen]:
    """Everything that was seen of trainings: in this process first, then in those it spawned, which have ended.

    Args:
        session: The watching of this process.
        own: What came of it.
        place: The run folder.
        config: Of the rules.
    """
    watcher = session.watcher
    if place.shown is None:
        return []
    folder = place.folder
    seen = [] if own is None or watcher is None or not watcher.saw_backward else [Seen(folder, own, watcher.steps)]
    spawned = folder / SPAWNED
    for item in (*([] if seen else [folder]), spawned, *_processes(folder), *_processes(spawned)):
        seen += _read(item, config)
    return seen


def write_findings(seen: Sequence[Seen]) -> None:
    """Write the findings beside the records; a disk that takes no more is told, as the training is over."""
    from babysit.storage import json_line, write_text

    for item in seen:
        try:
            lines = "".join(json_line(finding.to_json()) for finding in item.diagnosis.findings)
            write_text(item.folder / "findings.jsonl", lines)
        except BabysitError as error:
            fail(str(error))


def write_document(seen: Sequence[Seen], command: str, json_file: str | None) -> None:
    """Write the findings where ``--json`` says.

    Raises:
        StorageError: The file cannot be written.
    """
    if json_file is not None:
        from babysit.diagnose import Diagnosis

        first = seen[0].diagnosis if seen else Diagnosis()
        print_json(first.to_json(command), json_file)


def print_seen(seen: Sequence[Seen], notes: Sequence[str], place: Place, errors: TextIO) -> None:
    """Print findings and verdict of the first process, the verdict of the others, and where the records are."""
    from rich.console import Console
    from rich.text import Text

    from babysit.report.terminal import plain

    screen = Console(file=errors, highlight=False, soft_wrap=False)

    def say(text: str, style: str = "") -> None:
        screen.print(Text(plain(text, ascii_only=screen.options.ascii_only), style=style), soft_wrap=True)

    first, *others = seen
    what = place.show(first.folder) if first.steps is None else f"{first.steps:,} step{'s'[: first.steps != 1]}"
    say(f"babysit watched {what}:", "bold")
    show(first.diagnosis, screen)
    for line in notes:
        say(f"note: {line}", "italic")
    for item in others:
        say(f"{place.show(item.folder)}: {verdict(item.diagnosis)[0]}")
    say(f"run folder: {place.show(first.folder)}")


def print_nothing_seen(session: Session, module: str, errors: TextIO) -> None:
    """Print what was missing.

    Args:
        session: The watching of this process.
        module: What was run with ``-m``; ``""`` for a script.
        errors: Where to.
    """
    watcher = session.watcher
    lines = [f"{'torch was not imported' if watcher is None else 'no backward pass was seen'}: nothing to judge"]
    if watcher is not None:
        lines += watcher.notes
    if module in _LAUNCHERS:
        lines.append(f"to watch what a launcher starts, let it start babysit: {_LAUNCHED}")
    errors.write("".join(f"babysit: {line}\n" for line in lines))


def _processes(folder: Path) -> list[Path]:
    return sorted(folder.glob("process-*"))


def _read(folder: Path, config: Config) -> Iterator[Seen]:
    """Judge the trainings that another process has recorded."""
    from babysit.diagnose import diagnose, join
    from babysit.measure.record import read_runs

    with contextlib.suppress(BabysitError):
        records = [record for record in read_runs(folder) if record.losses]
        if records:
            yield Seen(folder, join([diagnose(record, config=config) for record in records]))

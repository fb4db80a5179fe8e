"""`babysit lab`: every claim of the lecture as an experiment."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from babysit.cli._options import Quiet, json_option
from babysit.cli._output import console, print_json
from babysit.errors import InputError


def lab(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Sections (C) or claims (C2 D4); all by default.", show_default=False),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller and shorter: all claims in minutes.")] = False,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Of random experiments; 5, or 2 with --quick.", show_default=False),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="cifar10=PATH: CIFAR-10 for the claims that name it, instead of digits.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html and the pictures; lab, or lab-C2 for C2.", show_default=False),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Experiments at a time; one a core.", show_default=False)
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the claims and run nothing.")] = False,
    json_file: Annotated[str | None, json_option("all numbers")] = None,
    quiet: Quiet = False,
) -> None:
    """Measure the claims of the lecture beside what is expected; exit code 1 if one does not hold.

    Stopped early (Ctrl-C), it reports on what it has measured.
    """
    from babysit.lab import Bench, claims, run_claims
    from babysit.lab.section import FULL_SEEDS, QUICK_SEEDS
    from babysit.report.lab_page import document, listing, make_folder, write_lab
    from babysit.report.lab_table import LabTable
    from babysit.storage import require_writable

    chosen = claims(ids or [])
    table = LabTable(console(quiet=quiet, json_file=json_file), chosen)
    if list_:
        print_json(listing(chosen), json_file)
        table.list_claims()
        return
    cifar10 = _cifar10(data or [])
    folder = out or _folder(ids or [])
    # what cannot be written to is to be known before an hour is spent
    make_folder(folder)
    if json_file not in (None, "-"):
        require_writable(Path(str(json_file)).parent)
    bench = Bench(quick, tuple(range(seeds or (QUICK_SEEDS if quick else FULL_SEEDS))), cifar10)
    command = shlex.join(["babysit", *sys.argv[1:]])
    stopped_by = 0
    with table, _stopping() as signals:
        try:
            run_claims(chosen, bench, processes=processes, done=table.add)
        except KeyboardInterrupt:
            stopped_by = signals[-1] if signals else signal.SIGINT
    rows = table.rows
    page = write_lab(folder, rows, bench, command, of=len(chosen)) if rows else None
    print_json(document(rows, bench, command, of=len(chosen)), json_file)
    table.close(page)
    if stopped_by:
        raise typer.Exit(128 + stopped_by)
    if not all(row.to_json()["holds"] for row in rows):
        raise typer.Exit(1)


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Inside, SIGTERM stops as Ctrl-C does, so that processes are ended and what was measured is kept."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _folder(ids: Sequence[str]) -> Path:
    """Of its own for a choice, so that looking at one claim again does not replace the report on all."""
    return Path("-".join(["lab", *(id_.upper() for id_ in ids)])[:60])


def _cifar10(data: list[str]) -> Path | None:
    """The path of ``--data cifar10=PATH``, looked at before anything runs."""
    path: Path | None = None
    for text in data:
        name, equals, given = text.partition("=")
        if name != "cifar10" or not equals or not given:
            raise InputError("--data", expected="cifar10=PATH", found=repr(text), todo="leave it out to use digits")
        path = Path(given).expanduser()
        if not path.exists():
            raise InputError("--data cifar10", expected="a file or folder", found=f"no {given}", todo="check the path")
    return path

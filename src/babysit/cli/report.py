"""`babysit report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from babysit.cli._options import JsonReport, Quiet
from babysit.cli._output import console, prepared_json, print_json


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, finished, going on or killed.", show_default=False)],
    json_file: JsonReport = None,
    quiet: Quiet = False,
) -> None:
    """Summarise a run in the terminal and write its report.html; an unfinished one is judged as configured."""
    from babysit.measure.record import read_runs
    from babysit.report.document import document_of
    from babysit.report.html import write_page
    from babysit.report.summary import read_summary
    from babysit.report.terminal import print_read
    from babysit.rules._config import read_config

    json_file = prepared_json(json_file)
    config = read_config(Path.cwd())
    records = read_runs(run)
    # judged once, as all the rules read all the records for it
    summary = read_summary(run, records, config)
    page = write_page(run, records, summary)
    print_json(document_of(run, summary), json_file)
    screen = console(quiet=quiet, json_file=json_file)
    print_read(records[0], summary, screen)
    screen.print(f"report: {page}", markup=False)

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
    from babysit.report.document import report_document
    from babysit.report.html import write_report
    from babysit.report.terminal import print_summary
    from babysit.rules._config import read_config

    json_file = prepared_json(json_file)
    config = read_config(Path.cwd())
    page = write_report(run, config)
    print_json(report_document(run, config), json_file)
    screen = console(quiet=quiet, json_file=json_file)
    print_summary(run, screen, config)
    screen.print(f"report: {page}", markup=False)

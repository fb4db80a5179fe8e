"""`babysit judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from babysit.cli._options import FailOn, Ignore, JsonFindings, Quiet, Select
from babysit.cli._output import console, prepared_json, print_json
from babysit.cli._verdict import check_fail_on, fails, show, with_options


def judge(
    run: Annotated[Path, typer.Argument(help="A run folder, finished, going on or killed.", show_default=False)],
    select: Select = None,
    ignore: Ignore = None,
    fail_on: FailOn = "error",
    json_file: JsonFindings = None,
    quiet: Quiet = False,
) -> None:
    """Apply the rules to a recorded run, as configured in pyproject.toml; write its findings.jsonl."""
    from babysit.diagnose import diagnose, join
    from babysit.measure.record import read_runs
    from babysit.rules._config import read_config
    from babysit.storage import json_line, write_text

    check_fail_on(fail_on)
    json_file = prepared_json(json_file)
    records = read_runs(run)
    config = with_options(read_config(Path.cwd()), select, ignore)
    diagnosis = join([diagnose(training, config=config) for training in records])
    show(diagnosis, console(quiet=quiet, json_file=json_file))
    print_json(diagnosis.to_json(records[0].header.command), json_file)
    # last, so that a run that may only be read is judged all the same before this is refused
    write_text(run / "findings.jsonl", "".join(json_line(finding.to_json()) for finding in diagnosis.findings))
    if fails(diagnosis, fail_on):
        raise typer.Exit(1)

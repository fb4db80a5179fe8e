"""`babysit judge`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babysit.cli._output import console, print_json
from babysit.errors import InputError, suggest

if TYPE_CHECKING:
    from rich.console import Console

    from babysit.diagnose import Diagnosis
    from babysit.rules import Evidence
    from babysit.rules._config import Config


_FAIL_ON = ("error", "warning", "info", "never")


def judge(
    run: Annotated[Path, typer.Argument(help="A run folder, finished, going on or killed.", show_default=False)],
    select: Annotated[
        str | None,
        typer.Option(
            help="Ask these rules alone, such as LOS,GEN001; overrules the configuration.", show_default=False
        ),
    ] = None,
    ignore: Annotated[
        str | None,
        typer.Option(help="Leave out what these rules say, such as LOS003,GEN.", show_default=False),
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="End with 1 for a finding as bad as this: error, warning, info, never.")
    ] = "error",
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write the findings as JSON ('-': standard output).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Apply the rules to a recorded run, as configured in pyproject.toml; write its findings.jsonl."""
    from babysit.diagnose import diagnose
    from babysit.measure.record import read_run
    from babysit.rules._config import read_config
    from babysit.storage import json_line, write_text

    _check_fail_on(fail_on)
    records = read_run(run)
    diagnosis = diagnose(records, config=_with_options(read_config(Path.cwd()), select, ignore))
    _show(diagnosis, console(quiet=quiet, json_file=json_file))
    print_json(diagnosis.to_json(records.header.command), json_file)
    # last, so that a run that may only be read is judged all the same before this is refused
    write_text(run / "findings.jsonl", "".join(json_line(finding.to_json()) for finding in diagnosis.findings))
    if _fails(diagnosis, fail_on):
        raise typer.Exit(1)


def _with_options(config: Config, select: str | None, ignore: str | None) -> Config:
    from babysit.rules._config import codes_of

    if select is not None:
        # what is asked for by name here counts more than what a file leaves out
        config = dataclasses.replace(config, select=codes_of(_split(select), "--select"), ignore=())
    if ignore is not None:
        config = dataclasses.replace(config, ignore=(*config.ignore, *codes_of(_split(ignore), "--ignore")))
    return config


def _split(text: str) -> list[str]:
    return [part.strip().upper() for part in text.split(",")]


def _show(diagnosis: Diagnosis, screen: Console) -> None:
    from rich.text import Text

    from babysit.report.terminal import plain, render_findings

    def say(text: str, style: str = "") -> None:
        screen.print(Text(plain(text, ascii_only=screen.options.ascii_only), style=style))

    render_findings(diagnosis.findings, screen)
    if diagnosis.findings:
        say("")
    say(*_verdict(diagnosis))
    if diagnosis.health:
        say("; ".join(map(_said, diagnosis.health)), "dim")
    say(f"{len(diagnosis.asked)} rules asked", "dim")
    for code, error in diagnosis.broken.items():
        say(f"note: {code} failed and was left out: {error}", "italic")
    for line in diagnosis.unused:
        say(f"note: {line}", "italic")


def _verdict(diagnosis: Diagnosis) -> tuple[str, str]:
    """What the rules say in one line, and its style; healthy only with numbers that say so."""
    if diagnosis.verdict == "healthy" and not diagnosis.health:
        return "nothing found, but too little was recorded to call the run healthy", "bold yellow"
    styles = {"healthy": "bold green", "warnings": "bold yellow", "errors": "bold red"}
    curve = f": loss curve: {diagnosis.curve}" if diagnosis.curve else ""
    return f"{diagnosis.verdict}{curve}", styles[diagnosis.verdict]


def _said(evidence: Evidence) -> str:
    from babysit.report.formatting import number

    beside = "" if evidence.limit is None else f" (beside {number(evidence.limit)})"
    return f"{evidence.name} {number(evidence.value)}{beside}"


def _check_fail_on(fail_on: str) -> None:
    if fail_on not in _FAIL_ON:
        raise InputError(
            "--fail-on", expected=f"one of {', '.join(_FAIL_ON)}", found=repr(fail_on), todo=suggest(fail_on, _FAIL_ON)
        )


def _fails(diagnosis: Diagnosis, fail_on: str) -> bool:
    failing = _FAIL_ON[: _FAIL_ON.index(fail_on) + 1] if fail_on != "never" else ()
    return any(finding.severity in failing for finding in diagnosis.findings)

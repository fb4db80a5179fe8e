"""What the rules say of a run, as the commands print it, and when they end with 1."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from babysit.errors import InputError, suggest

if TYPE_CHECKING:
    from rich.console import Console

    from babysit.diagnose import Diagnosis
    from babysit.rules._config import Config

_FAIL_ON = ("error", "warning", "info", "never")


def check_fail_on(fail_on: str) -> None:
    """Refuse what is no value of ``--fail-on``.

    Raises:
        InputError: It is none.
    """
    if fail_on not in _FAIL_ON:
        raise InputError(
            "--fail-on", expected=f"one of {', '.join(_FAIL_ON)}", found=repr(fail_on), todo=suggest(fail_on, _FAIL_ON)
        )


def fails(diagnosis: Diagnosis, fail_on: str) -> bool:
    """Whether a finding is as bad as ``--fail-on`` says."""
    failing = _FAIL_ON[: _FAIL_ON.index(fail_on) + 1] if fail_on != "never" else ()
    return any(finding.severity in failing for finding in diagnosis.findings)


def with_options(config: Config, select: str | None, ignore: str | None) -> Config:
    """The configuration, changed by ``--select`` and ``--ignore``.

    Raises:
        InputError: No rule's code begins like that.
    """
    from babysit.rules._config import codes_of

    if select is not None:
        # what is asked for by name here counts more than what a file leaves out
        config = dataclasses.replace(config, select=codes_of(_split(select), "--select"), ignore=())
    if ignore is not None:
        config = dataclasses.replace(config, ignore=(*config.ignore, *codes_of(_split(ignore), "--ignore")))
    return config


def show(diagnosis: Diagnosis, screen: Console) -> None:
    """Print the findings, the verdict, and the numbers behind it."""
    from rich.text import Text

    from babysit.report.terminal import health_words, plain, render_findings

    def say(text: str, style: str = "") -> None:
        screen.print(Text(plain(text, ascii_only=screen.options.ascii_only), style=style))

    render_findings(diagnosis.findings, screen, _symptoms(diagnosis))
    if diagnosis.findings:
        say("")
    say(*verdict(diagnosis))
    if diagnosis.health:
        say(health_words(diagnosis.health), "dim")
    say(f"{len(diagnosis.asked)} rules asked", "dim")
    for code, error in diagnosis.broken.items():
        say(f"note: {code} failed and was left out: {error}", "italic")
    for line in diagnosis.unused:
        say(f"note: {line}", "italic")


def verdict(diagnosis: Diagnosis) -> tuple[str, str]:
    """What the rules say in one line, and its style."""
    from babysit.report.verdict import verdict_of, with_curve

    said = verdict_of(diagnosis.verdict, diagnosis.findings, has_numbers=bool(diagnosis.health), curve=diagnosis.curve)
    return with_curve(said, diagnosis.curve), said.style


def _symptoms(diagnosis: Diagnosis) -> dict[str, list[str]]:
    """Code of each cause → code and name of what was folded under it."""
    from babysit.rules._catalogue import catalogue

    rules = catalogue()
    found: dict[str, list[str]] = {}
    for code, cause in sorted(diagnosis.folded.items()):
        found.setdefault(cause.code, []).append(f"{code} {rules[code].name}")
    return found


def _split(text: str) -> list[str]:
    return [part.strip().upper() for part in text.split(",")]

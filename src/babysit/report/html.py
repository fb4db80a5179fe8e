"""`report.html`: one file that shows a run on any browser, without a network and without JavaScript.

The same records give the same bytes. Everything that comes from data is escaped, and the page's own content
security policy lets nothing but its own style and its own script in.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from babysit.measure.record import RunRecord, read_runs, training_folder
from babysit.report import headline, search_tables, tables
from babysit.report.command import command_line
from babysit.report.plots import Gallery, galleries
from babysit.report.summary import Summary, read_summary
from babysit.rules._config import DEFAULTS, Config
from babysit.storage import write_text


def write_report(folder: Path, config: Config = DEFAULTS) -> Path:
    """Write `report.html` of a finished, running or killed run into its folder.

    Args:
        folder: The run folder.
        config: Of the rules, where the records are judged as there is no `report.json` yet.

    Returns:
        The file's path.

    Raises:
        RunFolderError: The folder is no run, or its `report.json` is damaged.
        StorageError: The disk refused.
    """
    runs = read_runs(folder)
    return write_page(folder, runs, read_summary(folder, runs, config))


def write_page(folder: Path, runs: Sequence[RunRecord], summary: Summary) -> Path:
    """The same of a run that has been read.

    Args:
        folder: The run folder.
        runs: Its records, training by training.
        summary: What is said of them.

    Returns:
        The file's path.

    Raises:
        StorageError: The disk refused.
    """
    shown = (
        galleries(runs[0], summary, folder)
        if len(runs) == 1
        else [gallery for number in range(len(runs)) for gallery in _of_training(number, runs, summary, folder)]
    )
    path = folder / "report.html"
    write_text(path, render(runs[0], summary, shown))
    return path


def _of_training(number: int, runs: Sequence[RunRecord], summary: Summary, folder: Path) -> Iterator[Gallery]:
    """The pictures of one of several trainings, with the findings of this one marked in its curves."""
    diagnosis = summary.diagnoses[number]
    own = {(item.code, item.module): item.first_step for item in diagnosis.findings}
    findings = tuple(
        dataclasses.replace(item, first_step=own.get((item.code, item.module))) for item in summary.findings
    )
    shown = dataclasses.replace(summary, verdict=diagnosis.verdict, curve=diagnosis.curve, findings=findings)
    for gallery in galleries(runs[number], shown, training_folder(folder, number)):
        yield dataclasses.replace(gallery, title=f"Training {number + 1} of {len(runs)}: {gallery.title}")


def render(run: RunRecord, summary: Summary, shown: Sequence[Gallery]) -> str:
    """The page as text.

    Args:
        run: The records, of the first training.
        summary: What is said of the run.
        shown: Its pictures.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    script = _resource("report.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(_resource("report.html.j2")).render(
        kind=headline.kind(summary),
        title=headline.subject(summary),
        summary=summary,
        header=run.header,
        command=command_line(run.header),
        verdict=headline.verdict(summary),
        curve=headline.curve(summary),
        facts=headline.headline(summary),
        galleries=[(gallery.title, [Markup(svg) for svg in gallery.pictures]) for gallery in shown],
        anchors=_anchors(summary),
        tables=tables,
        search_tables=search_tables,
        run=run,
        style=Markup(_resource("report.css") + _resource("figure.css")),
        script=Markup(script),
        script_hash=_hash(script),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _anchors(summary: Summary) -> dict[str, int]:
    """The number of the first finding of each code, for the links from the table of steps."""
    return {finding.code: place for place, finding in reversed(list(enumerate(summary.findings, 1)))}


def _resource(name: str) -> str:
    return resources.files("babysit.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """The script's hash, as the content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}"

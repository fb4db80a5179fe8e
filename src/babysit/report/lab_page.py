"""The lab's `report.html`: a section after the other, a picture a claim; and its pictures as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from babysit._version import __version__
from babysit.lab import Bench, Claim, Row, Verdict, claims, sections
from babysit.lab.example import standalone
from babysit.report import lab_table
from babysit.storage import refuse_write, require_writable, write_bytes, write_json, write_text

SCHEMA = 1


def write_lab(folder: Path, rows: Sequence[Row], bench: Bench, command: str, *, of: int = 0) -> Path:
    """Write `report.html`, `lab.json` and the pictures into a folder; other files in it are left alone.

    Args:
        folder: As made by :func:`make_folder`.
        rows: What was measured.
        bench: How.
        command: For the reader.
        of: How many claims there were to measure; as many as there are rows by default.

    Returns:
        The page's path.

    Raises:
        StorageError: The disk refused.
    """
    for row in rows:
        for picture in row.pictures:
            write_bytes(folder / picture.file, picture.png, durable=False)
    write_json(folder / "lab.json", document(rows, bench, command, of=of))
    page = folder / "report.html"
    write_text(page, render(rows, bench, command, of=of))
    return page


def make_folder(folder: Path) -> None:
    """Make the folder where it is not there, and see that it can be written to; what is in it is left alone.

    Raises:
        StorageError: It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refuse_write(folder, error) from error
    require_writable(folder)


def listing(claims: Sequence[Claim]) -> dict[str, Any]:
    """Some claims, as JSON."""
    return {
        "schema": SCHEMA,
        "claims": [{"id": claim.id, "claim": claim.says, "expected": claim.expected} for claim in claims],
    }


def document(rows: Sequence[Row], bench: Bench, command: str, *, of: int = 0) -> dict[str, Any]:
    """Everything measured, as JSON; arguments as for :func:`write_lab`."""
    return {
        "schema": SCHEMA,
        "command": command,
        "version": __version__,
        "quick": bench.quick,
        "seeds": list(bench.seeds),
        "cifar10": None if bench.cifar10 is None else str(bench.cifar10),
        "complete": len(rows) >= of,
        "holds": all(row.to_json()["holds"] for row in rows),
        "rows": [row.to_json() for row in rows],
    }


def render(rows: Sequence[Row], bench: Bench, command: str, *, of: int = 0) -> str:
    """The page as text; arguments as for :func:`write_lab`."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    known = {claim.id: claim for claim in claims()}
    parts = [(section, [row for row in rows if row.id[0] == section.letter]) for section in sections()]
    return environment.from_string(_resource("lab.html.j2")).render(
        parts=[(section, group) for section, group in parts if group],
        rows=rows,
        of=max(of, len(rows)),
        counts=[(verdict, [row for row in rows if row.verdict is verdict]) for verdict in Verdict],
        bench=bench,
        command=command,
        examples={row.id: standalone(known[row.id]) for row in rows},
        value=lab_table.value,
        marks=lab_table.MARKS,
        markup=Markup,
        style=Markup(_resource("report.css") + _resource("lab.css")),
    )


def _resource(name: str) -> str:
    return resources.files("babysit.report").joinpath("templates", name).read_text(encoding="utf-8")

"""The lab's pages of the documentation, from what `babysit lab` has left in a folder.

`python -m babysit.report.lab_docs lab docs/lab` writes them: `index.md` with all claims, a page a section, the pictures
made small, and `lab.json`. As it reads nothing else, it can be run on `docs/lab` itself where a wording has changed.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babysit.errors import BabysitError, RunFolderError
from babysit.lab import Claim, Verdict, sections
from babysit.lab.example import standalone
from babysit.lab.measures import Measure
from babysit.lab.section import Section
from babysit.report import lab_table
from babysit.report.formatting import plural
from babysit.report.shrink import shrink
from babysit.storage import read_json, strict, write_bytes, write_text

_SPECIAL = re.compile(r"([\\`*_\[\]#{}!]|^[-+](?= ))")
_NUMBERING = re.compile(r"^(\d+)\.(?=\s|$)")
_CODE = re.compile(r"(`[^`]+`)")
_ENTITIES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("|"): "&#124;", ord("~"): "&#126;"}
_HEAD = "| | measured | expected | |\n|---|---|---|---|"
_ABOUT = (
    "Every claim that the lecture *Training Neural Networks, part I* makes is an experiment here, made with "
    "babysit's own parts, and its measured number stands beside the expected one. Where reality is more subtle "
    "than the claim, the page says so, with the numbers. Pathologies are trained and watched: the rule that has "
    "to name them is shown with what it said."
)
_AGAIN = (
    "`babysit lab C` measures the claims of one section and `babysit lab C2 D4` single ones; `--quick` takes "
    "minutes. All values, seed by seed, are in [lab.json](lab.json)."
)
_RULES = "What the rules said of its trainings:\n\n"
Row = Mapping[str, Any]


def write_docs(run: Path, folder: Path) -> None:
    """Write all pages and pictures; pages of sections and pictures that are no longer there are removed.

    Args:
        run: What `babysit lab` has written.
        folder: Of the documentation.

    Raises:
        RunFolderError: There is no readable `lab.json` in the run, or a picture is missing.
        StorageError: The disk refused.
    """
    document = _read(run)
    rows = document["rows"]
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {picture["file"]: _picture(run, picture["file"]) for row in rows for picture in row["pictures"]}
    pages = {f"{slug(section)}.md": page(section, _of(section, rows)) for section in sections()}
    for old in folder.iterdir():
        if old.suffix in (".md", ".png") and old.name not in pages and old.name not in pictures:
            old.unlink()
    for name, content in pictures.items():
        write_bytes(folder / name, content, durable=False)
    for name, text in {**pages, "index.md": index(document), "lab.json": _compact(document)}.items():
        write_text(folder / name, text)


def slug(section: Section) -> str:
    """The name of a section's page.

    Example:
        >>> slug(sections()[0])
        'activation-functions'
    """
    return re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")


def index(document: Mapping[str, Any]) -> str:
    """The overview: how it was run, what came of it, and all claims."""
    rows: Sequence[Row] = document["rows"]
    counts = Counter(row["verdict"] for row in rows)
    said = ", ".join(
        f"{counts[verdict]} {lab_table.count_word(verdict, counts[verdict])}" for verdict in Verdict if counts[verdict]
    )
    seeds = plural(len(document["seeds"]), "seed")
    data = "CIFAR-10" if document["cifar10"] else "scikit-learn's digits in the place of CIFAR-10"
    size = "the quick, smaller run" if document["quick"] else "the full run"
    parts = [
        "# The lab: the lecture's claims, measured",
        _ABOUT,
        f"These are the numbers of {size}, with {seeds}, on {data}; of several seeds the median is given, and the "
        f"range in brackets. {plural(len(rows), 'claim')}: {said}.",
        f"```\n{_command(document)}\n```",
        _AGAIN,
    ]
    for section in sections():
        if group := _of(section, rows):
            parts += [f"## [{_title(section)}]({slug(section)}.md)", _overview(section, group)]
    return "\n\n".join(parts) + "\n"


def page(section: Section, rows: Sequence[Row]) -> str:
    """The page of one section; one that was not measured says so."""
    parts = [f"# {_title(section)}", escape(section.about)]
    if rows:
        again, one = f"`babysit lab {section.letter}`", f"`babysit lab {rows[0]['id']}`"
        parts.append(f"{again} measures all of this section again, {one} a single claim ([how](index.md)).")
    else:
        parts.append("No claim of this section was measured in this run.")
    known = {claim.id: claim for claim in section.claims}
    for row in rows:
        parts += _claim(row, known.get(row["id"]))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    r"""A text as it stands, whatever Markdown would make of its characters; words in single backticks stay code.

    Example:
        >>> print(escape("σ(x) < 1, w_1 * [2] of `bs.fit`"))
        σ(x) &lt; 1, w\_1 \* \[2\] of `bs.fit`
    """
    words = " ".join(text.split())
    if "``" in words or "\\" in words or words.count("`") % 2:
        return _escaped(words)
    return "".join(part if _is_code(part) else _escaped(part) for part in _CODE.split(words))


def _is_code(part: str) -> bool:
    """Whether a part can stay code, in a table too."""
    return bool(_CODE.fullmatch(part)) and part == f"`{part[1:-1].strip()}`" and "|" not in part


def _escaped(part: str) -> str:
    return _NUMBERING.sub(r"\1\\.", _SPECIAL.sub(r"\\\1", part).translate(_ENTITIES))


def _overview(section: Section, rows: Sequence[Row]) -> str:
    known = {claim.id: claim for claim in section.claims}
    lines = ["| | claim | expected | measured | verdict |", "|---|---|---|---|---|"]
    for row in rows:
        says, expected = _words(row, known.get(row["id"]))
        link = f"[{row['id']}]({slug(section)}.md#{row['id'].lower()})"
        first = measures[0] if (measures := _measures(row)) else None
        shown = f"{escape(first.name)}: {escape(lab_table.value(first))}" if first else "–"
        lines.append(f"| {link} | {says} | {expected or '–'} | {shown} | {_verdict(row)} |")
    return "\n".join(lines)


def _claim(row: Row, claim: Claim | None) -> list[str]:
    says, expected = _words(row, claim)
    came = f"**{_verdict(row)}**" + (f" · expected: {expected}" if expected else "")
    parts = [f"## {row['id']}. {says.removesuffix('.')} {{#{row['id'].lower()}}}", came]
    if row["remark"]:
        parts.append(escape(row["remark"]))
    if measures := _measures(row):
        parts.append("\n".join([_HEAD, *map(_measure, measures)]))
    parts += map(_figure, row["pictures"])
    shown = {picture["finding"].partition(" ")[0] for picture in row["pictures"]}
    if said := _findings([finding for finding in row["findings"] if finding["code"] not in shown]):
        parts.append(_RULES + said)
    if claim is not None and claim.example:
        parts.append(f"To see it in Python:\n\n```pycon\n{standalone(claim)}\n```")
    return parts


def _words(row: Row, claim: Claim | None) -> tuple[str, str]:
    """What a claim says and what is expected, as the catalogue has it now."""
    says, expected = (row["claim"], row["expected"]) if claim is None else (claim.says, claim.expected)
    return escape(says), escape(expected)


def _measures(row: Row) -> list[Measure]:
    return [
        Measure(one["name"], tuple(map(float, one["values"])), one["expected"], one["holds"], one["unit"])
        for one in row["measured"]
    ]


def _measure(measure: Measure) -> str:
    mark = {True: "✓", False: "✗", None: ""}[measure.holds]
    value, expected = escape(lab_table.value(measure)), escape(measure.expected) or "–"
    return f"| {escape(measure.name)} | {value} | {expected} | {mark} |"


def _figure(picture: Mapping[str, str]) -> str:
    shown = f"![{escape(picture['title'])}]({picture['file']})"
    return f"{shown}\n\n*Found by its rule: {_linked(picture['finding'])}*" if picture["finding"] else shown


def _findings(findings: Sequence[Mapping[str, Any]]) -> str:
    """Each rule that spoke up, with the first of what it said and how often it did."""
    counts = Counter(finding["code"] for finding in findings)
    firsts = {finding["code"]: finding for finding in reversed(findings)}
    return "\n".join(
        f"* {_linked(code)} {escape(firsts[code]['name'])}, {plural(count, 'time')}; first: "
        f"{escape(firsts[code]['message'])}"
        for code, count in sorted(counts.items())
    )


def _linked(text: str) -> str:
    """A text that begins with a rule's code, linked to the rule's page."""
    code, space, rest = text.partition(" ")
    return f"[{code}](../rules/{code}.md){space}{escape(rest)}"


def _verdict(row: Row) -> str:
    verdict = Verdict(row["verdict"])
    return f"{lab_table.MARKS[verdict]} {verdict}"


def _title(section: Section) -> str:
    return f"{section.letter}. {escape(section.title)}"


def _of(section: Section, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["section"] == section.letter]


def _command(document: Mapping[str, Any]) -> str:
    """The command without the places of this machine."""
    words = shlex.split(document["command"])
    words = [word for place, word in enumerate(words) if "--out" not in (word, *words[max(0, place - 1) : place])]
    words = [word for word in words if not word.startswith("--out=")]
    return " ".join(re.sub(r"cifar10=.*", "cifar10=PATH", word) for word in words)


def _read(run: Path) -> dict[str, Any]:
    path = run / "lab.json"
    try:
        document: dict[str, Any] = read_json(path)
        document["rows"] = list(document["rows"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        todo = "name the folder that babysit lab has written"
        raise RunFolderError(str(path), expected="what babysit lab measured", found="none", todo=todo) from error
    return document | {"command": _command(document), "cifar10": "PATH" if document["cifar10"] else None}


def _picture(run: Path, name: str) -> bytes:
    try:
        return shrink((run / name).read_bytes())
    except OSError as error:
        todo = "run babysit lab again, with matplotlib installed"
        raise RunFolderError(str(run / name), expected="a picture", found="none", todo=todo) from error


def _compact(document: Mapping[str, Any]) -> str:
    """The document with a row a line, so that its versions can be compared."""

    def dumped(value: object) -> str:
        return json.dumps(strict(value), ensure_ascii=False, allow_nan=False)

    head = [f"{dumped(key)}: {dumped(value)}" for key, value in document.items() if key != "rows"]
    rows = ",\n".join(map(dumped, document["rows"]))
    return "{\n" + ",\n".join([*head, f'"rows": [\n{rows}\n]']) + "\n}\n"


if __name__ == "__main__":
    try:
        write_docs(Path(sys.argv[1]), Path(sys.argv[2]))
    except BabysitError as error:
        sys.exit(f"error: {error}")

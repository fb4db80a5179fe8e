"""The rules' pages: their docstrings, with a table of options made from their fields.

`python -m babysit.rules._pages docs/rules` writes them all.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path

from babysit.rules._base import Rule
from babysit.rules._catalogue import catalogue
from babysit.storage import write_text

_HEADING = "## "


def summary(rule: Rule | type[Rule]) -> str:
    """First paragraph of the rule's docstring."""
    return inspect.cleandoc(_kind(rule).__doc__ or "").partition(f"\n\n{_HEADING}")[0]


def sections(rule: Rule | type[Rule]) -> dict[str, str]:
    """The rule's docstring by its headings, in the order found."""
    _, *parts = inspect.cleandoc(_kind(rule).__doc__ or "").split(f"\n{_HEADING}")
    return {heading.strip(): text.strip() for heading, _, text in (part.partition("\n") for part in parts)}


def page(rule: Rule | type[Rule]) -> str:
    """One rule's page in Markdown.

    Example:
        >>> print(page(catalogue()["LOS002"])[:58])
        # LOS002: exploding-loss
        <BLANKLINE>
        **error** · The loss rose to sev
    """
    kind = _kind(rule)
    texts = sections(kind)
    texts["Options"] = "\n\n".join(part for part in (texts.get("Options", ""), options(rule)) if part)
    body = [f"{_HEADING}{heading}\n\n{texts.get(heading, '')}" for heading in Rule.SECTIONS]
    return "\n\n".join([f"# {kind.code}: {kind.name}", f"**{kind.severity}** · {summary(kind)}", *body]) + "\n"


def options(rule: Rule | type[Rule]) -> str:
    """The rule's thresholds as a Markdown table; the values of an instance, the defaults of a class."""
    rows = [
        f"| `{item.name}` | {getattr(rule, item.name):g} | {_cell(item, 'unit')} | {_cell(item, 'source')} |"
        for item in dataclasses.fields(_kind(rule))
    ]
    return "\n".join(["| option | value | unit | source |", "|---|---|---|---|", *rows]) if rows else ""


def index() -> str:
    """All rules in one Markdown table."""
    rows = [
        f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity} | {' '.join(summary(rule).split())} |"
        for rule in catalogue().values()
    ]
    return "\n".join(["# Rules", "", "| code | name | severity | says |", "|---|---|---|---|", *rows]) + "\n"


def write_pages(folder: Path) -> None:
    """Write `index.md` and one page a rule.

    Raises:
        StorageError: The disk refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "index.md", index())
    for rule in catalogue().values():
        write_text(folder / f"{rule.code}.md", page(rule))


def _kind(rule: Rule | type[Rule]) -> type[Rule]:
    return rule if isinstance(rule, type) else type(rule)


def _cell(item: dataclasses.Field[object], key: str) -> str:
    return str(item.metadata.get(key, "")).replace("|", "\\|")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))

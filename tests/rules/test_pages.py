from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

import pytest

from babysit.rules import Rule, Severity, threshold
from babysit.rules._catalogue import all_rules, catalogue
from babysit.rules._pages import index, options, page, sections, summary, write_pages
from babysit.testing import check_page


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_every_page_is_complete(rule: Rule) -> None:
    check_page(rule)
    text = page(rule)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(Rule.SECTIONS)
    for option in dataclasses.fields(rule):
        assert f"| `{option.name}` | {getattr(rule, option.name):g} |" in text
    assert len(summary(rule).splitlines()) <= 2


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_thresholds_that_can_be_set_change_nothing_else(rule: Rule) -> None:
    assert dataclasses.replace(rule) == rule
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.code = "other"  # type: ignore[misc]


def test_index_lists_all() -> None:
    rows = [line for line in index().splitlines() if line.startswith("| [")]
    assert len(rows) == len(catalogue())
    (row,) = [row for row in rows if "DAT001" in row]
    assert row.startswith("| [DAT001](DAT001.md) | uncentred-input | warning | The inputs lie far from zero")


def test_pages_are_written(tmp_path: Path) -> None:
    write_pages(tmp_path / "rules")
    names = {path.name for path in (tmp_path / "rules").iterdir()}
    assert names == {"index.md", *(f"{code}.md" for code in catalogue())}
    assert (tmp_path / "rules" / "LOS001.md").read_text() == page(catalogue()["LOS001"])


def test_an_instance_shows_its_own_values() -> None:
    rule = catalogue()["LOS002"]
    assert "| `factor` | 3 |" in options(rule)
    assert "| `factor` | 5 |" in options(dataclasses.replace(rule(), factor=5.0))  # type: ignore[call-arg]


@dataclasses.dataclass(frozen=True)
class Incomplete(Rule):
    """Says too little.

    ## What it measures
    Something.

    ## Why it hurts
    """

    code: ClassVar[str] = "XYZ001"
    name: ClassVar[str] = "incomplete"
    severity: ClassVar[Severity] = Severity.INFO
    needs: ClassVar[tuple[str, ...]] = ("losses",)
    source: ClassVar[str] = "test"

    limit: float = threshold(1.0)

    def check(self, run):
        yield from ()


COMPLETE = "Says enough.\n\n" + "\n\n".join(f"## {heading}\nText." for heading in Rule.SECTIONS)


def test_a_page_without_a_section_is_refused() -> None:
    with pytest.raises(AssertionError, match="expected the sections"):
        check_page(Incomplete)


def test_an_empty_section_a_bare_option_and_a_missing_code_are_refused() -> None:
    empty = type("Empty", (Incomplete,), {"__doc__": COMPLETE.replace("References\nText.", "References\n")})
    with pytest.raises(AssertionError, match="nothing under"):
        check_page(empty)
    complete = type("Complete", (Incomplete,), {"__doc__": COMPLETE})
    check_page(complete)
    assert list(sections(complete)) == list(Rule.SECTIONS)
    bare = dataclasses.make_dataclass(
        "Bare", [("x", float, 1.0)], bases=(complete,), frozen=True, namespace={"__doc__": COMPLETE}
    )
    with pytest.raises(AssertionError, match=r"threshold\(\)"):
        check_page(bare)
    with pytest.raises(AssertionError, match="lacks name"):
        check_page(type("Nameless", (complete,), {"name": ""}))

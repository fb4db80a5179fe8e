from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.markdown import Markdown

from babysit.cli.rules import _in_ascii
from babysit.cli.rules import rule as show_rule
from babysit.lab import claims as all_claims
from babysit.report.terminal import plain
from babysit.rules._catalogue import catalogue
from babysit.rules._pages import page


def test_the_list_of_rules(babysit: Any) -> None:
    lines = babysit.run("rules").out.splitlines()
    assert [line.split()[0] for line in lines] == list(catalogue())
    assert all(line.split()[2] == catalogue()[line.split()[0]].name for line in lines)


def test_the_list_as_json(babysit: Any, tmp_path: Path) -> None:
    ended = babysit.run("rules", "--json", "-")
    known = [{"code": rule.code, "name": rule.name, "severity": str(rule.severity)} for rule in catalogue().values()]
    assert json.loads(ended.out) == known
    assert babysit.run("rules", "--json", tmp_path / "rules.json").code == 0
    assert json.loads((tmp_path / "rules.json").read_text()) == known


@pytest.mark.parametrize("command", ["rules", "report run", "judge run", "predict run data.csv"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    refused: Callable[..., str], command: str
) -> None:
    # there is no such run and no such data, which is what would be refused next
    line = refused(*command.split(), "--json", "nowhere/j.json")
    assert "nowhere/j.json: expected to be able to write there, found no folder nowhere" in line


def test_the_page_of_a_rule(babysit: Any) -> None:
    shown = babysit.run("rule", "LOS001").out
    assert "LOS001" in shown
    assert "nonfinite-loss" in shown
    assert "What it measures" in shown
    assert babysit.run("rule", "los001").out == shown


def test_pages_and_claims_are_told_where_the_terminal_knows_ascii_alone() -> None:
    pages = [(rule, _in_ascii(Markdown(page(rule)), 80)) for rule in catalogue().values()]
    claims = [plain(f"{claim.says} {claim.expected}", ascii_only=True) for claim in all_claims([])]
    assert "".join(claims).isascii()
    assert not [text for text in claims if "?" in text]
    for rule, text in pages:
        assert text.isascii()
        assert text.count("?") == page(rule).count("?"), "nothing that had no letters"
        assert all(len(line) <= 88 for line in text.splitlines())
    assert "sqrt(2/n_in)" in next(text for rule, text in pages if rule.code == "INI002")


def test_a_page_on_an_ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", file)
    show_rule("los007")
    file.seek(0)
    assert "error - The model ends in a softmax" in file.read()


def test_no_such_rule(refused: Callable[..., str]) -> None:
    assert "LOS001" in refused("rule", "LOS01")
    assert "babysit rules lists them" in refused("rule", "hopeless")

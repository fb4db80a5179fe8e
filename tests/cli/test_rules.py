from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babysit.rules._catalogue import catalogue


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
    page = babysit.run("rule", "LOS001").out
    assert "LOS001" in page
    assert "nonfinite-loss" in page
    assert "What it measures" in page
    assert babysit.run("rule", "los001").out == page


def test_no_such_rule(refused: Callable[..., str]) -> None:
    assert "LOS001" in refused("rule", "LOS01")
    assert "babysit rules lists them" in refused("rule", "hopeless")

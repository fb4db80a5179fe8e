from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babysit.errors import RunFolderError
from babysit.measure.record import read_run
from babysit.report.html import render, write_report
from babysit.report.plots import galleries
from babysit.report.summary import parse_summary
from babysit.storage import read_json

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}\x00\ud800"


class Page(HTMLParser):
    """Start tags with their attributes, and the text of scripts."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


@pytest.fixture(scope="module")
def content(finished: Path) -> str:
    return write_report(finished).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(content: str) -> Page:
    return Page(content)


def test_the_page_needs_no_network(page: Page, content: str) -> None:
    assert all(link.startswith(("#", "data:image/png")) for link in (*page.values("href"), *page.values("src")))
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "base", "form"}
    assert "@import" not in content
    assert "url(" not in content
    assert "//" not in re.sub(r"data:[^\"]*|// .*", "", content)


def test_its_policy_admits_its_own_script_alone(page: Page) -> None:
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes)
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_every_link_has_its_target(page: Page) -> None:
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    links = {link[1:] for link in page.values("href") if link.startswith("#")}
    assert links == {"finding-1", "finding-2"}
    assert links <= set(ids)


def test_every_picture_is_well_formed_and_named(content: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", content, re.DOTALL)
    assert len(pictures) == 12
    for picture in pictures:
        svg = ElementTree.fromstring(picture)
        assert (svg.attrib["role"], bool(svg.attrib["aria-label"])) == ("img", True)
        assert not re.search(r'="[^"]*\b(nan|inf)\b', re.sub(r"<title>.*?</title>", "", picture))


def test_all_parts_are_there(content: str) -> None:
    for words in (
        "1 warning",
        "Overfit 20 examples",
        "2.303, −ln(1/10)",
        "dropout 0 → 0.2",
        "subtract the mean image",
        "3 independent models",
        "babysit train cifar-10-batches-py --model mlp",
        "2.13.0",
    ):
        assert words in content


def test_the_same_records_give_the_same_bytes(finished: Path, content: str, tmp_path: Path) -> None:
    copy = shutil.copytree(finished, tmp_path / "copy")
    assert write_report(copy).read_bytes() == content.encode()


def test_a_regression_is_reported(build: Callable[..., Path], tmp_path: Path) -> None:
    content = write_report(build(tmp_path, "regression")).read_text(encoding="utf-8")
    assert "Predictions miss the truth by" in content
    assert "Test R²" in content
    assert "confusion" not in content.lower()


def test_nothing_from_data_becomes_markup(build: Callable[..., Path], tmp_path: Path) -> None:
    folder = build(tmp_path)
    for name in ("run.json", "report.json"):
        (folder / name).write_text(json.dumps(poison(read_json(folder / name))), encoding="utf-8")
    for name in ("steps.jsonl", "trials.jsonl"):
        lines = [json.dumps(poison(json.loads(line))) for line in (folder / name).read_text("utf-8").splitlines()]
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    content = write_report(folder).read_text(encoding="utf-8")
    (script,) = Page(content).scripts
    assert "alert(1)" not in script
    assert content.count("<script") == 1
    assert "{{ 7*7 }}" in content
    pictures = re.findall(r"<svg.*?</svg>", content, re.DOTALL)
    assert len(pictures) == 12
    for picture in pictures:
        assert not list(ElementTree.fromstring(picture).iter("script"))
    assert sum("7*7 }}" in picture for picture in pictures) >= 6


_STRUCTURE = {"kind", "task", "severity", "status", "split", "verdicts", "spec"}
_NAMED_BY_DATA = {"params", "ranges", "class_counts", "settings", "versions"}


def poison(value: Any, key: str = "") -> Any:
    """The same JSON value with a hostile text before every free text and every name that data chooses."""
    if isinstance(value, list):
        return [poison(item, key) for item in value]
    if isinstance(value, str):
        return value if key in _STRUCTURE or value in ("Infinity", "-Infinity", "NaN") else HOSTILE + value
    if not isinstance(value, dict):
        return value
    of_layers = str(value.get("name", "")).startswith("activations-")
    return {
        HOSTILE + name if key in _NAMED_BY_DATA or key == "of layers" else name: item
        if (name, value.get("kind")) == ("name", "probe")
        else poison(item, "of layers" if of_layers and name in ("numbers", "series") else name)
        for name, item in value.items()
    }


def paths(value: Any) -> list[tuple[str | int, ...]]:
    """Where each value inside a JSON value lies."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, item in items for rest in paths(item))]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def render_parsed(finished: Path, report: Any, weights: Path) -> str:
    run, summary = read_run(finished), parse_summary(report)
    return render(run, summary, galleries(run, summary, weights))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_to_the_results_stops_the_report(finished: Path, tmp_path: Path, data: st.DataObject) -> None:
    damaged = read_json(finished / "report.json")
    *way, last = data.draw(st.sampled_from(paths(damaged)[1:]))
    place = damaged
    for key in way:
        place = place[key]
    place[last] = data.draw(json_values)
    assert Page(render_parsed(finished, damaged, tmp_path)).scripts


@pytest.mark.parametrize(
    "kept", ["", "command", "findings", "data", "procedure", "search", "final", "test", "ensemble"]
)
def test_any_part_of_the_results_may_be_missing(finished: Path, tmp_path: Path, kept: str) -> None:
    report = read_json(finished / "report.json")
    alone = {kept: report[kept]} if kept else {}
    without = {name: value for name, value in report.items() if name != kept}
    for some in (alone, without):
        assert "Training loss" in render_parsed(finished, some, tmp_path)


def test_a_killed_run_is_judged_from_its_records(build: Callable[..., Path], tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "report.json").unlink()
    (folder / "trials.jsonl").unlink()
    steps = (folder / "steps.jsonl").read_bytes()
    (folder / "steps.jsonl").write_bytes(steps[: len(steps) // 3])
    content = write_report(folder).read_text(encoding="utf-8")
    assert "has not written its results" in content
    assert "final training loss" in content
    assert "Training loss: " in content


def test_a_run_that_has_only_begun_is_reported(build: Callable[..., Path], tmp_path: Path) -> None:
    folder = build(tmp_path)
    for name in ("report.json", "trials.jsonl", "steps.jsonl", "model.json", "model.safetensors"):
        (folder / name).unlink()
    assert "0 recorded steps" in write_report(folder).read_text(encoding="utf-8")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"run\.json"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_report_leaves_no_temporary_file(build: Callable[..., Path], tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = {path.name for path in folder.iterdir()}
    write_report(folder)
    assert {path.name for path in folder.iterdir()} - before == {"report.html"}


def test_reporting_imports_neither_torch_nor_matplotlib(finished: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from rich.console import Console; "
        "from babysit.report import html, terminal; folder = Path(sys.argv[1]); "
        "html.write_report(folder); terminal.print_summary(folder, Console()); "
        "sys.exit(bool({'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(finished)], stdout=subprocess.DEVNULL).returncode == 0

"""The lab's pages, read again as a browser would."""

from __future__ import annotations

import html
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown import markdown
from PIL import Image

from babysit.errors import RunFolderError
from babysit.lab import Bench, Row, Verdict, claims, sections
from babysit.lab.drawing import Picture
from babysit.lab.measures import Measure, below, told
from babysit.report import lab_page
from babysit.report.lab_docs import escape, slug, write_docs
from babysit.report.lab_page import write_lab
from babysit.rules import Finding, Severity

CLAIM = claims(["A1"])[0]
FINDING = Finding("ACT001", "dead-relu", Severity.ERROR, "94 % of *all* units", (), ("lower lr",), "lecture")

OTHER = replace(FINDING, code="LOS002", name="exploding-loss", message="the loss rose")


def png() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((1300, 700)).convert("RGB").save(out, "png")
    return out.getvalue()


PICTURE = Picture("A1-slope", "It falls to 4e-5 | at_the_end", "<svg/>", png(), "ACT001 dead-relu: 94 % of *all* units")
ROW = Row(
    CLAIM.id,
    CLAIM.says,
    CLAIM.expected,
    Verdict.SUBTLE,
    (
        below("σ′ | <at> 10_000", [4e-5, 6e-5, 5e-5], 5e-5),
        told("dead units", [0.1, 0.2], unit="%"),
        Measure("named by ACT001", (1.0, 0.0), "yes", False, "yes/no"),
        told("lost", math.nan),
    ),
    (PICTURE,),
    (FINDING, OTHER, OTHER),
    "Where *x* is [small], it isn't; <b>.",
    12.3,
)


def written(folder: Path, rows: list[Row], **bench: object) -> Path:
    run = folder / "run"
    run.mkdir()
    settings = {"quick": True, "seeds": (0, 1), "cifar10": None} | bench
    write_lab(run, rows, Bench(**settings), "babysit lab --out '/home/me/lab' --data cifar10=/home/me/c.zip --quick")
    write_docs(run, folder / "docs")
    return folder / "docs"


def rendered(page: Path) -> str:
    return markdown(page.read_text(), extensions=["tables", "attr_list", "fenced_code"])


def cells(page: str) -> list[list[str]]:
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", page, re.S)]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in rows]


@given(st.text(st.characters(blacklist_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), min_size=1))
@example("`code|table` and `code_x*` and `<b>`")
@example("` no code `")
@example("- no list")
@example("+ no list")
@example("10. no list")
@example("> &lt; &amp;amp; <b> | ~~no~~ | ![x](y) [z]: u `c` $x_1$ __b__ # h {#i}")
def test_text_stands_as_it_is(text: str) -> None:
    page = markdown(escape(text), extensions=["tables", "attr_list"])
    shown = html.unescape(re.sub("</?code>", "`", re.sub(r"^<p>|</p>$", "", page)))
    assert " ".join(shown.split()) == " ".join(text.split())


def test_numbers_and_verdicts_of_a_claim(tmp_path: Path) -> None:
    page = rendered(written(tmp_path, [ROW]) / "activation-functions.md")
    assert f'<h2 id="a1">A1. {CLAIM.says.removesuffix(".")}</h2>' in page
    assert "≈ more subtle" in page
    assert "Where *x* is [small], it isn't; &lt;b&gt;." in page
    assert cells(page) == [
        ["", "measured", "expected", ""],
        ["σ′ | <at> 10_000", "5e-5 (4e-5 … 6e-5)", "< 5e-05", "✗"],
        ["dead units", "15.0 % (10.0 % … 20.0 %)", "–", ""],
        ["named by ACT001", "1 of 2 times", "yes", "✗"],
        ["lost", "NaN", "–", ""],
    ]
    assert 'alt="It falls to 4e-5 | at_the_end" src="A1-slope.png"' in html.unescape(page)
    assert 'Found by its rule: <a href="../rules/ACT001.md">ACT001</a> dead-relu: 94 % of *all* units' in page
    assert '<a href="../rules/LOS002.md">LOS002</a> exploding-loss, 2 times; first: the loss rose' in page
    assert page.count("ACT001.md") == 1
    assert "&gt;&gt;&gt; import torch" in page


def test_the_overview_has_all_claims_and_says_how_it_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = next((claim for claim in claims() if claim.id != "A1"), replace(CLAIM, id="A2", says="Also"))
    monkeypatch.setattr(lab_page, "claims", lambda: (CLAIM, other))
    row = replace(ROW, id=other.id, says=other.says, expected="", verdict=Verdict.HOLDS, pictures=())
    folder = written(tmp_path, [ROW, row])
    page = rendered(folder / "index.md")
    assert [row[0] for row in cells(page) if row[0]] == ["A1", other.id]
    assert cells(page)[1][1:] == [CLAIM.says, CLAIM.expected, "σ′ | <at> 10_000: 5e-5 (4e-5 … 6e-5)", "≈ more subtle"]
    assert "2 claims: 1 holds, 1 is more subtle than the claim" in page
    assert "the quick, smaller run, with 2 seeds, on scikit-learn's digits" in page
    assert "babysit lab --data cifar10=PATH --quick\n" in page
    for name in ("index.md", "lab.json"):
        assert "/home/me" not in (folder / name).read_text()


def test_data_and_size_are_said(tmp_path: Path) -> None:
    folder = written(tmp_path, [ROW], quick=False, seeds=(0, 1, 2), cifar10=tmp_path / "c.zip")
    assert "the full run, with 3 seeds, on CIFAR-10;" in (folder / "index.md").read_text()
    assert str(tmp_path) not in (folder / "lab.json").read_text()


def test_every_section_has_a_page(tmp_path: Path) -> None:
    folder = written(tmp_path, [ROW])
    assert {path.name for path in folder.glob("*.md")} == {"index.md"} | {f"{slug(part)}.md" for part in sections()}
    assert "No claim of this section was measured" in (folder / "monitoring.md").read_text()


def test_pictures_are_small_and_old_ones_go(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/A9-old.png").write_bytes(b"")
    (tmp_path / "docs/old-section.md").write_text("")
    folder = written(tmp_path, [ROW])
    assert [path.name for path in folder.glob("*.png")] == ["A1-slope.png"]
    assert not (folder / "old-section.md").exists()
    with Image.open(folder / "A1-slope.png") as image:
        assert image.width == 900


def test_the_pages_can_be_written_again_from_themselves(tmp_path: Path) -> None:
    folder = written(tmp_path, [ROW])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_docs(folder, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert json.loads(before["lab.json"])["rows"][0]["measured"][0]["values"] == [4e-5, 6e-5, 5e-5]


def test_a_folder_without_a_run_or_a_picture_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = written(tmp_path, [ROW])
    with pytest.raises(RunFolderError, match="expected what babysit lab measured"):
        write_docs(tmp_path, folder)
    (tmp_path / "run/A1-slope.png").unlink()
    with pytest.raises(RunFolderError, match="expected a picture"):
        write_docs(tmp_path / "run", folder)
    assert (folder / "A1-slope.png").exists()

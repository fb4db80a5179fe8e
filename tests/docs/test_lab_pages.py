"""The committed pages of the lab belong to the claims that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from babysit.lab import claims
from babysit.report.lab_docs import write_docs
from babysit.report.shrink import BYTES, WIDTH

pytestmark = pytest.mark.skipif(len(claims()) < 50, reason="sections are on their way")

TODO = "run `make docs-lab`"


def test_every_claim_is_in_the_table(docs: Path) -> None:
    listed = re.findall(r"^\| \[([A-H]\d+)\]", (docs / "lab/index.md").read_text(), flags=re.MULTILINE)
    assert listed == [claim.id for claim in claims()], TODO


def test_the_table_is_of_a_full_run(docs: Path) -> None:
    document = json.loads((docs / "lab/lab.json").read_text())
    assert not document["quick"], TODO
    assert len(document["seeds"]) >= 5, TODO


def test_the_pages_are_as_the_catalogue_words_them(docs: Path, tmp_path: Path) -> None:
    write_docs(docs / "lab", tmp_path)
    for page in tmp_path.iterdir():
        todo = "run `python -m babysit.report.lab_docs docs/lab docs/lab`"
        assert page.read_bytes() == (docs / "lab" / page.name).read_bytes(), todo


def test_every_claim_has_a_picture_that_is_small(docs: Path) -> None:
    document = json.loads((docs / "lab/lab.json").read_text())
    named = {picture["file"] for row in document["rows"] for picture in row["pictures"]}
    assert {path.name for path in (docs / "lab").glob("*.png")} == named
    assert all(row["pictures"] for row in document["rows"])
    for name in named:
        path = docs / "lab" / name
        assert path.stat().st_size <= BYTES, name
        with Image.open(path) as image:
            assert image.width <= WIDTH, name

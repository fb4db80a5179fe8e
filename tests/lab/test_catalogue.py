import re
from pathlib import Path

import pytest

from babysit.errors import InputError
from babysit.lab import claims, sections

LECTURE = Path(__file__).resolve().parents[3] / "shared/LECTURE.md"


def test_sections_and_ids_are_in_order():
    assert [section.letter for section in sections()] == list("ABCDEFGH")
    for section in sections():
        numbers = [int(claim.id[1:]) for claim in section.claims]
        assert numbers == sorted(set(numbers))


@pytest.mark.skipif(not LECTURE.exists(), reason="the lecture's table is not here")
@pytest.mark.skipif(len(claims()) < 50, reason="sections are on their way")
def test_every_row_of_the_lecture_is_there():
    rows = set(re.findall(r"^\| ([A-G]\d+) \|", LECTURE.read_text(), flags=re.MULTILINE))
    assert len(rows) > 50
    assert rows <= {claim.id for claim in claims()}


def test_ids_choose():
    assert [claim.id for claim in claims(["a1"])] == ["A1"]
    assert {claim.section for claim in claims(["A"])} == {"A"}


@pytest.mark.parametrize("wrong", ["Z", "A999", "", "A1 A2", "sigmoid"])
def test_unknown_ids_are_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        claims([wrong])


def test_every_claim_shows_how_to_see_it_in_python():
    for claim in claims():
        assert claim.example.startswith(">>>"), claim.id

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from babysit.report.scale import Linear
from babysit.report.svg import Panel, escape, figure, shade, shorten, tag, text, text_width, wrap

SQUARE = Panel(Linear(0, 10, 0, 100), Linear(0, 10, 100, 0))


@given(st.text())
def test_any_text_becomes_well_formed_xml_that_says_the_same(content: str) -> None:
    element = ElementTree.fromstring(text(1, 2, f"<{content}"))
    same = [
        a == b or b == "\ufffd" for a, b in zip(f"<{content}".replace("\r", "\n"), element.text or "", strict=False)
    ]
    assert all(same)
    assert not list(element)


@given(st.text())
def test_any_text_is_safe_in_an_attribute(content: str) -> None:
    element = ElementTree.fromstring(figure("title", "", height=10, label=content or "x"))
    assert set(element.attrib) == {"class", "viewBox", "role", "aria-label"}


def test_escape_leaves_no_markup() -> None:
    assert escape("<script>\"'&\x00\ud800") == "&lt;script&gt;&quot;&#x27;&amp;\ufffd\ufffd"


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_ring_is_drawn_around_finite_points_alone(lost: float) -> None:
    ring = ElementTree.fromstring(SQUARE.ring(2, 5, radius=8)).attrib
    assert (ring["cx"], ring["cy"], ring["r"]) == ("20", "50", "8")
    assert SQUARE.ring(lost, 5) == SQUARE.ring(2, lost) == ""


def test_attributes_are_rounded_and_empty_ones_left_out() -> None:
    assert tag("line", class_="a", x1=1.04, x2=2.26, fill_opacity="") == '<line class="a" x1="1" x2="2.3"/>'


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=8), max_size=40))
def test_wrapping_loses_no_word_and_keeps_the_width(words: list[str]) -> None:
    lines = wrap(" ".join(words), 120, 12)
    assert " ".join(lines).split() == words
    assert all(text_width(line, 12) <= 120 for line in lines)


def test_a_word_too_long_for_a_line_is_cut() -> None:
    assert text_width(wrap("w" * 500, 200, 12)[0], 12) <= 200
    assert shorten("abc", 100) == "abc"


def test_estimated_widths_are_not_below_those_of_a_common_font() -> None:
    font = ImageFont.load_default(size=100)
    for sentence in ("Validation accuracy peaks at 98.1 % in epoch 24", "learning rate", "MNIST WWW 1,797"):
        assert text_width(sentence, 100) >= 0.95 * font.getlength(sentence)


def test_a_line_is_interrupted_where_a_value_is_missing() -> None:
    drawn = ElementTree.fromstring(SQUARE.line([0, 1, 2, 3], [0, np.nan, 5, np.inf], "c0"))
    assert drawn.attrib["d"] == "M0 100M20 50"


def test_dots_are_drawn_for_finite_values_only_with_their_tips() -> None:
    dots = ElementTree.fromstring(tag("g", SQUARE.dots([0, 5, 10], [1, np.nan, 10], "c0", ["a", "b", "c"])))
    assert [(dot.attrib["cx"], dot.attrib["cy"], dot[0].text) for dot in dots] == [("0", "90", "a"), ("100", "0", "c")]


def test_a_cross_of_an_infinite_value_is_at_the_upper_edge() -> None:
    assert SQUARE.cross(5, np.inf, "bad", arm=1) == '<path class="cross bad" d="M49 -1L51 1M49 1L51 -1"/>'
    assert SQUARE.cross(np.nan, 1, "bad") == ""


def test_an_area_is_the_same_from_any_corner() -> None:
    expected = '<rect class="band" x="20" y="50" width="30" height="20"/>'
    assert SQUARE.area((2, 5), (3, 5), "band") == SQUARE.area((5, 2), (5, 3), "band") == expected


def test_between_two_curves_goes_there_and_back() -> None:
    drawn = SQUARE.between([0, 5, 10], [1, 1, np.nan], [2, 3, 4], "gap")
    assert 'd="M0 90L50 90L50 70L0 80Z"' in drawn


@pytest.mark.parametrize(("share", "class_"), [(0, "v0"), (0.999, "v9"), (1, "v9"), (0.5, "v5"), (-1, "v0")])
def test_shade(share: float, class_: str) -> None:
    assert shade(share) == class_

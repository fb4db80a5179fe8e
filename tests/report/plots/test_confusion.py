from __future__ import annotations

import base64
import io
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from babysit.report.plots.confusion import confusion_matrix, strengths
from babysit.report.summary import Summary

COUNTS = [[90, 10, 0], [2, 48, 0], [0, 5, 15]]


def summary(confusion: Any, names: list[str] | None = None) -> Summary:
    return Summary(test={"confusion": confusion}, data={"class_names": names or []})


def test_counts_and_row_shares_stand_in_their_cells() -> None:
    svg = ElementTree.fromstring(confusion_matrix(summary(COUNTS, ["cat", "dog", "cow"])))
    cells = [cell for cell in svg.iter("rect") if cell.attrib["class"].startswith("cell")]
    assert cells[1][0].text == "cat taken for dog: 10, 10.0 % of its row"
    assert [cell.attrib["class"] for cell in cells] == [
        "cell right" if place in (0, 4, 8) else "cell wrong" for place in range(9)
    ]
    written = [item.text for item in svg.iter("text") if item.attrib["class"].startswith("cell-count")]
    assert written == ["90", "90 %", "10", "10 %", "2", "4 %", "48", "96 %", "5", "25 %", "15", "75 %"]


def test_the_title_names_the_commonest_mistake() -> None:
    label = ElementTree.fromstring(confusion_matrix(summary(COUNTS))).attrib["aria-label"]
    assert label.endswith("153 of 170 test examples are right; most often wrong: 0 taken for 1 (10 times)")
    perfect = ElementTree.fromstring(confusion_matrix(summary([[3, 0], [0, 4]]))).attrib["aria-label"]
    assert perfect.endswith("7 of 7 test examples are right")


def test_strengths_are_shares_if_right_and_relative_if_wrong() -> None:
    shares, strength = strengths(np.array(COUNTS, dtype=float))
    assert shares.sum(axis=1) == pytest.approx([1, 1, 1])
    assert np.diag(strength) == pytest.approx([0.9, 0.96, 0.75])
    assert strength[2, 1] == 1
    assert strength[0, 1] == pytest.approx(np.sqrt(0.1 / 0.25))


@pytest.mark.parametrize(("classes", "detailed"), [(10, True), (11, False), (20, False)])
def test_shares_are_left_out_where_cells_are_small(classes: int, detailed: bool) -> None:
    svg = ElementTree.fromstring(confusion_matrix(summary((9 * np.eye(classes, dtype=int)).tolist())))
    written = [item.text for item in svg.iter("text") if item.attrib["class"].startswith("cell-count")]
    assert len(written) == classes * (2 if detailed else 1)


def test_many_classes_are_a_heat_map_of_the_strengths() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (25, 25))
    svg = ElementTree.fromstring(confusion_matrix(summary(counts.tolist())))
    content = next(svg.iter("image")).attrib["href"].split(",")[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert pixels[..., 3] / 255 == pytest.approx(strengths(counts.astype(float))[1], abs=0.003)
    assert pixels[3, 3, 2] > pixels[3, 3, 0]
    assert pixels[3, 4, 0] > pixels[3, 4, 2]
    assert not [item for item in svg.iter("text") if item.attrib["class"].startswith("cell-count")]


def test_counts_that_are_wider_than_their_cell_are_set_smaller() -> None:
    counts = (1234 * np.eye(20, dtype=int)).tolist()
    counts[0][0], counts[1][1] = 7, 123_456
    svg = ElementTree.fromstring(confusion_matrix(summary(counts)))
    written = {item.text: item.attrib["class"] for item in svg.iter("text") if "cell-count" in item.attrib["class"]}
    assert written == {"7": "cell-count strong", "123k": "cell-count small strong", "1234": "cell-count small strong"}


def test_a_class_without_examples_is_drawn() -> None:
    assert "0 of 0" in confusion_matrix(summary([[0]]))


@pytest.mark.parametrize("odd", [[], [[1, 2]], [[1, 2], [3]], "x", [["a"]], [["NaN"]], [[-1]], [1], None, [[None]]])
def test_what_is_no_matrix_of_counts_is_not_drawn(odd: Any) -> None:
    assert confusion_matrix(summary(odd)) == ""

"""The test split of a classification: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babysit.report.formatting import percent, plural
from babysit.report.plots.images import data_uri
from babysit.report.summary import Summary, entries
from babysit.report.svg import WIDTH, figure, shorten, tag, text, text_width, tip

Floats = NDArray[np.float64]

_MOST_NUMBERED, _MOST_DETAILED = 20, 10
_BLUE, _VERMILLION = (0, 114, 178), (213, 94, 0)
_STRONG = 0.6


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells of a matrix lie."""

    left: float
    top: float
    cell: float

    def middle(self, place: int) -> float:
        """Offset of a row's or column's middle."""
        return (place + 0.5) * self.cell


def confusion_matrix(summary: Summary) -> str:
    """True against predicted class: counts and row shares; colours alone for more than twenty classes."""
    counts = _counts(summary)
    if counts is None:
        return ""
    names = _class_names(summary, len(counts))
    draw = _numbered if len(counts) <= _MOST_NUMBERED else _heat_map
    body, height = draw(counts, names)
    return figure(
        _title(counts, names),
        body,
        height=height,
        note="A row holds the examples of one true class. Blue: right. Orange: wrong, the stronger the more frequent.",
        label="Confusion matrix",
    )


def strengths(counts: Floats) -> tuple[Floats, Floats]:
    """Row shares, and how strongly to colour each cell: its share if right, relative to the worst error if wrong.

    Args:
        counts: Examples by true and predicted class, ``(n, n)``.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = shares * (1 - np.eye(len(counts)))
    strength = np.sqrt(wrong / max(float(wrong.max()), 0.05))
    np.fill_diagonal(strength, np.diag(shares))
    return shares, strength


def _counts(summary: Summary) -> Floats | None:
    try:
        counts = np.asarray(entries(summary.test, "confusion"), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1]
    return counts if square and np.isfinite(counts).all() and counts.min() >= 0 else None


def _class_names(summary: Summary, classes: int) -> list[str]:
    names = [str(name) for name in entries(summary.data, "class_names")]
    return names if len(names) == classes else [str(index) for index in range(classes)]


def _numbered(counts: Floats, names: Sequence[str]) -> tuple[str, float]:
    longest = max(text_width(name, 11.5) for name in names)
    left = 24 + min(110.0, longest + 8)
    cell = min(46.0, (WIDTH - left - 40) / len(names))
    slanted = longest > cell - 3
    grid = _Grid(left, 22 + (min(78.0, 0.75 * longest + 12) if slanted else 16.0), cell)
    shares, strength = strengths(counts)
    parts = _names(grid, names, slanted)
    for row, column in np.ndindex(*counts.shape):
        count, share, strong = (float(table[row, column]) for table in (counts, shares, strength))
        hint = f"{names[row]} taken for {names[column]}: {count:,.0f}, {percent(share)} of its row"
        parts.append(_cell(grid, row, column, strong, hint))
        if count:
            detail = percent(share, 0) if len(names) <= _MOST_DETAILED else ""
            parts.append(_numbers(grid, row, column, (_brief(count), detail), strong > _STRONG))
    return "".join(parts), grid.top + cell * len(names) + 4


def _names(grid: _Grid, names: Sequence[str], slanted: bool) -> list[str]:
    centre = grid.middle(len(names)) / 2
    down = f"translate(10 {grid.top + centre:.1f}) rotate(-90)"
    parts = [
        text(grid.left + centre, 12, "predicted class", "axis-label", "middle"),
        text(0, 0, "true class", "axis-label", "middle", down),
    ]
    for place, name in enumerate(names):
        x, y = grid.left + grid.middle(place), grid.top + grid.middle(place)
        parts.append(text(grid.left - 6, y + 4, shorten(name, 106, 11.5), "tick", "end"))
        if slanted:
            turned = f"translate({x:.1f} {grid.top - 6:.1f}) rotate(-48)"
            parts.append(text(0, 0, shorten(name, 92, 11.5), "tick", "", turned))
        else:
            parts.append(text(x, grid.top - 7, name, "tick", "middle"))
    return parts


def _cell(grid: _Grid, row: int, column: int, strength: float, hint: str) -> str:
    return tag(
        "rect",
        tip(hint),
        class_="cell right" if row == column else "cell wrong",
        x=grid.left + column * grid.cell,
        y=grid.top + row * grid.cell,
        width=grid.cell - 1,
        height=grid.cell - 1,
        fill_opacity=f"{strength:.2f}",
    )


def _numbers(grid: _Grid, row: int, column: int, lines: tuple[str, str], strong: bool) -> str:
    x, y = grid.left + grid.middle(column), grid.top + grid.middle(row)
    count, share = lines
    small = " small" if text_width(count, 12) > grid.cell - 3 else ""
    ink = f"cell-count{small}{' strong' if strong else ''}"
    if not share:
        return text(x, y + 4, count, ink, "middle")
    return text(x, y, count, ink, "middle") + text(x, y + 13, share, f"{ink} share", "middle")


def _brief(count: float) -> str:
    """At most four characters for what is below a million."""
    return f"{count:.0f}" if count < 10_000 else f"{count / 1000:.0f}k"


def _heat_map(counts: Floats, names: Sequence[str]) -> tuple[str, float]:
    """One pixel a cell, of strength as its opacity so that it suits light and dark pages."""
    pixels = np.empty((*counts.shape, 4), dtype=np.uint8)
    pixels[..., :3] = _VERMILLION
    pixels[np.arange(len(names)), np.arange(len(names)), :3] = _BLUE
    pixels[..., 3] = np.round(255 * np.clip(strengths(counts)[1], 0, 1))
    size = 430.0
    image = tag("image", class_="pixels", href=data_uri(pixels), x=90.0, y=22.0, width=size, height=size)
    frame = tag("rect", class_="frame", x=90.0, y=22.0, width=size, height=size)
    parts = [
        image,
        frame,
        text(90 + size / 2, 12, f"predicted class (1 to {len(names)}, left to right)", "axis-label", "middle"),
        text(0, 0, "true class", "axis-label", "middle", f"translate(10 {22 + size / 2:g}) rotate(-90)"),
        text(84, 34, shorten(names[0], 62, 11.5), "tick", "end"),
        text(84, 20 + size, shorten(names[-1], 62, 11.5), "tick", "end"),
    ]
    return "".join(parts), size + 28


def _title(counts: Floats, names: Sequence[str]) -> str:
    right, total = float(np.trace(counts)), float(counts.sum())
    made = f"{right:,.0f} of {total:,.0f} test examples are right"
    wrong = counts * (1 - np.eye(len(counts)))
    if not wrong.any():
        return made
    row, column = divmod(int(wrong.argmax()), len(names))
    return (
        f"{made}; most often wrong: {names[row]} taken for {names[column]} ({plural(int(wrong[row, column]), 'time')})"
    )

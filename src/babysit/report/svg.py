"""The few SVG shapes the pictures are made of; all text is escaped, all colours are CSS classes of the page.

Colours: ``c0`` to ``c6`` are the Okabe–Ito palette, ``v0`` to ``v9`` steps of viridis; both have a version for dark
pages (`templates/figure.css`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from babysit.report.scale import Scale, Tick

WIDTH = 560.0
SHADES = 10

_BOLD = 1.1  # how much wider bold letters are

_ILLEGAL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[] "), frozenset("mwMWQO@%→−")


def escape(text: str) -> str:
    """Text as it may stand in XML: markup escaped, characters XML forbids replaced.

    Example:
        >>> escape("<b>a & b</b>")
        '&lt;b&gt;a &amp; b&lt;/b&gt;'
    """
    return html.escape(_ILLEGAL.sub("\ufffd", text))


def tag(name: str, *children: str, **attributes: str | float) -> str:
    """One element; children are markup, attributes are escaped, ``class_`` is ``class`` and ``_`` stands for ``-``.

    Example:
        >>> tag("circle", class_="dot", cx=1.25, r=3)
        '<circle class="dot" cx="1.2" r="3"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    content = "".join(children)
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(x: float, y: float, content: str, class_: str = "", anchor: str = "", transform: str = "") -> str:
    """One line of text; ``anchor`` is ``"middle"``, ``"end"`` or the default, the start."""
    return tag("text", escape(content), class_=class_, x=x, y=y, text_anchor=anchor, transform=transform)


def tip(content: str) -> str:
    """What is shown while the pointer rests on the shape this is a child of."""
    return tag("title", escape(content)) if content else ""


def text_width(content: str, size: float = 12.0) -> float:
    """Width in pixels of sans-serif text of a font size, estimated for a wide font such as Verdana."""
    widths = (0.35 if c in _NARROW else 0.93 if c in _WIDE else 0.68 if c.isupper() else 0.62 for c in content)
    return size * sum(widths)


def wrap(content: str, width: float, size: float) -> list[str]:
    """Break text into lines of at most ``width`` pixels; a longer word is cut."""
    lines: list[str] = []
    for word in content.split():
        word = shorten(word, width, size)
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def shorten(content: str, width: float, size: float = 12.0) -> str:
    """Cut text to ``width`` pixels, with an ellipsis where something is left out."""
    if text_width(content, size) <= width:
        return content
    kept = len(content)
    while kept and text_width(content[:kept] + "…", size) > width:
        kept -= 1
    return content[:kept] + "…"


def shade(share: float) -> str:
    """The viridis class of a share of 0 to 1."""
    return f"v{min(SHADES - 1, max(0, int(share * SHADES)))}"


def figure(
    title: str, body: str, *, height: float, legend: Sequence[tuple[str, str]] = (), note: str = "", label: str = ""
) -> str:
    """A whole picture: title, legend, ``body`` of that height and a note, one below the other.

    Args:
        title: What the picture shows, as a sentence with its numbers.
        body: Markup, drawn from (0, 0).
        height: Height of the body.
        legend: ``(class of the swatch, text)`` of each series.
        note: How to read it, in small type.
        label: What a screen reader says before the title, such as ``"Line chart"``.
    """
    titles = wrap(title, WIDTH, 15 * _BOLD)
    parts = [text(0, 15 + 19 * index, line, "figure-title") for index, line in enumerate(titles)]
    y = 19.0 * len(titles) + 8
    swatches, used = _legend(legend, y)
    y += used
    parts += [swatches, tag("g", body, transform=f"translate(0 {_attribute(y)})")]
    y += height
    notes = wrap(note, WIDTH, 11.5)
    parts += [text(0, y + 14 + 15 * index, line, "figure-note") for index, line in enumerate(notes)]
    y += 15 * len(notes) + 6
    spoken = f"{label}: {title}" if label else title
    return tag("svg", *parts, class_="figure", viewBox=f"0 0 {WIDTH:g} {_attribute(y)}", role="img", aria_label=spoken)


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle with an x and a y scale, and the marks one can draw in it."""

    x: Scale
    y: Scale

    def axes(self, x_label: str, y_label: str, *, x_ticks: int = 6, y_ticks: int = 5) -> str:
        """Grid lines, ticks and the axes' labels."""
        across = [tick for tick in self.x.ticks(x_ticks) if self.x.holds(tick[0])]
        up = [tick for tick in self.y.ticks(y_ticks) if self.y.holds(tick[0])]
        middle, centre = (self.x.start + self.x.end) / 2, (self.y.start + self.y.end) / 2
        return "".join(
            [
                *(self._y_tick(tick) for tick in up),
                *(self._x_tick(tick) for tick in across),
                tag("line", class_="axis", x1=self.x.start, x2=self.x.end, y1=self.y.start, y2=self.y.start),
                text(middle, self.y.start + 34, x_label, "axis-label", "middle") if x_label else "",
                text(0, 0, y_label, "axis-label", "middle", f"translate(12 {centre:.1f}) rotate(-90)"),
            ]
        )

    def line(self, xs: ArrayLike, ys: ArrayLike, class_: str, hint: str = "") -> str:
        """A line through points, interrupted where a value is not finite."""
        return tag("path", tip(hint), class_=f"line {class_}", d=_path(self.x(xs), self.y(_finite(ys))))

    def dots(self, xs: ArrayLike, ys: ArrayLike, class_: str, tips: Sequence[str] = (), radius: float = 3) -> str:
        """A dot at every finite point, with what to show on hovering."""
        pairs = zip(self.x(xs), self.y(_finite(ys)), tips or [""] * np.size(xs), strict=True)
        return "".join(
            tag("circle", tip(hint), class_=f"dot {class_}", cx=x, cy=y, r=radius)
            for x, y, hint in pairs
            if np.isfinite(x + y)
        )

    def ring(self, x: float, y: float, radius: float = 7) -> str:
        """A ring around a point; nothing where it is not finite, as a conditional hyperparameter may be missing."""
        if not np.isfinite(x + y):
            return ""
        return tag("circle", class_="ring", cx=self.x.at(x), cy=self.y.at(y), r=radius)

    def cross(self, x: float, y: float, class_: str, hint: str = "", arm: float = 3.5) -> str:
        """A × at a point; a y that is not finite is drawn at the upper edge."""
        if np.isnan(x):
            return ""
        px, py = self.x.at(x), self.y.at(y) if np.isfinite(y) else self.y.end
        low_x, high_x, low_y, high_y = (_attribute(v) for v in (px - arm, px + arm, py - arm, py + arm))
        path = f"M{low_x} {low_y}L{high_x} {high_y}M{low_x} {high_y}L{high_x} {low_y}"
        return tag("path", tip(hint), class_=f"cross {class_}", d=path)

    def level(self, y: float, class_: str, label: str = "", *, under: bool = False) -> str:
        """A horizontal line across the panel, its label above its right end, or ``under`` it."""
        at = self.y.at(y)
        drawn = tag("line", class_=class_, x1=self.x.start, x2=self.x.end, y1=at, y2=at)
        high, low = at > self.y.end + 14, at < self.y.start - 17
        above = at - 5 if high and not (under and low) else at + 13
        return drawn + (text(self.x.end - 4, above, label, "mark-label halo", "end") if label else "")

    def upright(self, x: float, class_: str, label: str = "") -> str:
        """A vertical line through the panel, its label beside its lower end."""
        at = self.x.at(x)
        drawn = tag("line", class_=class_, x1=at, x2=at, y1=self.y.start, y2=self.y.end)
        fits = at + text_width(label, 11) + 6 < self.x.end
        return drawn + text(at + (5 if fits else -5), self.y.start - 8, label, "mark-label halo", "" if fits else "end")

    def area(self, x: tuple[float, float], y: tuple[float, float], class_: str, hint: str = "") -> str:
        """A filled rectangle between two x and two y values."""
        (left, right), (bottom, top) = sorted(self.x(x)), sorted(self.y(y), reverse=True)
        size = {"width": float(right - left), "height": float(bottom - top)}
        return tag("rect", tip(hint), class_=class_, x=float(left), y=float(top), **size)

    def between(self, xs: ArrayLike, lower: ArrayLike, upper: ArrayLike, class_: str) -> str:
        """The area between two curves over the same x; drawn over the points where both are finite."""
        known = np.isfinite(_finite(lower) + _finite(upper))
        px = self.x(xs)[known]
        outline = np.concatenate([px, px[::-1]]), np.append(self.y(lower)[known], self.y(upper)[known][::-1])
        return tag("path", class_=class_, d=f"{_path(*outline)}Z") if px.size else ""

    def _x_tick(self, tick: Tick) -> str:
        at = self.x.at(tick[0])
        grid = tag("line", class_="grid", x1=at, x2=at, y1=self.y.start, y2=self.y.end)
        return grid + text(at, self.y.start + 16, tick[1], "tick", "middle")

    def _y_tick(self, tick: Tick) -> str:
        at = self.y.at(tick[0])
        grid = tag("line", class_="grid", x1=self.x.start, x2=self.x.end, y1=at, y2=at)
        return grid + text(self.x.start - 6, at + 4, tick[1], "tick", "end")


def colour_bar(low: str, high: str, name: str, y: float) -> str:
    """The ten viridis steps with the values at their ends, right-aligned above a panel."""
    left = WIDTH - 14 - text_width(high, 11.5) - 6 - SHADES * 10
    blocks = "".join(
        tag("rect", class_=f"fill v{index}", x=left + 10 * index, y=y, width=10, height=9) for index in range(SHADES)
    )
    before, after = text(left - 6, y + 9, f"{name} {low}", "legend", "end"), text(left + 106, y + 9, high, "legend")
    return before + blocks + after


def _legend(entries: Iterable[tuple[str, str]], y: float) -> tuple[str, float]:
    """The legend's markup and the height it takes, in as many rows as it needs."""
    parts: list[str] = []
    x, row = 0.0, 0
    for class_, label in entries:
        wide = 22 + text_width(label, 11.5) + 16
        if x and x + wide > WIDTH:
            x, row = 0.0, row + 1
        top = y + 18 * row
        parts.append(tag("line", class_=f"swatch {class_}", x1=x, x2=x + 16, y1=top + 6, y2=top + 6))
        parts.append(text(x + 22, top + 10, label, "legend"))
        x += wide
    return "".join(parts), 18.0 * (row + 1) + 4 if parts else 0.0


def _path(xs: ArrayLike, ys: ArrayLike) -> str:
    commands: list[str] = []
    pen = "M"
    for x, y in zip(np.asarray(xs), np.asarray(ys), strict=True):
        if not np.isfinite(x + y):
            pen = "M"
            continue
        commands.append(f"{pen}{_attribute(float(x))} {_attribute(float(y))}")
        pen = "L"
    return "".join(commands)


def _finite(values: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    numbers = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _attribute(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.1f}".removesuffix(".0")

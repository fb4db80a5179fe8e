"""The look of the lab's pictures, and their files: the same figure as SVG for the page and as PNG for the docs.

Colours are those of Okabe and Ito and of cividis, which colour-blind readers tell apart and printers keep apart; lines
of one picture differ in their dashes too.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from babysit.lab.section import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#1C1E21", "#8A9097",
)  # fmt: skip
COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK)
"""In the order in which series take them."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)), (0, (8, 2)), "-")
"""Of the same series."""
SHADES = "cividis"
"""The colour map of quantities."""
SIGNS = "PuOr"
"""The colour map of quantities with a sign."""

_DPI = 150
_SMALL = 0.01
_TITLE_WIDTH = 11.5  # letters an inch of the title's font

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5B6168",
    "axes.grid": True,
    "grid.color": "#E3E5E8",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.color": "#5B6168",
    "ytick.color": "#5B6168",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "image.cmap": SHADES,
    "svg.fonttype": "path",  # the page looks the same where the font is missing
    "svg.hashsalt": "babysit",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class Picture:
    """A drawn picture.

    Attributes:
        name: Of its files, such as ``"A1-saturation"``.
        title: What it shows, as a sentence.
        svg: One ``<svg>`` element.
        png: The same as a PNG file.
        finding: What the rules said of it, in one line; ``""`` where it is no training.
    """

    name: str
    title: str
    svg: str
    png: bytes
    finding: str = ""

    @property
    def file(self) -> str:
        """Of the PNG."""
        return f"{self.name}.png"

    def to_json(self) -> dict[str, str]:
        """What a page needs to show the file."""
        return {"file": self.file, "title": self.title, "finding": self.finding}


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return find_spec("matplotlib") is not None


def render(drawing: Drawing, claim: str) -> Picture:
    """Draw a picture into SVG and PNG; the same drawing gives the same bytes.

    Args:
        drawing: What to draw.
        claim: The claim's id.
    """
    with figure(drawing.size) as canvas:
        drawing.draw(canvas)
        lines = textwrap.wrap(drawing.title, int(drawing.size[0] * _TITLE_WIDTH))
        canvas.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10, fontweight="bold")
        svg, png = io.StringIO(), io.BytesIO()
        canvas.savefig(svg, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        canvas.savefig(png, format="png", dpi=_DPI, metadata={"Software": None})
    name = f"{claim}-{drawing.name}"
    finding = f"{drawing.finding.code} {drawing.finding.name}: {drawing.finding.message}" if drawing.finding else ""
    return Picture(name, drawing.title, _element(svg.getvalue(), name, drawing.title), png.getvalue(), finding)


@contextmanager
def figure(size: tuple[float, float]) -> Iterator[Figure]:
    """An empty figure in the lab's style; matplotlib's settings and back end are left as they were."""
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {**_STYLE, "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES)}
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("error")  # a picture that matplotlib complains of is not right
        canvas = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(canvas)
        yield canvas


def short(value: float, digits: int = 2) -> str:
    """A number for titles and labels, with an exponent where it is small or large.

    Example:
        >>> short(0.0234), short(2.94e-7), short(75000.0), short(2.30259, 5), short(3e-3)
        ('0.023', '2.9e-7', '7.5e4', '2.3026', '3e-3')
    """
    text = f"{value:.{digits - 1}e}" if 0 < abs(value) < _SMALL else f"{value:.{digits}g}"
    return re.sub(r"(\.0+|(\.\d*?)0+)?e\+?(-?)0*(\d)", r"\2e\3\4", text)


def label_lines(axes: Axes) -> None:
    """Write each line's label at its right end in its colour, where a legend would be far from the eye."""
    for line in axes.get_lines():
        label = str(line.get_label())
        if label.startswith("_"):
            continue
        xs, ys = line.get_xdata(), line.get_ydata()
        axes.annotate(
            label,
            (float(xs[-1]), float(ys[-1])),  # type: ignore[index, arg-type]
            xytext=(4, 0),
            textcoords="offset points",
            color=line.get_color(),
            va="center",
            fontsize=8,
        )


def _element(document: str, name: str, title: str) -> str:
    """The ``<svg>`` element alone, its ids made unique in a page, with a title for screen readers."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()

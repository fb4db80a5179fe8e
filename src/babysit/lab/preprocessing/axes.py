"""Axes that read well: epochs in whole numbers, logarithmic scales of a decade or two with plain labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers alone: layers, epochs."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def plain_log(axis: Axis, *subs: float) -> None:
    """A logarithmic axis that is labelled 0.1, 0.2, 0.5, 1 rather than in powers of ten.

    Args:
        axis: Of logarithmic scale already.
        *subs: Multiples of each power of ten that get a label; 1, 2 and 5 by default.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=subs or (1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())

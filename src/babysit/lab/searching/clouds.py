"""A search as a cloud: where its trials lie, how well they did, and the ranges its rounds drew from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from babysit.lab.drawing import BLACK, COLOURS, DASHES, RED
from babysit.measure.record import RoundRecord, TrialRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "D", "^", "v", "P")


def draw_cloud(
    figure: Figure, axes: Axes, trials: Sequence[TrialRecord], rounds: Sequence[RoundRecord], names: tuple[str, str]
) -> None:
    """Trials in the plane of two hyperparameters, coloured by score, and an outline a round.

    Args:
        figure: For the scale of colours.
        axes: Where to draw.
        trials: Of a search.
        rounds: Likewise.
        names: The hyperparameters across and up, both drawn on logarithmic scales.
    """
    across, up = names
    scores = np.array([trial.score for trial in trials if np.isfinite(trial.score)])
    low, high = 100 * float(np.quantile(scores, 0.2)), 100 * float(scores.max())
    lost = [trial for trial in trials if not np.isfinite(trial.score)]
    axes.plot(
        [trial.params[across] for trial in lost], [trial.params[up] for trial in lost],
        linestyle="none", marker="x", markersize=5, color=RED, label="killed",
    )  # fmt: skip
    shades = None
    for record in rounds:
        known = [trial for trial in trials if trial.round == record.number and np.isfinite(trial.score)]
        if not known:
            continue
        shades = axes.scatter(
            [trial.params[across] for trial in known], [trial.params[up] for trial in known],
            c=[100 * trial.score for trial in known], vmin=low, vmax=high, s=26, marker=_MARKERS[record.number % 6],
            edgecolors=BLACK, linewidths=0.4, zorder=3, label=f"{_name(record)} ({record.epochs:g} epochs)",
        )  # fmt: skip
    for record in rounds:
        if record.name != "final":
            _outline(axes, record, across, up)
    axes.set(xscale="log", yscale="log", xlabel=_named(across), ylabel=_named(up))
    if shades is not None:
        figure.colorbar(shades, ax=axes, label="validation accuracy (%)", extend="min", pad=0.02)


def _outline(axes: Axes, record: RoundRecord, across: str, up: str) -> None:
    """The rectangle that a round drew from, and its name inside a corner."""
    x, y = record.ranges[across], record.ranges[up]
    assert x.low is not None
    assert x.high is not None
    assert y.low is not None
    assert y.high is not None
    colour, dashes = COLOURS[record.number % 6], DASHES[record.number % 6]
    axes.plot(
        [x.low, x.high, x.high, x.low, x.low], [y.low, y.low, y.high, y.high, y.low],
        color=colour, linestyle=dashes, linewidth=1.4, marker="none",
    )  # fmt: skip
    # at another corner than the one before, which may lie close by
    x_at, y_at, offset, side = [(x.low, y.high, (2, 3), "left"), (x.high, y.low, (-2, -10), "right")][
        record.number // 2 % 2
    ]
    axes.annotate(
        _name(record), (x_at, y_at), xytext=offset, textcoords="offset points", color=colour, fontsize=8.5, ha=side,
        annotation_clip=False,
    )  # fmt: skip


def _name(record: RoundRecord) -> str:
    return f"{record.number + 1} {record.name}"


def _named(name: str) -> str:
    return {"lr": "learning rate", "l2": "L2 strength"}.get(name, name)

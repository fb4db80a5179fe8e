"""What each layer put out over the whole training: its quantiles at the recorded steps, one row a layer."""

from __future__ import annotations

import numpy as np

from babysit.measure.record import LayerStats, RunRecord
from babysit.report import scale
from babysit.report.formatting import number
from babysit.report.plots.curves import decimate
from babysit.report.plots.layers import labels, thin
from babysit.report.scale import Floats
from babysit.report.svg import WIDTH, Panel, figure, shorten, tag, text

_LEFT, _RIGHT = 132.0, WIDTH - 92
_ROW, _TALL = 46.0, 34.0
_MOST_STEPS = 120
_LEAST_STEPS = 2
_LOW, _LOWER, _MIDDLE, _UPPER, _HIGH = 1, 2, 3, 4, 5
"""Places of the 5, 25, 50, 75 and 95 % quantiles in a record."""

Layer = tuple[Floats, Floats, tuple[float, float]]
"""Steps, quantiles ``(steps, 7)``, and the standard deviation at the first and at the last of them."""


def activation_bands(run: RunRecord) -> str:
    """The middle half and the middle nine tenths of each layer's outputs at the recorded steps."""
    called = labels(run)
    layers = {called[module]: found for module in _in_order(run) if (found := _quantiles(run, module)) is not None}
    if not layers or any(run.probe(name) for name in ("activations-initial", "activations-final")):
        return ""
    shown = thin(list(layers))
    low, high = run.steps[0].step, run.steps[-1].step
    across = scale.linear([float(low), float(high)], _LEFT, _RIGHT, pad=0.0)
    rows = [_row(place, module, layers[module], across) for place, module in enumerate(shown)]
    below = 18 + _ROW * len(shown)
    ends = text(_LEFT, below + 10, f"step {low:,}", "tick") + text(_RIGHT, below + 10, f"{high:,}", "tick", "end")
    heading = text(_RIGHT + 10, 10, "std", "panel-title")
    return figure(
        _title(layers),
        "".join([heading, *rows, ends]),
        height=below + 16,
        note="Dark: the middle half of a layer's outputs; light: 5 % to 95 %; line: the median; dashed: zero. "
        "Each row has a y axis of its own.",
        label="Area charts",
    )


def _in_order(run: RunRecord) -> list[str]:
    """All modules, in the order of the forward pass: not every record has all of them."""
    fullest = max(run.steps, key=lambda record: len(record.layers), default=None)
    first = [] if fullest is None else [layer.module for layer in fullest.layers]
    return list(dict.fromkeys([*first, *run.modules]))


def _quantiles(run: RunRecord, module: str) -> Layer | None:
    points = [(step, layer) for step, layer in run.layer(module) if _is_known(layer)]
    if len(points) < _LEAST_STEPS:
        return None
    steps = np.array([float(step) for step, _ in points])
    values = np.array([layer.quantiles for _, layer in points], dtype=np.float64)
    first, last = (float(points[place][1].std or 0.0) for place in (0, -1))
    return steps, values, (first, last)


def _is_known(layer: LayerStats) -> bool:
    return layer.quantiles is not None and len(layer.quantiles) == 7 and layer.std is not None


def _row(place: int, module: str, layer: Layer, across: scale.Linear) -> str:
    steps, values, stds = layer
    kept = np.isin(steps, decimate(steps, values[:, _MIDDLE], _MOST_STEPS)[0])
    steps, values = steps[kept], values[kept]
    top = 16 + _ROW * place
    shown = values[:, [_LOW, _HIGH]]
    panel = Panel(across, scale.linear(shown, top + _TALL, top, include=[0.0]))
    zero = panel.y.at(0.0)
    return "".join(
        [
            text(0, top + 0.6 * _TALL, shorten(module[::-1], _LEFT - 14)[::-1], "tick-name"),
            panel.between(steps, values[:, _LOW], values[:, _HIGH], "spread c0"),
            panel.between(steps, values[:, _LOWER], values[:, _UPPER], "spread c0"),
            tag("line", class_="range", x1=_LEFT, x2=_RIGHT, y1=zero, y2=zero),
            panel.line(steps, values[:, _MIDDLE], "c0 fine", _hint(module, steps, values)),
            text(_RIGHT + 10, top + 0.6 * _TALL, f"{number(stds[0], 2)} → {number(stds[1], 2)}", "tick"),
        ]
    )


def _hint(module: str, steps: Floats, values: Floats) -> str:
    said = [
        f"step {steps[place]:,.0f}: {number(values[place, _LOW], 2)} to {number(values[place, _HIGH], 2)}"
        for place in (0, -1)
    ]
    return f"{module}, 5 % to 95 %: {'; '.join(said)}"


def _title(layers: dict[str, Layer]) -> str:
    first, last = next(iter(layers)), list(layers)[-1]
    (a, b), (c, d) = layers[first][2], layers[last][2]
    return (
        f"Spread (std) of what layers put out, from the first step to the last: {number(a, 2)} to {number(b, 2)} in "
        f"{first}, {number(c, 2)} to {number(d, 2)} in {last}"
    )

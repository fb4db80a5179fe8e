"""What went on inside the network: the size of each layer's updates and the spread of its activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from babysit.measure.record import Probe, RunRecord
from babysit.report import scale
from babysit.report.formatting import number, plural
from babysit.report.scale import Floats, Scale
from babysit.report.svg import WIDTH, Panel, colour_bar, figure, shade, shorten, tag, text

_USUAL = 1e-4, 1e-2
_RULE_OF_THUMB = 1e-3
_NAMED_LAYERS = 8
_MOST_LAYERS = 20
_ROW, _TALL = 66.0, 38.0
_COLUMNS = {"activations-initial": (104.0, 322.0), "activations-final": (340.0, WIDTH - 2)}
_HEADINGS = {"activations-initial": "before training", "activations-final": "after training"}


def update_ratios(run: RunRecord) -> str:
    """Update norm over weight norm of each layer at the sampled steps, beside the lecture's 1e-3."""
    traces = _traces(run)
    if not traces:
        return ""
    ratios = np.concatenate([trace[1] for trace in traces.values()])
    steps = np.concatenate([trace[0] for trace in traces.values()])
    panel = Panel(
        scale.linear(steps, 58, WIDTH - 12, pad=0.01),
        scale.log(np.clip(ratios, 1e-12, 1e6), 268, 24 if len(traces) > _NAMED_LAYERS else 12, include=_USUAL),
    )
    depth = {module: shade(place / max(1, len(traces) - 1)) for place, module in enumerate(traces)}
    medians = {module: float(np.median(trace[1])) for module, trace in traces.items()}
    body = [
        panel.area((panel.x.low, panel.x.high), _USUAL, "band"),
        panel.axes("step", "update ÷ weight (L2 norms)"),
        *(
            panel.line(*trace, depth[module], f"{module}: median {number(medians[module])}")
            for module, trace in traces.items()
        ),
        panel.level(_RULE_OF_THUMB, "level", "10⁻³, the rule of thumb"),
    ]
    named = len(traces) <= _NAMED_LAYERS
    body.append("" if named else colour_bar("first", "last", "layer:", 0))
    legend = [(depth[module], f"{module} {number(median, 2)}") for module, median in medians.items()] if named else []
    return figure(
        _ratio_title(medians),
        "".join(body),
        height=310,
        legend=legend,
        note="Shaded: the usual range, 10⁻⁴ to 10⁻². The numbers are medians over the sampled steps.",
        label="Line chart",
    )


def activation_histograms(run: RunRecord) -> str:
    """The distribution of each layer's activations, before training and after, one row a layer."""
    probes = [probe for name in _COLUMNS if (probe := run.probe(name)) is not None and probe.series]
    if not probes:
        return ""
    modules = thin(list(dict.fromkeys(module for probe in probes for module in probe.series)))
    headings = [text(_COLUMNS[probe.name][0], 12, _HEADINGS[probe.name], "panel-title") for probe in probes]
    rows = [_row(place, module, probes) for place, module in enumerate(modules)]
    return figure(
        _spread_title(probes),
        "".join([*headings, *rows]),
        height=18 + _ROW * len(modules),
        note="Height: square root of the share of activations in a bin; both pictures of a layer have one x axis.",
        label="Histograms",
    )


def _traces(run: RunRecord) -> dict[str, tuple[Floats, Floats]]:
    """Steps and finite update ratios of each layer that moves at all, by what it is called.

    Zeros among them count: a layer that has stopped moving is not one that moves as much as usual.
    """
    traces, called = {}, labels(run)
    for module in run.modules:
        points = [(step, layer.update_ratio) for step, layer in run.layer(module) if layer.update_ratio is not None]
        array = np.asarray([point for point in points if np.isfinite(point[1])], dtype=np.float64)
        if array.size and array[:, 1].any():
            traces[called[module]] = (array[:, 0], array[:, 1])
    return traces


def _ratio_title(medians: Mapping[str, float]) -> str:
    low, high = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    if medians[low] < _USUAL[0]:
        return f"{low} moves by only {number(medians[low], 2)} of its weights a step; about 1e-3 is usual"
    if medians[high] > _USUAL[1]:
        return f"{high} moves by {number(medians[high], 2)} of its weights a step; about 1e-3 is usual"
    if len(medians) == 1:
        return f"{low} moves by {number(medians[low], 2)} of its weights a step, about as much as usual"
    between = f"{number(medians[low], 2)} to {number(medians[high], 2)}"
    return f"All {plural(len(medians), 'layer')} move by {between} of their weights a step, about as much as usual"


def _row(place: int, module: str, probes: Sequence[Probe]) -> str:
    y = 18 + _ROW * place
    name = text(0, y + _TALL + 4, shorten(module[::-1], 94)[::-1], "tick-name")
    shown = _view(module, probes)
    return name + "".join(_histogram(probe, module, shown, y) for probe in probes if module in probe.series)


def _view(module: str, probes: Sequence[Probe]) -> tuple[float, float]:
    """The x range of a layer's row: four standard deviations around the mean, no further than the data."""
    lows, highs = [], []
    for probe in probes:
        low, high, mean, std = (probe.numbers.get(f"{module}:{key}", np.nan) for key in ("low", "high", "mean", "std"))
        lows.append(np.fmax(low, mean - 4 * std))
        highs.append(np.fmin(high, mean + 4 * std))
    fitted = scale.linear([*lows, *highs], 0, 1, pad=0.02)
    return fitted.low, fitted.high


def _histogram(probe: Probe, module: str, shown: tuple[float, float], y: float) -> str:
    left, right = _COLUMNS[probe.name]
    base = y + _TALL + 4
    return "".join(
        [
            tag("path", class_="bar c0", d=_outline(probe, module, scale.Linear(*shown, left, right), base)),
            tag("line", class_="axis", x1=left, x2=right, y1=base, y2=base),
            text(left, base + 15, number(shown[0], 2), "tick"),
            text((left + right) / 2, base + 15, _moments(probe, module), "tick", "middle"),
            text(right, base + 15, number(shown[1], 2), "tick", "end"),
        ]
    )


def _moments(probe: Probe, module: str) -> str:
    """Mean and standard deviation; the mean to the decimal where the second digit of the other stands."""
    mean, std = (probe.numbers.get(f"{module}:{key}", np.nan) for key in ("mean", "std"))
    if np.isfinite(mean) and np.isfinite(std) and std > 0:
        mean = round(mean, 1 - int(np.floor(np.log10(std))))
    return f"mean {number(mean, 2)}, std {number(std, 2)}"


def _outline(probe: Probe, module: str, across: Scale, base: float) -> str:
    """The path around the bars of a histogram, as far as they lie in view."""
    counts = np.sqrt(np.maximum(np.nan_to_num(probe.series[module]), 0.0))
    low, high = probe.numbers.get(f"{module}:low", 0.0), probe.numbers.get(f"{module}:high", 1.0)
    if not np.isfinite(high - low):
        return ""
    edges = across(np.linspace(low, high, counts.size + 1))
    tops = base - _TALL * counts / max(float(counts.max(initial=0.0)), 1e-12)
    bars = [f"L{a:.1f} {top:.1f}L{b:.1f} {top:.1f}" for a, b, top in zip(edges, edges[1:], tops, strict=False) if b > a]
    return f"M{edges[0]:.1f} {base:.1f}{''.join(bars)}L{edges[-1]:.1f} {base:.1f}Z"


def _spread_title(probes: Sequence[Probe]) -> str:
    return "Spread (std) of activations from first to last layer: " + "; ".join(
        f"{_spread(probe)} {_HEADINGS[probe.name]}" for probe in probes
    )


def _spread(probe: Probe) -> str:
    modules = list(probe.series)
    first, last = (probe.numbers.get(f"{module}:std", np.nan) for module in (modules[0], modules[-1]))
    return f"{number(first, 2)} to {number(last, 2)}"


def labels(run: RunRecord) -> dict[str, str]:
    """What each layer is called: its path, and its type where the path is of numbers alone, as in a Sequential.

    Example:
        >>> from babysit.measure.record import LayerStats, StepRecord
        >>> layers = (LayerStats("0", "Linear"), LayerStats("head", "Linear"))
        >>> labels(RunRecord(steps=(StepRecord(0, 1.0, layers=layers),)))
        {'0': '0 Linear', 'head': 'head'}
    """
    types = {layer.module: layer.type for record in run.steps for layer in record.layers}
    return {
        module: module if any(map(str.isalpha, module)) else f"{module} {kind}".rstrip()
        for module, kind in types.items()
    }


def thin(modules: list[str]) -> list[str]:
    """At most twenty of them, evenly, the first and the last among them."""
    places = np.linspace(0, len(modules) - 1, min(len(modules), _MOST_LAYERS)).round().astype(int)
    return [modules[place] for place in places]

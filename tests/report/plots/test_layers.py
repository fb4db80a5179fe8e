from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from babysit.measure.record import LayerStats, Probe, RunRecord, StepRecord, read_run
from babysit.report.plots.layers import activation_histograms, update_ratios


def ratios(**by_module: list[float]) -> RunRecord:
    count = len(next(iter(by_module.values())))
    steps = [
        StepRecord(
            step,
            1.0,
            layers=tuple(
                LayerStats(m, weight_norm=2.0, update_norm=2 * series[step]) for m, series in by_module.items()
            ),
        )
        for step in range(count)
    ]
    return RunRecord(steps=tuple(steps))


def said(svg: str) -> str:
    return ElementTree.fromstring(svg).attrib["aria-label"]


@pytest.mark.parametrize(
    ("series", "title"),
    [
        ({"a": [1e-3] * 3, "b": [2e-3] * 3}, "All 2 layers move by 0.001 to 0.002 of their weights a step"),
        ({"a": [1e-3] * 3, "b": [2e-6] * 3}, "b moves by only 2e-6 of its weights a step; about 1e-3 is usual"),
        ({"a": [0.5] * 3, "b": [2e-3] * 3}, "a moves by 0.5 of its weights a step; about 1e-3 is usual"),
        ({"a": [0.0, 1e-3, math.nan, 1e-3]}, "a moves by 0.001 of its weights a step, about as much as usual"),
        ({"a": [1e-3] * 2 + [0.0] * 5, "b": [0.0] * 7}, "a moves by only 0 of its weights a step; about 1e-3 is usual"),
    ],
)
def test_the_title_names_the_layer_that_is_off(series: dict[str, list[float]], title: str) -> None:
    assert title in said(update_ratios(ratios(**series)))


def test_many_layers_are_told_apart_by_depth() -> None:
    svg = update_ratios(ratios(**{f"layer{i}": [1e-3 * 1.1**i] * 3 for i in range(12)}))
    lines = [p for p in ElementTree.fromstring(svg).iter("path") if p.attrib["class"].startswith("line")]
    assert len(lines) == 12
    assert lines[0].attrib["class"] == "line v0"
    assert lines[-1].attrib["class"] == "line v9"
    assert (lines[3][0].text or "").startswith("layer3: median")


def test_a_histograms_outline_has_the_counts_heights() -> None:
    counts = (1.0, 4.0, 9.0, 0.0)
    numbers = {"fc:low": -2.0, "fc:high": 2.0, "fc:mean": 0.0, "fc:std": 1.0}
    svg = activation_histograms(RunRecord(probes=(Probe("activations-initial", numbers, {"fc": counts}),)))
    path = next(p.attrib["d"] for p in ElementTree.fromstring(svg).iter("path"))
    corners = np.array([[float(v) for v in pair] for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)])
    base, tops = corners[0, 1], corners[1:-1:2, 1]
    assert (base - tops) / (base - tops).max() == pytest.approx(np.sqrt(counts) / 3, abs=0.01)
    assert np.diff(corners[1:-1:2, 0]) == pytest.approx(np.diff(corners[1:-1:2, 0]).mean(), abs=0.11)


def test_both_histograms_of_a_layer_share_their_axis(finished: Path) -> None:
    svg = activation_histograms(read_run(finished))
    ticks = [item.text for item in ElementTree.fromstring(svg).iter("text") if item.attrib["class"] == "tick"]
    for row in range(3):
        before, after = ticks[6 * row : 6 * row + 3], ticks[6 * row + 3 : 6 * row + 6]
        assert (before[0], before[2]) == (after[0], after[2])
        assert before[1] != after[1]


def test_the_spread_from_the_first_to_the_last_layer_is_said() -> None:
    spreads = (0.628, 0.486, 0.229)
    numbers = {
        f"fc{i}:{key}": v for i, s in enumerate(spreads) for key, v in (("low", -1.0), ("high", 1.0), ("std", s))
    }
    probe = Probe("activations-initial", numbers, {f"fc{i}": (1.0, 2.0) for i in range(3)})
    assert said(activation_histograms(RunRecord(probes=(probe,)))).endswith("0.63 to 0.23 before training")


def test_the_mean_is_told_as_exactly_as_the_spread() -> None:
    numbers = {"fc:low": -1.0, "fc:high": 1.0, "fc:mean": -4.1e-5, "fc:std": 0.0712}
    svg = activation_histograms(RunRecord(probes=(Probe("activations-final", numbers, {"fc": (1.0, 2.0)}),)))
    assert "mean 0, std 0.071" in svg


@pytest.mark.parametrize("numbers", [{}, {"fc:low": math.nan, "fc:high": math.inf, "fc:mean": math.nan}])
def test_odd_histograms_are_drawn_all_the_same(numbers: dict[str, float]) -> None:
    probe = Probe("activations-final", numbers, {"fc": (math.nan, 2.0), "empty": ()})
    svg = activation_histograms(RunRecord(probes=(probe,)))
    assert "nan" not in svg


def test_a_very_deep_network_shows_twenty_layers_with_the_first_and_the_last() -> None:
    probe = Probe("activations-initial", {}, {f"layer{i}": (1.0,) for i in range(100)})
    svg = ElementTree.fromstring(activation_histograms(RunRecord(probes=(probe,))))
    names = [item.text for item in svg.iter("text") if item.attrib["class"] == "tick-name"]
    assert (len(names), names[0], names[-1]) == (20, "layer0", "layer99")


def test_nothing_is_drawn_of_nothing() -> None:
    assert update_ratios(RunRecord()) == activation_histograms(RunRecord()) == ""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from babysit.measure.record import LayerStats, Probe, RunRecord, StepRecord
from babysit.report.plots.bands import activation_bands

QUANTILES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


def grows(*modules: str, steps: int = 5, by: float = 1.0) -> RunRecord:
    """Layers whose outputs have the spread 1, 1 + by, 1 + 2 · by, …"""
    return RunRecord(
        steps=tuple(
            StepRecord(
                step,
                1.0,
                layers=tuple(
                    LayerStats(name, std=1 + by * step, quantiles=tuple(q * (1 + by * step) for q in QUANTILES))
                    for name in modules
                ),
            )
            for step in range(steps)
        )
    )


def drawn(svg: str, class_: str) -> list[np.ndarray]:
    """The corners of all paths of a class."""
    paths = [item.attrib["d"] for item in ElementTree.fromstring(svg).iter("path") if item.attrib["class"] == class_]
    return [np.array([[float(v) for v in pair] for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", d)]) for d in paths]


def test_bands_have_the_heights_of_the_quantiles() -> None:
    wide, narrow = drawn(activation_bands(grows("fc")), "spread c0")
    for band, reach in ((wide, 4.0), (narrow, 2.0)):
        lower, upper = band[:5], band[5:][::-1]
        heights = lower[:, 1] - upper[:, 1]
        assert heights / heights[0] == pytest.approx([1, 2, 3, 4, 5], abs=0.1)
        assert np.diff(lower[:, 0]) == pytest.approx(np.diff(lower[:, 0]).mean(), abs=0.11)
        assert heights[-1] / (wide[:5, 1] - wide[5:][::-1, 1])[-1] == pytest.approx(reach / 4, abs=0.03)


def test_the_first_and_the_last_layer_are_in_the_title_and_every_row_says_its_spread() -> None:
    svg = ElementTree.fromstring(activation_bands(grows("fc1", "fc2", "fc3", by=0.25)))
    assert "1 to 2 in fc1, 1 to 2 in fc3" in svg.attrib["aria-label"]
    said = [item.text for item in svg.iter("text")]
    assert said.count("1 → 2") == 3
    assert [name for name in said if name in ("fc1", "fc2", "fc3")] == ["fc1", "fc2", "fc3"]


def test_layers_come_in_the_order_of_the_forward_pass() -> None:
    run = grows("0", "1", "2")
    short = StepRecord(0, 1.0, layers=(run.steps[0].layers[0], run.steps[0].layers[2]))
    svg = ElementTree.fromstring(activation_bands(RunRecord(steps=(short, *run.steps[1:]))))
    assert [item.text for item in svg.iter("text") if item.attrib["class"] == "tick-name"] == ["0", "1", "2"]


def test_many_layers_and_many_steps_are_thinned_out() -> None:
    svg = activation_bands(grows(*(f"layer{number}" for number in range(50)), steps=500))
    texts = list(ElementTree.fromstring(svg).iter("text"))
    names = [item.text for item in texts if item.attrib["class"] == "tick-name"]
    assert len(names) == 20
    assert (names[0], names[-1]) == ("layer0", "layer49")
    assert max(len(corners) for corners in drawn(svg, "spread c0")) <= 2 * 120


def test_values_that_are_not_finite_leave_a_gap() -> None:
    run = grows("fc", steps=4)
    broken = tuple(math.nan for _ in QUANTILES)
    steps = (*run.steps, StepRecord(4, 1.0, layers=(LayerStats("fc", std=math.nan, quantiles=broken),)))
    svg = activation_bands(RunRecord(steps=steps))
    assert "nan" not in "".join(item.attrib.get("d", "") for item in ElementTree.fromstring(svg).iter("path"))


@pytest.mark.parametrize(
    "run",
    [
        RunRecord(),
        grows("fc", steps=1),
        RunRecord(steps=(StepRecord(0, 1.0, layers=(LayerStats("fc", weight_norm=1.0),)),) * 3),
        RunRecord(steps=grows("fc").steps, probes=(Probe("activations-initial", {}, {"fc": (1.0,)}),)),
    ],
)
def test_nothing_is_drawn_without_quantiles_or_beside_the_histograms(run: RunRecord) -> None:
    assert activation_bands(run) == ""

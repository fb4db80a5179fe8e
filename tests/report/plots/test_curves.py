from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from babysit.fit.training import Best
from babysit.measure.record import Evaluation, LossBlock, RunHeader, RunRecord, StepRecord, read_run
from babysit.report.plots.curves import decimate, loss_curve, running_median, score_curve
from babysit.report.summary import Summary

losses = arrays(np.float64, st.integers(1, 400), elements=st.floats(allow_nan=True, allow_infinity=True, width=32))


@given(losses, st.integers(2, 60))
def test_thinning_keeps_the_extremes_and_the_order(values: np.ndarray, points: int) -> None:
    xs, ys = decimate(np.arange(float(values.size)), values, points)
    assert ys.size <= max(points, 2)
    assert np.all(np.diff(xs) > 0)
    finite = values[np.isfinite(values)]
    if finite.size:
        kept = ys[np.isfinite(ys)]
        assert (kept.min(), kept.max()) == (finite.min(), finite.max())


@given(arrays(np.float64, st.integers(30, 400), elements=st.floats(-1e3, 1e3)))
def test_the_running_median_is_numpys(values: np.ndarray) -> None:
    centres, medians, window = running_median(values)
    assert window % 2 == 1
    assert (centres[0], centres[-1]) == (0, values.size - 1)
    padded = np.pad(values, window // 2, constant_values=np.nan)
    expected = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1)
    assert medians == pytest.approx(expected[centres])


def test_the_loss_is_drawn_with_its_verdict_its_chance_level_and_its_findings(finished: Path, summary: Summary) -> None:
    drawn = loss_curve(read_run(finished), summary.curve, summary.findings)
    svg = ElementTree.fromstring(drawn)
    assert svg.attrib["aria-label"].startswith("Line chart: Training loss: steep fall that keeps decreasing: good")
    assert "chance 2.303" in "".join(svg.itertext())
    links = {link.attrib["href"]: "".join(link.itertext()) for link in svg.iter("a")}
    assert list(links) == ["#finding-1"]
    assert "GEN001" in links["#finding-1"]


def test_a_long_run_is_thinned_out() -> None:
    noise = np.random.default_rng(0).random(50_000)
    drawn = loss_curve(RunRecord(blocks=(LossBlock(0, tuple(noise)),)), "", ())
    raw = next(path for path in ElementTree.fromstring(drawn).iter("path") if "thin" in path.attrib["class"])
    assert 1000 < raw.attrib["d"].count("L") <= 2000


def test_the_first_loss_that_is_not_finite_is_marked_at_the_upper_edge() -> None:
    drawn = loss_curve(RunRecord(blocks=(LossBlock(0, (2.3, 2.2, 9.0, math.nan, math.inf)),)), "", ())
    crosses = [path for path in ElementTree.fromstring(drawn).iter("path") if path.attrib["class"].startswith("cross")]
    assert [cross[0].text for cross in crosses] == ["step 3: loss NaN, and 1 more not finite"]
    assert "nan" not in drawn
    assert "inf" not in drawn.replace("infinite", "")


def test_an_exploding_loss_gets_a_logarithmic_axis() -> None:
    exploding = tuple(2.3 * 10.0 ** (step / 3) for step in range(40))
    assert "10⁹" in loss_curve(RunRecord(blocks=(LossBlock(0, exploding),)), "", ())
    assert "10⁹" not in loss_curve(RunRecord(blocks=(LossBlock(0, exploding[:4]),)), "", ())


@pytest.mark.parametrize(("last", "under"), [(4.0, True), (1.0, False)])
def test_the_chance_level_is_named_where_the_curve_is_not(last: float, under: bool) -> None:
    losses = tuple(np.concatenate([np.linspace(0.0, 6.0, 50), np.linspace(6.0, last, 50), np.full(100, last)]))
    run = RunRecord(RunHeader(chance_loss=2.3), blocks=(LossBlock(0, losses),))
    svg = ElementTree.fromstring(loss_curve(run, "", ()))
    (level,) = [line for line in svg.iter("line") if line.attrib["class"] == "level"]
    (name,) = [words for words in svg.iter("text") if words.text == "chance 2.3"]
    assert (float(name.attrib["y"]) > float(level.attrib["y1"])) is under


def test_steps_begin_where_the_blocks_say() -> None:
    drawn = loss_curve(RunRecord(blocks=(LossBlock(1000, (1.0, 0.5)), LossBlock(2000, (0.4, 0.3)))), "", ())
    assert "step 1,000: loss 1" in drawn
    assert "step 2,001: loss 0.3" in drawn
    assert "goes from 1 to 0.3 in 2,002 steps" in drawn


def test_sampled_steps_serve_where_no_losses_were_written() -> None:
    run = RunRecord(steps=(StepRecord(0, 2.0), StepRecord(50, 1.0)))
    assert "goes from 2 to 1 in 51 steps" in loss_curve(run, "", ())


@pytest.mark.parametrize("values", [(math.nan,), (math.inf, math.nan), (0.0,), (-3.0, -4.0), (1e300, 1e-300)])
def test_odd_losses_are_drawn_all_the_same(values: tuple[float, ...]) -> None:
    run = RunRecord(RunHeader(chance_loss=2.3), blocks=(LossBlock(0, values),))
    assert ElementTree.fromstring(loss_curve(run, "", ())).tag == "svg"


def test_scores_name_the_best_epoch_and_the_gap(summary: Summary) -> None:
    points = [("train", 1, 0.6), ("validation", 1, 0.58), ("train", 2, 0.993), ("validation", 2, 0.981)]
    points += [("train", 3, 0.999), ("validation", 3, 0.97)]
    run = RunRecord(evaluations=tuple(Evaluation(e * 10, float(e), split, 0.1, s, 100) for split, e, s in points))
    svg = ElementTree.fromstring(score_curve(run, summary))
    title = "Validation accuracy peaks at 98.1 % in epoch 2; gap to training 1.2 points"
    assert svg.attrib["aria-label"] == f"Line chart: {title}"
    assert "best: epoch 2" in "".join(svg.itertext())


def test_of_equal_scores_the_epoch_is_best_that_the_training_kept(summary: Summary) -> None:
    best = Best()
    losses = {1: 0.3, 2: 0.2, 3: 0.1, 4: 0.15, 5: 0.05}
    scores = {1: 0.9, 2: 0.974, 3: 0.974, 4: 0.974, 5: 0.9}
    for epoch, loss in losses.items():
        if best.improves(scores[epoch], loss):
            best = Best(scores[epoch], loss, epoch)
    run = RunRecord(
        evaluations=tuple(Evaluation(e * 10, float(e), "validation", losses[e], scores[e], 270) for e in losses)
    )
    assert f"peaks at 97.4 % in epoch {best.epoch}" in score_curve(run, summary)


def test_a_hopeless_start_does_not_flatten_the_rest() -> None:
    scores = [-1e9, 0.5, 0.6, 0.7, 0.8]
    run = RunRecord(evaluations=tuple(Evaluation(i, float(i), "validation", 1.0, s, 9) for i, s in enumerate(scores)))
    svg = ElementTree.fromstring(score_curve(run, Summary(data={"task": "regression"})))
    heights = [float(dot.attrib["cy"]) for dot in svg.iter("circle") if "best" not in dot.attrib["class"]]
    assert heights[1] - heights[4] > 20


def test_nothing_is_drawn_of_nothing(summary: Summary) -> None:
    assert loss_curve(RunRecord(), "good", ()) == ""
    assert score_curve(RunRecord(), summary) == ""
    unscored = (Evaluation(1, 1.0, "validation", math.nan, math.nan, 9),)
    assert score_curve(RunRecord(evaluations=unscored), dataclasses.replace(summary)) == ""

"""Section F: numbers recomputed by formula, with SciPy and NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from babysit.data import read
from babysit.lab import Bench, Verdict, claims
from babysit.lab.running import run_claim
from babysit.lab.searching import clouds, killing, problems, procedure, sampling, validation
from babysit.lab.subsets import fewer
from babysit.search import LogUniform, Uniform

BENCH = Bench(quick=True, seeds=(0,))


@pytest.fixture(scope="module")
def some() -> problems.Images:
    return problems.images()


@pytest.mark.parametrize("id_", ["F1", "F3", "F4"])
def test_fast_experiments_hold(id_: str) -> None:
    (claim,) = claims([id_])
    outcome = claim.run(BENCH)
    assert outcome.verdict is Verdict.HOLDS, outcome.measures
    assert all(math.isfinite(measure.median) for measure in outcome.measures)
    assert outcome.drawings


@pytest.mark.slow
@pytest.mark.parametrize("claim", claims(["F"]), ids=lambda claim: claim.id)
def test_every_claim_in_quick_mode(claim) -> None:
    row = run_claim(claim, Bench(quick=True, seeds=(0, 1)))
    assert row.verdict in (Verdict.HOLDS, Verdict.SUBTLE), row
    assert row.pictures


def test_whoever_looks_at_a_sealed_test_split_fails() -> None:
    dataset = validation.sealed(read("digits"))
    assert len(dataset.inputs("validation")) == 270
    with pytest.raises(AssertionError, match="looked at"):
        dataset.targets("test")


def test_what_is_destroyed_is_the_test_split_alone() -> None:
    before = read("digits")
    after = validation.without_test(before, seed=0)
    assert np.isnan(after.inputs("test")).all()
    assert not np.array_equal(after.targets("test"), before.targets("test"))
    for split in ("train", "validation"):
        np.testing.assert_array_equal(after.inputs(split), before.inputs(split))
        np.testing.assert_array_equal(after.targets(split), before.targets(split))


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_from_uniform_is_scipys(seed: int) -> None:
    values = np.random.default_rng(seed).uniform(-3, 2, 50) ** 2
    expected = stats.kstest(values, stats.uniform(-1, 12).cdf).statistic
    assert sampling.distance_from_uniform(values, -1, 11) == pytest.approx(expected, abs=1e-12)


def test_the_gap_between_linear_and_log_sampling_follows_from_the_distributions() -> None:
    # in log space the uniform distribution of 1e-5 to 100 lies below the diagonal most where its density is one
    low, high = -5.0, 2.0
    slope = (10**high - 10**low) / (math.log(10) * (high - low))
    at = math.log10(slope)
    expected = (at - low) / (high - low) - (10**at - 10**low) / (10**high - 10**low)
    assert sampling._largest_gap(low, high) == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(0.7655, abs=1e-4)


@pytest.mark.parametrize(("name", "values"), [("grid", 3), ("random", 9)])
def test_hits_are_as_often_as_the_geometry_says(name: str, values: int) -> None:
    # nine trials test three values of the important dimension in a grid, and nine at random, one in each ninth
    width = sampling.WIDTH
    peaks = np.random.default_rng(0).uniform(width / 2, 1 - width / 2, 600)
    expected = values * width / (1 - width) if name == "grid" else _latin_hypercube_hits(width, 9)
    error = math.sqrt(expected * (1 - expected) / len(peaks))
    assert sampling.share_of_hits(name, 9, peaks) == pytest.approx(expected, abs=4 * error)


def _latin_hypercube_hits(width: float, slices: int) -> float:
    """By simulation in NumPy: one value in each slice, none of them within half a width of the peak."""
    rng = np.random.default_rng(1)
    peaks = rng.uniform(width / 2, 1 - width / 2, (20_000, 1))
    values = (np.arange(slices) + rng.random((20_000, slices))) / slices
    return float((np.abs(values - peaks) < width / 2).any(axis=1).mean())


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([2.0, 6.0, 5.9], None), ([2.0, 6.1], 2), ([2.0, 1.0, math.inf], 3), ([math.nan], 1), ([], None)],
)
def test_stopping_step(losses: list[float], expected: int | None) -> None:
    assert killing.stopping_step(losses) == expected


def test_a_search_is_heard_step_by_step(some: problems.Images) -> None:
    listener = killing.Listener(some)
    found = listener.search(trials=6, seed=1)
    assert {trial.params["lr"] for trial in found.trials} == set(listener.curves)
    for trial in found.trials:
        losses = np.array(listener.heard(trial))
        assert len(losses) == trial.steps
        over = ~np.isfinite(losses) | (losses > 3 * losses[0])
        assert over[:-1].sum() == 0
        assert over[-1] == (trial.status == "killed")


def test_one_round_trains_every_trial_to_its_end(some: problems.Images) -> None:
    space = {"lr": LogUniform(1e-3, 1e-1), "l2": Uniform(0, 1e-3)}
    found = problems.one_round(some, space, 4, 2, sampler="grid")
    assert sorted({trial.params["l2"] for trial in found.trials}) == pytest.approx([2.5e-4, 7.5e-4])
    assert {trial.status for trial in found.trials} == {"complete"}
    assert len(found.rounds) == 1


def test_fewer_examples_are_of_all_classes_and_disjoint() -> None:
    dataset = read("digits")
    order = np.argsort(dataset.y[dataset.splits.train], kind="stable")
    by_class = np.sort(dataset.splits.train[order])
    part = fewer(dataset, 300, validation=60)
    assert len(part.splits.train) == 300
    assert len(part.splits.validation) == 60
    assert set(part.splits.train) <= set(by_class)
    assert len(np.unique(part.targets("train"))) == 10
    np.testing.assert_array_equal(part.splits.test, dataset.splits.test)


def test_clouds_draw_killed_trials_and_ranges(some: problems.Images) -> None:
    pytest.importorskip("matplotlib")
    from babysit.lab.drawing import figure

    found = problems.one_round(some, {"lr": LogUniform(1e-3, 1e3), "l2": LogUniform(1e-6, 1e-2)}, 8, 1)
    with figure((6, 4)) as canvas:
        axes = canvas.subplots()
        clouds.draw_cloud(canvas, axes, found.trials, found.rounds, ("lr", "l2"))
        killed, outline = axes.get_lines()
    assert len(killed.get_xdata()) == sum(trial.status == "killed" for trial in found.trials) > 0
    assert sorted(set(outline.get_xdata())) == [1e-3, 1e3]


def test_on_digits_the_lectures_figure_is_not_claimed() -> None:
    text = procedure._why_digits(BENCH, 0.9)
    assert "not measured here" in text
    assert "90 %" in text

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.edges import edges_of
from babysit.search.importance import importances
from babysit.search.samplers import SAMPLERS, GridSampler, levels_of, sampler_named
from babysit.search.space import Choice, IntUniform, LogUniform, Space, Uniform, When

SPACE = Space(
    {
        "lr": LogUniform(1e-5, 1e-1),
        "depth": IntUniform(1, 3),
        "optimizer": Choice("sgd", "momentum"),
        "momentum": When("optimizer", ["momentum"], Uniform(0.5, 0.99)),
        "hidden": Choice((50,), (100, 50)),
    }
)


def trial(number: int, params: dict[str, object], score: float, status: str = "complete") -> TrialRecord:
    return TrialRecord(number, 0, params, status, 1.0, 10, 2.3, -score, score)


@given(st.sampled_from(["random", "sobol", "grid"]), st.integers(1, 30), st.integers(0, 99))
def test_settings_lie_in_the_space_and_depend_on_the_seed_alone(name: str, count: int, seed: int) -> None:
    state = torch.random.get_rng_state()
    settings, again = (sampler_named(name).draw(SPACE, count, (seed, 0), ()) for _ in range(2))
    assert settings == again
    assert torch.equal(state, torch.random.get_rng_state())
    assert len(settings) == count if name != "grid" else 1 <= len(settings) <= count
    for params in settings:
        assert 1e-5 <= params["lr"] <= 1e-1
        assert params["depth"] in (1, 2, 3)
        assert params["hidden"] in ((50,), (100, 50))
        assert ("momentum" in params) == (params["optimizer"] == "momentum")


def test_sobol_fills_every_quarter_of_the_plane_equally() -> None:
    space = Space({"a": Uniform(0, 1), "b": Uniform(0, 1)})
    for seed in range(5):
        settings = sampler_named("sobol").draw(space, 64, (seed, 0), ())
        cells = [(math.floor(4 * p["a"]), math.floor(4 * p["b"])) for p in settings]
        assert {cells.count((i, j)) for i in range(4) for j in range(4)} == {4}


@given(st.integers(1, 200), st.lists(st.sampled_from([Uniform(0, 1), Choice(1, 2), Choice(7)]), min_size=1, max_size=4))
def test_a_grid_is_as_large_as_its_budget_lets_it_be(count: int, kinds: list[Uniform | Choice]) -> None:
    space = Space({str(index): kind for index, kind in enumerate(kinds)})
    levels = levels_of(space, count)
    assert math.prod(levels) <= count
    for axis, kind in enumerate(kinds):
        finer = [level + (other == axis) for other, level in enumerate(levels)]
        assert levels[axis] == kind.size or math.prod(finer) > count
    settings = GridSampler().draw(space, count, (), ())
    assert len(settings) == math.prod(levels)


def test_random_beats_grid_where_one_dimension_matters() -> None:
    space = Space({"matters": Uniform(0, 1), "hardly": Uniform(0, 1)})
    optima = np.random.default_rng(0).random(60)
    found = {}
    for name in ("grid", "random"):
        draws = [sampler_named(name).draw(space, 16, (seed, 0), ()) for seed in range(60)]
        nearest = [min(abs(p["matters"] - best) for p in draw) for draw, best in zip(draws, optima, strict=True)]
        found[name] = float(np.mean(nearest))
    assert found["random"] < 0.5 * found["grid"]  # sixteen values of what matters instead of four


def test_tpe_learns_what_random_does_not() -> None:
    space = Space({"lr": LogUniform(1e-6, 1e0), "optimizer": Choice("sgd", "adam")})

    def score(params: dict[str, object]) -> float:
        return -abs(math.log10(float(params["lr"])) + 3) - (2.0 if params["optimizer"] == "sgd" else 0.0)  # type: ignore[arg-type]

    drawn = space.draw_spread(np.random.default_rng(0), 30)
    seen = [trial(number, params, score(params)) for number, params in enumerate(drawn)]
    suggested = sampler_named("tpe").draw(space, 12, (0, 1), seen)
    assert suggested == sampler_named("tpe").draw(space, 12, (0, 1), seen)
    assert np.mean([score(params) for params in suggested]) > np.mean([score(params) for params in drawn]) + 0.5


def test_tpe_takes_trials_that_diverged_and_conditional_ones() -> None:
    drawn = SPACE.draw_spread(np.random.default_rng(0), 14)
    seen = [
        trial(n, params, -math.inf, "killed") if n % 3 == 0 else trial(n, params, -n, "halved" if n % 2 else "complete")
        for n, params in enumerate(drawn)
    ]
    for params in sampler_named("tpe").draw(SPACE, 6, (0, 1), seen):
        assert ("momentum" in params) == (params["optimizer"] == "momentum")
        assert params["hidden"] in ((50,), (100, 50))


def test_an_unknown_sampler_is_refused() -> None:
    with pytest.raises(InputError, match=r"sampler: expected one of random, sobol, tpe, grid, found 'sobel'; did you"):
        sampler_named("sobel")
    assert all(sampler_named(name).name == name for name in SAMPLERS)


def test_optuna_is_loaded_by_whoever_needs_it_only() -> None:
    code = "import sys, babysit.search, babysit.search.study; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("slope", "end"), [(1.0, "high"), (-1.0, "low"), (0.0, None)])
def test_a_trend_shows_an_edge_where_the_best_do_not_crowd(slope: float, end: str | None) -> None:
    ranges = {"lr": LogUniform(1e-5, 1e-1).to_range()}
    found = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        places = generator.random(24)
        scores = slope * places + 0.3 * generator.standard_normal(24)
        trials = [trial(n, {"lr": 10 ** (-5 + 4 * p)}, s) for n, (p, s) in enumerate(zip(places, scores, strict=True))]
        ranked = sorted(trials, key=lambda known: known.score, reverse=True)
        found.append(edges_of(ranges, ranked, [], 6).get("lr"))
    if end is None:
        assert sum(edge is not None for edge in found) <= 4  # 5 % of them by luck
    else:
        assert found.count(end) >= 32  # type: ignore[arg-type]
        assert set(found) <= {end, None}


def test_what_diverged_speaks_against_its_end() -> None:
    ranges = {"lr": Uniform(0.0, 1.0).to_range()}
    alive = [trial(n, {"lr": n / 20}, n / 20) for n in range(12)]  # the higher the better, up to 0.55
    killed = [trial(n, {"lr": n / 20}, -math.inf, "killed") for n in range(12, 21)]
    ranked = alive[::-1]
    assert edges_of(ranges, ranked, killed, 4) == {}


def test_importance_finds_what_mattered() -> None:
    drawn = SPACE.draw_spread(np.random.default_rng(1), 32)
    trials = [trial(n, p, -abs(math.log10(p["lr"]) + 3) - 0.05 * p["depth"]) for n, p in enumerate(drawn)]
    rounds = [RoundRecord(0, "coarse", 1.0, 32, SPACE.to_ranges())]
    found = importances(SPACE, rounds, trials)
    assert next(iter(found)) == "lr"
    assert found["lr"] > 0.7
    assert sum(found.values()) == pytest.approx(1.0)
    assert set(found) == set(SPACE)


def test_importance_of_too_few_or_of_equal_trials_is_not_made_up() -> None:
    drawn = SPACE.draw_spread(np.random.default_rng(1), 20)
    rounds = [RoundRecord(0, "coarse", 1.0, 20, SPACE.to_ranges())]
    assert importances(SPACE, rounds, [trial(n, p, float(n)) for n, p in enumerate(drawn[:7])]) == {}
    assert importances(SPACE, rounds, [trial(n, p, 0.5) for n, p in enumerate(drawn)]) == {}

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.measure.ranges import edge_of
from babysit.search.space import Choice, Distribution, IntUniform, LogIntUniform, LogUniform, Space, Uniform, When

RANGES = [Uniform(-2.0, 5.0), LogUniform(1e-6, 1e-1), IntUniform(3, 17)]


def kolmogorov_distance(shares: Sequence[float]) -> float:
    """Largest distance of an empirical distribution from the uniform one on [0, 1]."""
    ordered, n = np.sort(shares), len(shares)
    return float(np.max(np.maximum(np.arange(1, n + 1) / n - ordered, ordered - np.arange(n) / n)))


def share(value: float, drawn: Uniform | LogUniform) -> float:
    """The formula: how much of the distribution lies below a value."""
    if isinstance(drawn, LogUniform):
        return math.log(value / drawn.low) / math.log(drawn.high / drawn.low)
    return (value - drawn.low) / (drawn.high - drawn.low)


@pytest.mark.parametrize("drawn", [Uniform(-2.0, 5.0), LogUniform(1e-6, 1e-1)], ids=["uniform", "log"])
def test_draws_have_the_distribution_of_the_formula(drawn: Uniform | LogUniform) -> None:
    generator, n = np.random.default_rng(0), 4000
    one_by_one = [share(drawn.draw(generator), drawn) for _ in range(n)]
    assert kolmogorov_distance(one_by_one) < 1.63 / math.sqrt(n)  # 1 % level of Kolmogorov and Smirnov


def test_a_logarithmic_draw_favours_no_decade() -> None:
    generator = np.random.default_rng(1)
    decades = [math.floor(math.log10(LogUniform(1e-5, 1e-1).draw(generator))) for _ in range(4000)]
    counts = [decades.count(decade) for decade in range(-5, -1)]
    assert sum(counts) == 4000
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 11.3  # χ², 3 degrees of freedom, 1 %


def test_whole_numbers_come_equally_often_with_both_ends() -> None:
    generator = np.random.default_rng(2)
    values = [IntUniform(-1, 3).draw(generator) for _ in range(5000)]
    counts = [values.count(value) for value in range(-1, 4)]
    assert sum(counts) == 5000
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 13.3  # χ², 4 degrees of freedom, 1 %


def test_choices_come_equally_often() -> None:
    generator = np.random.default_rng(3)
    values = [Choice("relu", "elu", (50, 20)).draw(generator) for _ in range(3000)]
    assert sum((values.count(value) - 1000) ** 2 / 1000 for value in ("relu", "elu", (50, 20))) < 9.2


@given(
    st.floats(-300, 290), st.floats(0, 10), st.floats(0, 1, exclude_max=True), st.sampled_from([Uniform, LogUniform])
)
def test_draws_lie_inside_also_of_a_range_without_width(
    exponent: float, decades: float, quantile: float, kind: type[Uniform | LogUniform]
) -> None:
    drawn = kind(10**exponent, max(10**exponent, 10 ** (exponent + decades)))
    assert drawn.low <= drawn.at(quantile) <= drawn.high


def test_settings_spread_evenly_over_every_hyperparameter() -> None:
    space = Space({"lr": LogUniform(1e-4, 1e-1), "dropout": Uniform(0.0, 0.5), "batch_norm": Choice(False, True)})
    settings = space.draw_spread(np.random.default_rng(0), 50)
    for name in ("lr", "dropout"):
        drawn = space[name]
        assert isinstance(drawn, (Uniform, LogUniform))
        slices = [math.floor(50 * share(params[name], drawn)) for params in settings]
        assert sorted(slices) == list(range(50))  # Latin hypercube: one value in each of fifty equal slices
        assert slices != sorted(slices)
    assert sum(params["batch_norm"] for params in settings) == 25
    lr, dropout = ([share(params[name], space[name]) for params in settings] for name in ("lr", "dropout"))  # type: ignore[arg-type]
    assert abs(np.corrcoef(lr, dropout)[0, 1]) < 0.4  # in an order of its own each


def test_the_same_generator_gives_the_same_settings() -> None:
    space = Space({"lr": LogUniform(1e-4, 1e-1), "hidden": IntUniform(10, 100)})
    first, again = (space.draw_spread(np.random.default_rng(7), 5) for _ in range(2))
    assert first == again != space.draw_spread(np.random.default_rng(8), 5)


positions = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(positions, st.sampled_from(RANGES))
def test_the_narrowed_range_holds_the_best_and_is_never_wider(places: list[float], drawn: Distribution) -> None:
    best = [drawn.at(min(place, 1 - 1e-12)) for place in places]
    before, after = drawn.to_range(), drawn.narrowed(best).to_range()
    assert after.low is not None
    assert after.high is not None
    assert all(after.low <= value <= after.high for value in best)
    assert after.log == before.log
    edge = edge_of([float(value) for value in best], before)
    assert (after.low < before.low) == (edge == "low")  # type: ignore[operator]
    assert (after.high > before.high) == (edge == "high")  # type: ignore[operator]


def test_narrowing_is_by_the_best_in_the_middle_on_the_scale_of_the_range() -> None:
    after = LogUniform(1e-6, 1e-1).narrowed([1e-4, 1e-3, 3e-4]).to_range()
    # their spread is a decade, and a quarter of it stays free on either side
    assert after.low == pytest.approx(10**-4.25)
    assert after.high == pytest.approx(10**-2.75)


def test_a_single_best_value_leaves_room_around_it() -> None:
    after = Uniform(0.0, 1.0).narrowed([0.5, 0.5, 0.5]).to_range()
    assert after.low == pytest.approx(0.5 - 0.15 * 0.75)
    assert after.high == pytest.approx(0.5 + 0.15 * 0.75)


@pytest.mark.parametrize("drawn", [Uniform(10.0, 20.0), LogUniform(1e-4, 1e-2), IntUniform(100, 200)])
def test_the_range_moves_past_the_edge_its_best_crowd_at(drawn: Distribution) -> None:
    for quantile, end in ((0.99, "high"), (0.01, "low")):
        best = [drawn.at(abs(quantile - nudge)) for nudge in (0.0, 0.004, 0.008, 0.0095)]
        before, after = drawn.to_range(), drawn.narrowed(best).to_range()
        assert (after.high > before.high) == (end == "high")  # type: ignore[operator]
        assert (after.low < before.low) == (end == "low")  # type: ignore[operator]


def test_the_move_is_half_the_width_on_the_range_s_own_scale() -> None:
    after = LogUniform(1e-4, 1e-2).narrowed([9e-3, 9.5e-3, 9.9e-3]).to_range()
    assert after.high == pytest.approx(1e-1)


@given(positions, st.floats(0, 3), st.floats(0, 3), st.integers(1, 6))
def test_a_range_never_leaves_the_parameter_s_own_limits(
    places: list[float], below: float, above: float, times: int
) -> None:
    drawn: Distribution = LogUniform(1e-4, 1e-2, floor=10 ** (-4 - below), ceiling=10 ** (-2 + above))
    limits = (10 ** (-4 - below), 10 ** (-2 + above))
    for _ in range(times):
        drawn = drawn.narrowed([drawn.at(min(place, 0.999)) for place in places])
        found = drawn.to_range()
        assert found.low is not None
        assert found.high is not None
        assert limits[0] <= found.low <= found.high <= limits[1]
        assert (found.hard_low, found.hard_high) == (found.low <= limits[0], found.high >= limits[1])


def test_at_its_own_limit_a_range_narrows_instead() -> None:
    after = Uniform(0.0, 0.5, floor=0.0, ceiling=0.95).narrowed([0.0, 0.01, 0.02]).to_range()
    assert after.low == 0.0
    assert after.high is not None
    assert after.high < 0.2


def test_a_range_that_moves_for_ever_ends_where_floating_point_does() -> None:
    drawn: Distribution = LogUniform(1e200, 1e250)
    for _ in range(5):
        found = drawn.to_range()
        assert found.high is not None
        drawn = drawn.narrowed([found.high] * 3)
    assert drawn.to_range().high == pytest.approx(1e300)


def test_there_and_back_through_a_logarithm_is_no_way_out() -> None:
    rates = [digits * 10.0**exponent for exponent in range(-9, 3) for digits in (1.1, 2.3, 3.7, 5.9, 7.3)]
    assert any(10 ** math.log10(rate) != rate for rate in rates)
    assert [LogUniform(rate, rate).at(0.5) for rate in rates] == rates


def test_a_range_without_width_stays_as_it_is() -> None:
    for drawn in (Uniform(0.3, 0.3), LogUniform(3e-4, 3e-4), IntUniform(7, 7)):
        after = drawn.narrowed([drawn.low] * 4)
        assert (after.to_range().low, after.to_range().high) == (drawn.low, drawn.high)


def test_whole_numbers_stay_whole() -> None:
    after = IntUniform(0, 1000, floor=0).narrowed([300, 401, 501])
    found = after.to_range()
    assert (found.low, found.high) == (249, 552)  # 400.5 ± (100.5 + ¼ · 201), outward to whole numbers
    assert isinstance(after.at(0.5), int)


def test_choices_narrow_to_those_among_the_best() -> None:
    choice = Choice("relu", "elu", "tanh")
    after = choice.narrowed(["tanh", "relu", "tanh"])
    assert after.to_range().choices == ("relu", "tanh")
    assert choice.narrowed(["gone"]).to_range().choices == ("relu", "elu", "tanh")


def test_a_space_narrows_every_hyperparameter_by_its_own_values() -> None:
    space = Space({"lr": LogUniform(1e-6, 1e-1), "hidden": Choice((50,), (100,))})
    best = [{"lr": 1e-4, "hidden": (100,)}, {"lr": 1e-3, "hidden": (100,)}, {"lr": 3e-4, "hidden": (100,)}]
    after = space.narrowed(best).to_ranges()
    assert list(after) == ["lr", "hidden"]
    assert after["hidden"].choices == ("(100,)",)
    assert after["lr"].high == pytest.approx(10**-2.75)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Uniform(2.0, 1.0), "the smaller first, found 2 to 1"),
        (lambda: Uniform(0.0, math.inf), "two finite numbers"),
        (lambda: LogUniform(math.nan, 1.0), "two finite numbers"),
        (lambda: LogUniform(0.0, 1.0), "above zero"),
        (lambda: Uniform(-0.5, 0.5, floor=0.0), "inside 0 to inf"),
        (lambda: LogUniform(1e-3, 10.0, ceiling=1.0), "inside -inf to 1"),
        (lambda: IntUniform(0.5, 3), "whole numbers, found 0.5 to 3"),
        (lambda: Choice(), "at least one value"),
        (lambda: Space({}), "at least one hyperparameter"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, says: str) -> None:
    with pytest.raises(InputError) as refused:
        make()  # type: ignore[operator]
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_numbers_on_a_log_scale_have_the_shares_of_their_logarithms() -> None:
    generator, n = np.random.default_rng(5), 6000
    values = [LogIntUniform(1, 8).draw(generator) for _ in range(n)]
    shares = [math.log((k + 0.5) / (k - 0.5)) / math.log(8.5 / 0.5) for k in range(1, 9)]
    chi_squared = sum((values.count(k) - n * p) ** 2 / (n * p) for k, p in enumerate(shares, 1))
    assert set(values) == set(range(1, 9))
    assert chi_squared < 18.5  # 7 degrees of freedom, 1 %


@given(st.integers(1, 200), st.integers(0, 2000), positions, st.integers(1, 5))
def test_whole_numbers_on_a_log_scale_stay_above_zero_however_far_they_move(
    low: int, width: int, places: list[float], times: int
) -> None:
    drawn: Distribution = LogIntUniform(low, low + width)
    for _ in range(times):
        drawn = drawn.narrowed([drawn.at(min(place, 0.999)) for place in places], "low")
        values = [drawn.at(place) for place in (0.0, 0.5, 0.999)]
        assert all(isinstance(value, int) and value >= 1 for value in values)


CONDITIONAL = Space(
    {
        "optimizer": Choice("sgd", "momentum", "adam"),
        "momentum": When("optimizer", ["momentum", "adam"], Uniform(0.5, 0.99)),
        "lr": LogUniform(1e-5, 1e-1),
    }
)


@given(st.integers(0, 1000), st.integers(1, 40))
def test_a_conditional_hyperparameter_is_there_exactly_when_its_condition_holds(seed: int, count: int) -> None:
    for params in CONDITIONAL.draw_spread(np.random.default_rng(seed), count):
        assert ("momentum" in params) == (params["optimizer"] != "sgd")
        assert "lr" in params


def test_a_condition_may_hang_on_a_conditional_one_in_any_order() -> None:
    space = Space(
        {
            "c": When("b", [True], Uniform(0, 1)),
            "b": When("a", [1], Choice(True, False)),
            "a": Choice(1, 2),
        }
    )
    assert list(space) == ["a", "b", "c"]
    seen = [space.draw(np.random.default_rng(seed)) for seed in range(60)]
    assert {tuple(params) for params in seen} == {("a",), ("a", "b"), ("a", "b", "c")}
    assert all(params["b"] is True for params in seen if "c" in params)


def test_a_condition_that_cannot_hold_any_more_goes_with_what_it_hung_on() -> None:
    best = [{"optimizer": "sgd", "lr": 1e-3}] * 4
    assert list(CONDITIONAL.narrowed(best)) == ["optimizer", "lr"]
    mixed = [{"optimizer": "adam", "lr": 1e-3, "momentum": 0.9}, *best[:3]]
    kept = CONDITIONAL.narrowed(mixed)["momentum"]
    assert kept == When("optimizer", ["adam"], Uniform(0.5, 0.99))  # one trial says nothing about its range


def test_ranges_move_past_the_ends_they_are_told_to_and_past_no_others() -> None:
    space = Space({"lr": LogUniform(1e-4, 1e-2), "momentum": Uniform(0.0, 0.5)})
    best = [{"lr": 9e-3, "momentum": 0.49}] * 4
    after = space.narrowed(best, {"lr": "high"}).to_ranges()
    assert after["lr"].high == pytest.approx(1e-1)
    assert after["momentum"].high == 0.5
    wider = space.extended({"momentum": "high"}).to_ranges()
    assert (wider["momentum"].low, wider["momentum"].high) == (0.0, 0.75)
    assert wider["lr"] == space.to_ranges()["lr"]


def test_a_space_says_where_there_is_nothing_to_search() -> None:
    assert Space({"lr": LogUniform(1e-4, 1e-1)}).notes == ()
    assert Space({"lr": LogUniform(1e-4, 1e-1), "l2": Choice(0.1)}).notes == (
        "l2 has the one value 0.1, so it is not searched",
    )
    point = Space({"lr": LogUniform(1e-3, 1e-3), "hidden": Choice((50, 20))})
    assert point.size == 1
    assert point.notes == (
        "the space has one point, so there is nothing to search: lr has the one value 0.001, "
        "hidden has the one value 50-20",
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LogIntUniform(0, 8), "start it at 1 or above"),
        (lambda: LogIntUniform(1.5, 8), "whole numbers"),
        (lambda: When("a", [], Uniform(0, 1)), "at least one value of a"),
        (lambda: Space({"m": When("optimiser", ["sgd"], Uniform(0, 1)), "optimizer": Choice("sgd")}), "did you mean"),
        (lambda: Space({"m": When("o", ["adm"], Uniform(0, 1)), "o": Choice("adam")}), "did you mean 'adam'?"),
        (lambda: Space({"m": When("x", [1], Uniform(0, 1)), "x": Uniform(0, 1)}), "which has to be a choice"),
        (
            lambda: Space({"a": When("b", [1], Choice(1)), "b": When("a", [1], Choice(1))}),
            "a circle of a, b",
        ),
    ],
)
def test_conditions_that_make_no_sense_are_refused(make: object, says: str) -> None:
    with pytest.raises(InputError) as refused:
        make()  # type: ignore[operator]
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)

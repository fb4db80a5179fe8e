from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.fit.optimizers import OPTIMIZERS
from babysit.fit.settings import TrainSettings
from babysit.measure.record import Range
from babysit.nn import ACTIVATIONS, CNNConfig, build
from babysit.recipe.search_space import L2_RANGE, OF_ANOTHER_TRAINING, SEARCHABLE, parse_search, space_of
from babysit.search.space import Distribution, LogUniform


def drawn(item: str) -> list[object]:
    """Everything a name or a list of choices may give."""
    ((_, distribution),) = parse_search([item]).items()
    assert distribution is not None
    generator = np.random.default_rng(0)
    return [distribution.draw(generator) for _ in range(200)]


def ranges(item: str) -> Range:
    ((_, distribution),) = parse_search([item]).items()
    assert isinstance(distribution, Distribution)
    return distribution.to_range()


@pytest.mark.parametrize(
    ("item", "values"),
    [
        ("hidden=50|256-128", {(50,), (256, 128)}),
        ("hidden = 100 | 200-100", {(100,), (200, 100)}),
        ("channels=16-32|32", {(16, 32), (32,)}),
        ("activation=relu|elu", {"relu", "elu"}),
        ("batch_norm", {True, False}),
        ("batch-norm=on|false", {True, False}),
        ("batch_size=16|64", {16, 64}),
        ("optimizer=adam", {"adam"}),
        ("schedule=1/t|cosine", {"1/t", "cosine"}),
        ("init=he|normal:0.01", {"he", "normal:0.01"}),
        ("optimizer", set(OPTIMIZERS)),
        ("activation", set(ACTIVATIONS)),
    ],
)
def test_choices(item: str, values: set[object]) -> None:
    assert set(drawn(item)) == values


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("dropout", Range(0.0, 0.5, hard_low=True)),
        ("dropout=0.1..0.3", Range(0.1, 0.3)),
        ("momentum", Range(0.5, 0.99)),
        ("lr=1e-5..1e-2", Range(1e-5, 1e-2, log=True)),
        ("l2=1e-5..1e5", Range(1e-5, 1e5, log=True)),  # the lecture's
        ("l2", Range(*L2_RANGE, log=True)),
        ("dropout=.2...4", Range(0.2, 0.4)),
    ],
)
def test_ranges(item: str, expected: Range) -> None:
    assert ranges(item) == expected


def test_the_learning_rate_s_own_range_is_left_to_the_data() -> None:
    assert parse_search(["lr"]) == {"lr": None}


@pytest.mark.parametrize("name", SEARCHABLE)
def test_whatever_can_be_named_is_a_setting_of_network_or_training(name: str) -> None:
    space = space_of(parse_search([name]), (1e-4, 1e-1))
    generator = np.random.default_rng(0)
    for _ in range(10):
        params = space.draw(generator)
        changed = TrainSettings().changed(params)
        config = {key: value for key, value in params.items() if not hasattr(changed, key)}
        network = build(CNNConfig((1, 8, 8), 3, **config), seed=0, sample=None)
        assert network is not None
        assert set(params) == {"lr", "l2", name}


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("droput", "found 'droput'; did you mean 'dropout'?"),
        ("", "expected one of lr, l2, dropout"),
        ("xyz=1..2", "found 'xyz'; choose one of"),
        ("dropout=", "expected dropout=low..high, found 'dropout='"),
        ("dropout=a..b", "expected dropout=low..high"),
        ("dropout=0.3", "expected dropout=low..high"),
        ("dropout=0.5..0.1", "the smaller first, found 0.5 to 0.1"),
        ("dropout=-0.5..0.3", "a range inside 0 to 0.95"),
        ("dropout=0..1", "a range inside 0 to 0.95"),
        ("momentum=0.9..1", "a range inside 0 to 0.999"),
        ("lr=0..1", "a range inside 1e-12 to 1e+06"),
        ("lr=1e-20..1e-15", "a range inside 1e-12 to 1e+06"),
        ("lr=nan..1", "two finite numbers"),
        ("hidden=", "expected hidden=50|100|200-100"),
        ("hidden=50|x", "expected hidden=50|100|200-100, found 'hidden=50|x'"),
        ("hidden=0", "expected hidden=50|100|200-100"),
        ("hidden=50-", "expected hidden=50|100|200-100"),
        ("batch_size=0|32", "expected batch_size=32|64|128"),
        ("batch_norm=maybe", "expected batch_norm=true|false"),
        ("activation=rellu", "activation=one|another of relu"),
        ("activation=", "activation=one|another of relu"),
        ("optimizer=amsgrad", "optimizer=one|another of sgd"),
        ("schedule=plateau", "schedule=one|another of constant"),
        ("init=hee", "init: expected one of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(item: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_search([item])
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("items", "name"), [(["lr=1e-3..1", "lr=1e-2..1"], "lr"), (["batch-norm", "l2", "batch_norm=true"], "batch_norm")]
)
def test_a_name_that_is_there_twice_is_refused(items: list[str], name: str) -> None:
    with pytest.raises(InputError, match=f"--search: expected each name once, found {name} twice"):
        parse_search(items)


@given(st.sampled_from(["", *SEARCHABLE]), st.sampled_from(["", "="]), st.text(max_size=10))
def test_no_text_breaks_the_reading(name: str, equals: str, text: str) -> None:
    try:
        found = parse_search([f"{name}{equals}{text}"])
    except InputError:
        return
    assert len(found) == 1


def test_the_space_has_rate_and_regularisation_first_and_what_was_named() -> None:
    space = space_of(parse_search(["hidden", "l2=1e-3..1e-2", "dropout=0..0.3"]), (1e-4, 1e-1))
    known = space.to_ranges()
    assert list(known) == ["lr", "l2", "hidden", "dropout"]
    assert known["lr"] == Range(1e-4, 1e-1, log=True)
    assert (known["l2"].low, known["l2"].high) == (1e-3, 1e-2)


def test_a_rate_that_was_given_overrules_the_measured_one() -> None:
    space = space_of(parse_search(["lr=1e-3..1e-2"]), (1e-7, 1e2))
    assert (space.to_ranges()["lr"].low, space.to_ranges()["lr"].high) == (1e-3, 1e-2)
    assert space_of({}, (1e-7, 1e2)).to_ranges()["lr"].high == 1e2


@given(
    st.floats(-3, 0),
    st.lists(st.tuples(st.sampled_from(["low", "high", "narrow"]), st.floats(0, 1, exclude_max=True)), max_size=8),
    st.sampled_from([[], ["l2"], ["dropout", "schedule"], ["lr=1e-6..9e-4"]]),
)
def test_however_the_ranges_move_no_rate_comes_to_the_first_that_explodes(
    exponent: float, moves: list[tuple[str, float]], searched: list[str]
) -> None:
    exploding = 10**exponent
    known = space_of(parse_search(searched), (1e-4, exploding), exploding)["lr"]
    for move, place in moves:
        best = [known.at(place)] * 3
        known = known.narrowed(best) if move == "narrow" else known.extended("low" if move == "low" else "high")
        assert known.at(1 - 2**-53) < exploding
        assert known.to_range().high < exploding


def test_a_range_comes_near_to_the_first_rate_that_explodes_and_moves_down_as_ever() -> None:
    free, limited = (space_of({}, (1e-4, 10**-0.5), exploding) for exploding in (None, 10**-0.5))
    assert limited["lr"].to_range().hard_high
    assert limited["lr"].to_range().high == pytest.approx(0.9 * 10**-0.5)
    assert limited["lr"].extended("low").to_range().low < free["lr"].to_range().low / 10
    crowded = [free["lr"].at(place) for place in (0.001, 0.01, 0.02)]
    assert limited["lr"].narrowed(crowded).to_range().low < 1e-4
    assert limited["l2"] == free["l2"]
    below = space_of({}, (1e-4, 10**-1.5), 10**-0.5)["lr"]  # a rate between hardly moved the loss
    assert below.to_range() == Range(1e-4, 10**-1.5, log=True)
    assert below.extended("high").to_range().hard_high


@pytest.mark.parametrize("name", SEARCHABLE)
def test_where_the_range_test_was_of_another_training_nothing_is_limited(name: str) -> None:
    found, free = (space_of(parse_search([name]), (1e-4, 1.0), exploding) for exploding in (1.0, None))
    assert (found["lr"] == free["lr"]) == (name in OF_ANOTHER_TRAINING)
    assert found["lr"].to_range().hard_high == (name not in OF_ANOTHER_TRAINING)
    assert {key: found[key] for key in found if key != "lr"} == {key: free[key] for key in free if key != "lr"}
    assert set(SEARCHABLE) > OF_ANOTHER_TRAINING


def test_of_rates_that_were_given_those_below_the_limit_keep_below_and_others_are_as_they_were_meant() -> None:
    for given_, high in (("lr=1e-3..1e-2", 0.9), ("lr=1e-3..0.95", 0.95)):
        known = space_of(parse_search([given_]), (1e-4, 1.0), 1.0)["lr"]
        assert known.to_range().low == 1e-3
        for _ in range(5):
            known = known.extended("high")
        assert known.to_range().high == pytest.approx(high)
    past = space_of(parse_search(["lr=1e-3..10"]), (1e-4, 1.0), 1.0)["lr"]
    assert past == LogUniform(1e-3, 10.0, 1e-12, 1e6)

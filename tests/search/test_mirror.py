"""A search as Optuna reads it, by Optuna's own functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from babysit.measure.record import Range, RoundRecord, TrialRecord
from babysit.search.optuna_ledger import OptunaLedger
from babysit.search.shown import internal, label, widened
from babysit.search.trials import Outcome, TrialSpec, Unit


class Kept:
    """A ledger and the study that Optuna reads from the same file."""

    def __init__(self, file: Path) -> None:
        self._url = f"sqlite:///{file}"
        self.ledger = OptunaLedger(self._url, "study", metric="accuracy")

    def begin(self, number: int, ranges: dict[str, Range], settings: Sequence[dict[str, Any]], first: int = 0) -> None:
        specs = [TrialSpec(first + at, number, params, 7, 4.0, 3) for at, params in enumerate(settings)]
        self.ledger.begin(RoundRecord(number, "coarse", 4.0, len(specs), ranges), specs)

    def record(self, *outcomes: Outcome) -> None:
        unit = Unit(tuple(TrialSpec(one.number, 0, {}, 7, 4.0) for one in outcomes), outcomes[0].epochs)
        assert self.ledger.claim(unit)
        self.ledger.record(unit, outcomes)

    @property
    def study(self) -> optuna.Study:
        storage = optuna.storages.RDBStorage(self._url)
        study = optuna.load_study(study_name="study", storage=storage)
        study.trials  # noqa: B018
        storage.engine.dispose()
        return study

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.study.trials


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    made = Kept(tmp_path / "search.db")
    with closing(made.ledger):
        yield made


LR = {"lr": Range(1e-4, 1e-1, log=True)}


def test_a_trial_s_way_is_seen_at_every_stage(kept: Kept) -> None:
    kept.begin(0, LR, [{"lr": 0.01}, {"lr": 0.02}, {"lr": 0.03}, {"lr": 0.04}])
    assert [trial.state for trial in kept.trials] == [TrialState.WAITING] * 4

    unit = Unit(tuple(TrialSpec(number, 0, {}, 7, 4.0) for number in range(4)), 2.0)
    assert kept.ledger.claim(unit)
    assert [trial.state for trial in kept.trials] == [TrialState.RUNNING] * 4
    began = kept.trials[0].datetime_start
    assert began is not None
    assert abs(datetime.now() - began) < timedelta(minutes=1), "in the reader's own time"

    better = Outcome(0, 2.0, 2.0, 20, 2.3, 0.5, 0.8)
    halved = Outcome(1, 2.0, 2.0, 20, 2.3, 0.7, 0.7)
    killed = Outcome(2, 2.0, 0.7, 7, 2.3, math.inf, -math.inf, "loss nan at step 7")
    failed = Outcome(3, 2.0, 0.0, 0, math.nan, math.inf, -math.inf, "ValueError: no", failed=True)
    kept.ledger.record(unit, [better, halved, killed, failed])
    kept.record(Outcome(0, 4.0, 4.0, 40, 2.3, 0.4, 0.9))
    assert kept.trials[0].intermediate_values == {20: 0.8, 40: 0.9}
    assert kept.trials[0].last_step == 40

    ends = [
        ("complete", 0.4, 0.9),
        ("halved", 0.7, 0.7),
        ("killed", math.inf, -math.inf),
        ("failed", math.inf, -math.inf),
    ]
    for number, (status, loss, score) in enumerate(ends):
        reason = "" if number < 2 else "it broke"
        kept.ledger.end(TrialRecord(number, 0, {}, status, 2.0, 20, 2.3, loss, score, reason))
    trials = kept.trials
    expected = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED, TrialState.FAIL]
    assert [trial.state for trial in trials] == expected
    assert [trial.values for trial in trials] == [[0.9], [0.7], None, None]
    assert [trial.params for trial in trials] == [{"lr": 0.01}, {"lr": 0.02}, {"lr": 0.03}, {"lr": 0.04}]
    assert all(trial.datetime_complete and trial.duration is not None for trial in trials)
    about = {"round": "0 coarse", "seed": 7, "order": 3, "epochs": 2.0, "steps": 20, "initial_loss": 2.3}
    assert trials[0].user_attrs == {**about, "status": "complete", "loss": 0.4}
    assert trials[2].user_attrs == {**about, "status": "killed", "reason": "it broke"}
    assert kept.study.best_trial.number == 0
    assert kept.study.metric_names == ["accuracy"]


def test_what_has_ended_stays_as_it_is(kept: Kept) -> None:
    kept.begin(0, LR, [{"lr": 0.01}])
    first = TrialRecord(0, 0, {}, "complete", 2.0, 20, 2.3, 0.5, 0.8)
    kept.ledger.end(first)
    before = kept.trials[0]
    kept.ledger.end(TrialRecord(0, 0, {}, "killed", 2.0, 20, 2.3, 0.5, 0.1))
    other = OptunaLedger(kept._url, "study")
    other._ended.clear()  # as it is for a process that was there from the beginning
    other.end(TrialRecord(0, 0, {}, "killed", 2.0, 20, 2.3, 0.5, 0.1))
    other.close()
    assert kept.trials == [before]


def test_a_rung_of_one_step_takes_no_harm(kept: Kept) -> None:
    kept.begin(0, LR, [{"lr": 0.01}])
    kept.record(Outcome(0, 0.01, 0.1, 1, 2.3, 0.5, 0.8))
    kept.record(Outcome(0, 0.02, 0.1, 1, 2.3, 0.5, 0.8))
    assert kept.trials[0].intermediate_values == {1: 0.8}


def test_every_trial_has_the_same_distributions_however_the_ranges_move(kept: Kept) -> None:
    wide = {**LR, "units": Range(10, 50), "act": Range(choices=("relu", "elu")), "bn": Range(choices=("False", "True"))}
    kept.begin(0, wide, [{"lr": 0.01, "units": 20, "act": "elu", "bn": True}] * 2)
    moved = {**wide, "lr": Range(1e-2, 1.0, log=True), "units": Range(40, 90), "act": Range(choices=("elu",))}
    last = {"lr": 0.5, "units": 80, "act": "gelu", "bn": False, "augment": "flip"}
    kept.begin(1, moved, [last], first=2)
    trials = kept.trials
    expected = {
        "lr": FloatDistribution(1e-4, 1.0, log=True),
        "units": IntDistribution(10, 90),
        "act": CategoricalDistribution(("relu", "elu", "gelu")),
        "bn": CategoricalDistribution((False, True)),
    }
    assert trials[0].distributions == trials[1].distributions == expected
    assert trials[2].distributions == {**expected, "augment": CategoricalDistribution(("flip",))}
    assert trials[0].params == {"lr": 0.01, "units": 20, "act": "elu", "bn": True}
    assert trials[2].params == last


def test_optuna_says_which_hyperparameter_matters_over_rounds_whose_ranges_move(kept: Kept) -> None:
    for round_ in range(2):
        settings = [{"lr": 10 ** -(round_ + at / 10), "units": 10 + 7 * at % 40} for at in range(20)]
        ranges = {"lr": Range(1e-3 / 10**round_, 1.0 / 10**round_, log=True), "units": Range(10, 50)}
        kept.begin(round_, ranges, settings, first=20 * round_)
        for at, params in enumerate(settings):
            score = -abs(math.log10(params["lr"]) + 1.5)
            kept.ledger.end(TrialRecord(20 * round_ + at, 0, {}, "complete", 2.0, 20, 2.3, 0.5, score))
    importances = optuna.importance.get_param_importances(kept.study)
    assert set(importances) == {"lr", "units"}
    assert importances["lr"] > 0.8


numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6))
plain = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=5), st.tuples(st.integers(), st.integers()))


@given(st.lists(st.lists(numbers, min_size=1), min_size=1, max_size=4), st.booleans())
def test_numbers_stay_what_they_are_in_a_distribution_that_widens(rounds: list[list[float]], log: bool) -> None:
    known = None
    for values in rounds:
        known = widened(known, Range(1.0, 2.0, log=log), values)
    assert isinstance(known, (IntDistribution, FloatDistribution))
    again = optuna.distributions.json_to_distribution(optuna.distributions.distribution_to_json(known))
    assert again == known
    for value in [1.0, 2.0, *(value for values in rounds for value in values)]:
        assert known._contains(internal(known, value))
        assert known.to_external_repr(internal(known, value)) == value


@given(st.lists(st.lists(plain, min_size=1), min_size=1, max_size=4))
def test_so_do_choices_of_any_kind(rounds: list[list[Any]]) -> None:
    known = None
    for values in rounds:
        known = widened(known, Range(choices=tuple(str(value) for value in values)), values)
    assert isinstance(known, CategoricalDistribution)
    for value in [value for values in rounds for value in values]:
        found = known.to_external_repr(internal(known, value))
        assert (type(found), found) == (type(label(value)), label(value))


def test_what_is_set_and_not_drawn_has_a_distribution_too() -> None:
    assert widened(None, None, [0.5]) == FloatDistribution(0.5, 0.5)
    assert widened(None, None, [3]) == IntDistribution(3, 3)
    assert widened(None, None, ["flip"]) == CategoricalDistribution(("flip",))
    assert widened(FloatDistribution(0.1, 0.2, log=True), None, [-1.0]) == FloatDistribution(-1.0, 0.2)

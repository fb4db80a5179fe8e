from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.recipe.budget import (
    DEFAULT_TRIALS,
    NOMINAL_BUDGET,
    NOMINAL_FLOPS,
    NOMINAL_OVERHEAD,
    USABLE_SHARE,
    Budget,
    Plan,
    make_plan,
    nominal_seconds_per_step,
    parse_budget,
)

budgets = st.builds(Budget, st.none() | st.floats(0.1, 1e6), st.none() | st.integers(1, 5000))
step_seconds = st.floats(1e-5, 10.0)
steps = st.integers(1, 100_000)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        (None, Budget()),
        ("60s", Budget(seconds=60.0)),
        ("10m", Budget(seconds=600.0)),
        ("1.5h", Budget(seconds=5400.0)),
        (" 0.5 s ", Budget(seconds=0.5)),
        ("200trials", Budget(trials=200)),
        ("1trial", Budget(trials=1)),
        ("12 trials", Budget(trials=12)),
        ("3.0trials", Budget(trials=3)),
    ],
)
def test_budgets_as_people_write_them(text: str | None, budget: Budget) -> None:
    assert parse_budget(text) == budget


WRONG = [
    "",
    "soon",
    "10",
    "m",
    "-5s",
    "0s",
    "0trials",
    "2.5trials",
    "1e3s",
    "10 min",
    "5s5s",
    "10m,5s",
    "10m,200trials",
    "500epochs",
    "infs",
    "٣s",
    "9" * 99 + "s",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_budget_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^--budget: expected a time such as 60s, 10m or 1h, or a number of trials"):
        parse_budget(text)


@given(st.text(max_size=12))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        budget = parse_budget(text)
    except InputError:
        return
    assert (budget.seconds or budget.trials or 0) > 0


def trials_of(plan: Plan) -> int:
    return sum(round_.trials for round_ in plan.rounds)


def seconds_of(plan: Plan, epoch_seconds: float, models: int) -> float:
    """What the plan takes, recomputed: each halving lets half of the trials go on for twice as long."""
    total = models * plan.epochs
    for round_ in plan.rounds:
        left = float(round_.trials)
        trained = 0.0
        for rung in range(round_.halvings + 1):
            until = round_.epochs / 2 ** (round_.halvings - rung)
            total += left * (until - trained)
            left, trained = left / 2, until
    return total * epoch_seconds


@given(budgets, step_seconds, steps, st.integers(1, 5), st.none() | st.integers(1, 100))
def test_every_plan_can_be_carried_out(
    budget: Budget, seconds: float, per_epoch: int, models: int, epochs: int | None
) -> None:
    plan = make_plan(budget, seconds_per_step=seconds, steps_per_epoch=per_epoch, models=models, epochs=epochs)
    assert trials_of(plan) == (budget.trials or DEFAULT_TRIALS)
    assert plan.rounds[0].name == "coarse"
    names = [round_.name for round_ in plan.rounds]
    assert list(dict.fromkeys(names)) == [name for name in ("coarse", "fine", "final") if name in names]
    assert names.count("coarse") == 1 >= names.count("final")
    assert all(round_.trials >= 1 for round_ in plan.rounds)
    lengths = [round_.epochs for round_ in plan.rounds]
    assert lengths == sorted(lengths), "coarse before fine before final"
    # two significant digits may round a little down from the 20 steps that say something
    assert all(round_.epochs * per_epoch >= 0.94 * 20 for round_ in plan.rounds)
    assert plan.epochs == epochs if epochs else 1 <= plan.epochs <= 60
    assert plan.seconds_per_step == seconds


@given(st.floats(1.0, 1e6), step_seconds, steps, st.integers(1, 5))
def test_a_plan_keeps_within_its_time_and_what_is_needed_at_least(
    limit: float, seconds: float, per_epoch: int, models: int
) -> None:
    plan = make_plan(Budget(seconds=limit), seconds_per_step=seconds, steps_per_epoch=per_epoch, models=models)
    least = models * per_epoch + 20 * DEFAULT_TRIALS  # one epoch of full training, twenty steps a trial
    assert seconds_of(plan, seconds * per_epoch, models) <= 0.9 * limit + 1.06 * seconds * least


@given(st.floats(0.1, 1e5), st.floats(1.0, 50.0), step_seconds, steps, st.integers(1, 3))
def test_more_time_never_trains_shorter(limit: float, more: float, seconds: float, per_epoch: int, models: int) -> None:
    short, long = (
        make_plan(Budget(seconds=time), seconds_per_step=seconds, steps_per_epoch=per_epoch, models=models)
        for time in (limit, limit * more)
    )
    assert short.epochs <= long.epochs
    assert sum(r.trials for r in short.rounds) == sum(r.trials for r in long.rounds)
    assert all(a.epochs <= b.epochs for a, b in zip(short.rounds, long.rounds, strict=True))


@given(st.integers(1, 500), st.integers(0, 500), step_seconds, steps)
def test_more_trials_share_the_same_time(trials: int, more: int, seconds: float, per_epoch: int) -> None:
    few, many = (
        make_plan(Budget(trials=count), seconds_per_step=seconds, steps_per_epoch=per_epoch)
        for count in (trials, trials + more)
    )
    assert many.epochs <= few.epochs or len(few.rounds) < len(many.rounds)
    assert trials_of(many) == trials_of(few) + more


@pytest.mark.parametrize("trials", range(1, 14))
def test_however_few_trials_there_is_something_to_choose_from_before_the_final(trials: int) -> None:
    plan = make_plan(Budget(trials=trials), seconds_per_step=1e-3, steps_per_epoch=100)
    rounds = {round_.name: round_.trials for round_ in plan.rounds}
    assert rounds["coarse"] >= 1
    assert rounds.get("final", 2) >= 2, "a final with itself would be a trial wasted"
    assert rounds.get("final", 0) <= rounds["coarse"] + rounds.get("fine", 0)


def test_finalists_train_as_long_as_the_full_training() -> None:
    plan = make_plan(Budget(), seconds_per_step=1e-3, steps_per_epoch=100)
    assert plan.rounds[-1].epochs == plan.epochs == 60
    plan = make_plan(Budget(), seconds_per_step=1e-3, steps_per_epoch=100, epochs=7)
    assert plan.rounds[-1].epochs == plan.epochs == 7


def test_an_epoch_that_the_time_leaves_over_goes_to_the_full_training() -> None:
    trials_take = 6.0  # epochs, where the finalists train one, and 1 for the full training
    for epochs, full in ((7.1, 1), (7.9, 1), (8.1, 2), (13.9, 2)):
        plan = make_plan(Budget(seconds=epochs / USABLE_SHARE), seconds_per_step=1e-3, steps_per_epoch=1000)
        assert [plan.rounds[-1].epochs, plan.epochs] == [1, full]
        assert seconds_of(plan, 1.0, 1) == pytest.approx(trials_take + full, abs=0.1)


def test_without_a_time_the_plan_follows_from_the_sizes_alone() -> None:
    seconds = nominal_seconds_per_step(3e8)
    assert seconds == NOMINAL_OVERHEAD + 3e8 / NOMINAL_FLOPS
    plan = make_plan(Budget(), seconds_per_step=seconds, steps_per_epoch=400)
    assert plan == make_plan(Budget(seconds=NOMINAL_BUDGET), seconds_per_step=seconds, steps_per_epoch=400)

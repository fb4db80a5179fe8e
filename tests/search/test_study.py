from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.ledgers import JournalLedger, Ledger, MemoryLedger
from babysit.search.limits import Limits
from babysit.search.optuna_ledger import OptunaLedger
from babysit.search.rungs import Rungs
from babysit.search.space import Choice, IntUniform, LogUniform, Space, Uniform, When
from babysit.search.study import AT_LEAST_BEST, RoundPlan, Study, StudyResult
from babysit.search.trials import Outcome, TrialSpec, Unit

Score = Callable[[TrialSpec, float], float]
STEPS = 10


@dataclass
class KnownScore:
    """Trains nothing: the score of a trial is a function of its settings and the epochs it has had.

    ``overrun``: epochs that each trial trains longer than the one before, as steps of different sizes round to.
    """

    score: Score
    killed: Callable[[TrialSpec, float], bool] = lambda _trial, _epochs: False
    failed: Callable[[TrialSpec], bool] = lambda _trial: False
    loss: Score | None = None
    overrun: float = 0.0
    advanced: list[tuple[float, list[TrialSpec]]] = field(default_factory=list)
    released: list[int] = field(default_factory=list)

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        return [tuple(trials)]

    def run(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, list[Outcome]]]:
        for unit in units:
            self.advanced.append((unit.epochs, list(unit.trials)))
            for trial in unit.trials:
                assert trial.number not in self.released, "a trial that was released is not advanced again"
            yield unit, [self._outcome(trial, unit.epochs) for trial in unit.trials]

    def release(self, numbers: Iterable[int]) -> None:
        self.released += numbers

    def close(self) -> None:
        """Nothing is held."""

    def _outcome(self, trial: TrialSpec, epochs: float) -> Outcome:
        if self.failed(trial):
            reason = f"ValueError: trial {trial.number} cannot be built"
            return Outcome(trial.number, epochs, 0.0, 0, math.nan, math.inf, -math.inf, reason, failed=True)
        if self.killed(trial, epochs):
            return Outcome(trial.number, epochs, epochs / 2, 3, 2.3, math.inf, -math.inf, "loss nan at step 3")
        score = self.score(trial, epochs)
        loss = self.loss(trial, epochs) if self.loss else -score
        trained = epochs + self.overrun * trial.number
        return Outcome(trial.number, epochs, trained, round(epochs * STEPS), 2.3, loss, score)


def rungs(engine: KnownScore) -> Rungs:
    return Rungs(engine, engine, MemoryLedger())


def exponent(trial: TrialSpec) -> float:
    return math.log10(trial.params["lr"])


def near(optimum: float) -> Score:
    """Best where the learning rate is 10 to that power."""
    return lambda trial, _epochs: -abs(exponent(trial) - optimum)


def rates(low: float = 1e-6, high: float = 1e-1) -> Space:
    return Space({"lr": LogUniform(low, high)})


@given(st.integers(1, 24), st.integers(0, 3), st.sampled_from([0.5, 6.0, 16.0]))
def test_halving_keeps_exactly_the_better_half_and_lets_the_rest_go(trials: int, halvings: int, epochs: float) -> None:
    engine = KnownScore(near(-3.0))
    Study(rates(), [RoundPlan("coarse", trials, epochs, halvings)], rungs(engine), moves=0).run()
    assert [rung for rung, _ in engine.advanced] == [epochs / 2**left for left in range(halvings, -1, -1)]
    for (_, before), (_, after) in zip(engine.advanced, engine.advanced[1:], strict=False):
        best_first = sorted(before, key=near_minus_three, reverse=True)
        assert after == best_first[: math.ceil(len(before) / 2)]
    assert sorted(engine.released) == list(range(trials))


def near_minus_three(trial: TrialSpec) -> float:
    return -abs(exponent(trial) + 3.0)


def test_a_trial_is_released_as_soon_as_it_is_out() -> None:
    engine = KnownScore(near(-3.0))
    Study(rates(), [RoundPlan("coarse", 8, 8.0, 2)], rungs(engine), moves=0).run()
    last = [trial.number for trial in engine.advanced[-1][1]]
    middle = [trial.number for trial in engine.advanced[1][1]]
    out_first = [number for number in range(8) if number not in middle]
    assert engine.released == [*out_first, *[n for n in middle if n not in last], *last]


def test_what_counts_is_the_score_at_the_rung_not_at_the_end() -> None:
    def slow_starter(trial: TrialSpec, epochs: float) -> float:
        first = 100.0 if epochs == 8.0 else -100.0
        return first if trial.number == 0 else -float(trial.number)

    engine = KnownScore(slow_starter)
    result = Study(rates(), [RoundPlan("coarse", 4, 8.0, 1)], rungs(engine), moves=0).run()
    assert {trial.number: trial.status for trial in result.trials} == {
        0: "halved", 1: "complete", 2: "complete", 3: "halved",
    }  # fmt: skip


def test_whoever_came_further_is_better_whatever_the_score_was_on_the_way() -> None:
    engine = KnownScore(lambda trial, epochs: -float(trial.number) - (100.0 if epochs == 8.0 else 0.0))
    result = Study(rates(), [RoundPlan("coarse", 4, 8.0, 1)], rungs(engine), moves=0).run()
    assert result.ranking[:2] == (result.trials[0].params, result.trials[1].params)
    assert result.score == -100.0


def test_further_means_the_rung_and_not_how_its_steps_were_rounded() -> None:
    engine = KnownScore(lambda trial, _epochs: -float(trial.number), overrun=0.01)
    result = Study(rates(), [RoundPlan("coarse", 4, 8.0, 1)], rungs(engine), moves=0).run()
    assert result.trials[1].epochs > result.trials[0].epochs
    assert result.best == result.trials[0].params


def test_of_equal_scores_the_lower_loss_is_better() -> None:
    engine = KnownScore(lambda _trial, _epochs: 0.5, loss=lambda trial, _epochs: float(trial.number))
    result = Study(rates(), [RoundPlan("coarse", 4, 4.0, 1)], rungs(engine), moves=0).run()
    assert [trial.status for trial in result.trials] == ["complete", "complete", "halved", "halved"]
    assert result.best == result.trials[0].params


def test_killed_and_failed_trials_are_counted_and_never_go_on() -> None:
    engine = KnownScore(
        lambda trial, _epochs: -float(trial.number),
        killed=lambda trial, epochs: trial.number == 1 and epochs >= 4.0,
        failed=lambda trial: trial.number == 2,
    )
    result = Study(rates(), [RoundPlan("coarse", 6, 8.0, 2)], rungs(engine), moves=0).run()
    # 2 is out at once, so three of the five others go on; there 1 is killed, and one of two is left
    assert [trial.status for trial in result.trials] == ["complete", "killed", "failed", "halved", "halved", "halved"]
    killed, failed = result.trials[1], result.trials[2]
    assert (killed.reason, killed.score, killed.loss, killed.epochs) == ("loss nan at step 3", -math.inf, math.inf, 2.0)
    assert (failed.reason, failed.epochs) == ("ValueError: trial 2 cannot be built", 0.0)
    assert [params["lr"] for params in result.ranking] == [result.trials[n].params["lr"] for n in (0, 3, 4, 5)]


def test_the_statuses_and_numbers_are_those_of_the_last_rung_a_trial_saw() -> None:
    engine = KnownScore(lambda trial, epochs: epochs - trial.number)
    result = Study(rates(), [RoundPlan("coarse", 4, 8.0, 1)], rungs(engine), moves=0).run()
    assert [(t.status, t.epochs, t.steps, t.score) for t in result.trials] == [
        ("complete", 8.0, 80, 8.0),
        ("complete", 8.0, 80, 7.0),
        ("halved", 4.0, 40, 2.0),
        ("halved", 4.0, 40, 1.0),
    ]


def test_a_trial_remembers_its_score_at_every_rung_it_came_to_alive() -> None:
    engine = KnownScore(
        lambda trial, epochs: epochs + exponent(trial),
        killed=lambda trial, epochs: trial.number == 2 and epochs > 1,
        failed=lambda trial: trial.number == 5,
    )
    plans = [RoundPlan("coarse", 8, 4.0, 2), RoundPlan("final", 2, 8.0)]
    result = Study(rates(), plans, rungs(engine), moves=0, finalists=2).run()
    advanced = [(epochs, [trial.number for trial in trials]) for epochs, trials in engine.advanced]
    for trial in result.trials:
        came_to = [epochs for epochs, numbers in advanced if trial.number in numbers]
        alive = came_to[: -1 if trial.status in ("killed", "failed") else None]
        place = math.log10(trial.params["lr"])
        assert trial.rungs == tuple((epochs, pytest.approx(epochs + place)) for epochs in alive)
    assert {len(trial.rungs) for trial in result.trials} == {0, 1, 2, 3}


def test_finalists_meet_again_with_fresh_seeds_and_the_mean_decides() -> None:
    coarse = [0.90, 0.80, 0.70, 0.60, 0.50]  # the first setting leads, by one lucky seed
    final = [0.50, 0.80, 0.86, 0.70, 0.50, 0.80]  # of the first and the second in turn

    engine = KnownScore(lambda trial, _epochs: [*coarse, *final][trial.number])
    plans = [RoundPlan("coarse", 5, 4.0), RoundPlan("final", 6, 8.0)]
    result = Study(rates(), plans, rungs(engine), finalists=2, moves=0).run()
    assert [trial.params for trial in result.trials[5:]] == [result.trials[0].params, result.trials[1].params] * 3
    assert result.best == result.trials[1].params
    assert result.score == pytest.approx((0.80 + 0.70 + 0.80) / 3)
    assert result.ranking[:2] == (result.trials[1].params, result.trials[0].params)


def test_every_trial_has_a_seed_of_its_own() -> None:
    engine = KnownScore(near(-3.0))
    Study(rates(), [RoundPlan("coarse", 9, 2.0), RoundPlan("final", 6, 4.0)], rungs(engine), moves=0).run()
    seeds = [trial.seed for _, trials in engine.advanced for trial in trials]
    assert len(set(seeds)) == len(seeds) == 15
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_finalist_that_diverges_with_one_of_its_seeds_comes_last() -> None:
    engine = KnownScore(near(-3.0), killed=lambda trial, _epochs: trial.number == 6)  # the best one's second repeat
    plans = [RoundPlan("coarse", 4, 2.0), RoundPlan("final", 4, 4.0)]
    result = Study(rates(), plans, rungs(engine), finalists=2, moves=0).run()
    assert result.trials[6].status == "killed"
    assert result.trials[6].params == result.trials[4].params
    assert result.best == result.trials[5].params


def test_challengers_are_made_from_the_best_and_may_win() -> None:
    def stronger(best: dict[str, float]) -> list[dict[str, float]]:
        return [{"lr": 10 * best["lr"]}]

    engine = KnownScore(lambda trial, _epochs: exponent(trial))
    plans = [RoundPlan("coarse", 4, 2.0), RoundPlan("final", 3, 4.0)]
    result = Study(rates(), plans, rungs(engine), finalists=2, moves=0, challengers=stronger).run()
    best = max(trial.params["lr"] for trial in result.trials if trial.round == 0)
    assert result.trials[-1].params["lr"] == pytest.approx(10 * best)
    assert result.best["lr"] == pytest.approx(10 * best)


def test_an_optimum_outside_the_first_range_is_reached_by_moving_past_the_edge() -> None:
    plans = [RoundPlan("coarse", 16, 1.0), RoundPlan("fine", 16, 2.0)]
    moving = Study(rates(1e-6, 1e-3), plans, rungs(KnownScore(near(-1.0))), moves=2).run()
    assert abs(math.log10(moving.best["lr"]) + 1.0) < 0.15
    # the first range alone cannot come nearer than its edge
    fixed = Study(rates(1e-6, 1e-3), [RoundPlan("coarse", 32, 1.0)], rungs(KnownScore(near(-1.0))), moves=0).run()
    assert math.log10(fixed.best["lr"]) <= -3.0


def test_the_range_moves_down_as_well() -> None:
    plans = [RoundPlan("coarse", 16, 1.0), RoundPlan("fine", 16, 2.0)]
    result = Study(rates(1e-2, 1e1), plans, rungs(KnownScore(near(-3.0))), moves=2).run()
    assert abs(math.log10(result.best["lr"]) + 3.0) < 0.15


@pytest.mark.parametrize(
    ("optimum", "moves", "names"),
    [
        (-3.5, 1, ["coarse", "fine"]),  # inside: nothing more to do
        (0.5, 0, ["coarse", "fine"]),
        (0.5, 1, ["coarse", "fine"]),  # the planned round has moved
        (0.5, 2, ["coarse", "fine", "fine"]),
        (3.0, 3, ["coarse", "fine", "fine", "fine"]),
        (9.0, 3, ["coarse", "fine", "fine", "fine"]),  # for ever out of reach, but not tried for ever
    ],
)
def test_there_is_an_extra_round_only_while_the_best_sit_at_an_edge(
    optimum: float, moves: int, names: list[str]
) -> None:
    plans = [RoundPlan("coarse", 20, 1.0), RoundPlan("fine", 20, 2.0)]
    result = Study(rates(1e-6, 1e-2), plans, rungs(KnownScore(near(optimum))), moves=moves).run()
    assert [record.name for record in result.rounds] == names
    assert [record.epochs for record in result.rounds] == [1.0, *[2.0] * (len(names) - 1)]


def test_a_limit_of_the_parameter_itself_is_no_edge() -> None:
    space = Space({"dropout": Uniform(0.0, 0.5, floor=0.0)})
    engine = KnownScore(lambda trial, _epochs: -float(trial.params["dropout"]))
    result = Study(space, [RoundPlan("coarse", 20, 1.0), RoundPlan("fine", 20, 1.0)], rungs(engine), moves=3).run()
    assert [record.name for record in result.rounds] == ["coarse", "fine"]


def test_the_next_round_is_drawn_around_the_best() -> None:
    space = Space({"lr": LogUniform(1e-6, 1e-1), "activation": Choice("relu", "tanh")})

    def score(trial: TrialSpec, epochs: float) -> float:
        return near(-3.0)(trial, epochs) - (10.0 if trial.params["activation"] != "relu" else 0.0)

    plans = [RoundPlan("coarse", 60, 1.0), RoundPlan("fine", 20, 2.0)]
    result = Study(space, plans, rungs(KnownScore(score)), moves=0).run()
    fine = result.rounds[1].ranges
    assert fine["activation"].choices == ("relu",)
    assert fine["lr"].low is not None
    assert fine["lr"].high is not None
    assert 1e-6 < fine["lr"].low < 1e-3 < fine["lr"].high < 1e-1
    drawn = [trial.params for trial in result.trials if trial.round == 1]
    assert all(fine["lr"].low <= params["lr"] <= fine["lr"].high for params in drawn)


def test_the_same_seed_gives_the_same_search_and_another_another() -> None:
    plans = [RoundPlan("coarse", 8, 2.0, 1), RoundPlan("fine", 6, 4.0, 1), RoundPlan("final", 3, 8.0)]
    first, again, other = (Study(rates(), plans, rungs(KnownScore(near(-3.0))), seed=seed).run() for seed in (3, 3, 4))
    assert first == again
    assert first.trials != other.trials


def test_rounds_and_trials_are_told_in_order() -> None:
    told: list[RoundRecord | TrialRecord] = []
    plans = [RoundPlan("coarse", 3, 2.0), RoundPlan("fine", 2, 2.0)]
    result = Study(rates(), plans, rungs(KnownScore(near(-3.0))), moves=0, tell=told.append).run()
    assert [record.number for record in told if isinstance(record, TrialRecord)] == [0, 1, 2, 3, 4]
    assert told == [result.rounds[0], *result.trials[:3], result.rounds[1], *result.trials[3:]]
    assert result.rounds[0].ranges["lr"] == LogUniform(1e-6, 1e-1).to_range()


@given(
    st.lists(
        st.builds(
            RoundPlan, st.just("coarse"), st.integers(1, 12), st.sampled_from([1.0, 4.0, 10.0]), st.integers(0, 3)
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 2),
)
def test_the_epochs_add_up(plans: list[RoundPlan], every: int) -> None:
    engine = KnownScore(near(-3.0), killed=lambda trial, _epochs: every > 0 and trial.number % 4 == every)
    result = Study(rates(), plans, rungs(engine), moves=0).run()
    had: dict[int, float] = {}
    for epochs, trials in engine.advanced:
        for trial in trials:
            had[trial.number] = epochs / 2 if every > 0 and trial.number % 4 == every else epochs
    assert result.epochs_run == pytest.approx(sum(had.values()))
    assert result.epochs_planned == pytest.approx(sum(plan.trials * plan.epochs for plan in plans))
    assert result.epochs_run <= result.epochs_planned


def test_an_extra_round_is_planned_for_too() -> None:
    plans = [RoundPlan("coarse", 16, 2.0), RoundPlan("final", 2, 4.0)]
    result = Study(rates(1e-6, 1e-3), plans, rungs(KnownScore(near(-1.0))), moves=1).run()
    assert [record.name for record in result.rounds] == ["coarse", "fine", "final"]
    assert result.epochs_planned == result.epochs_run == 16 * 2.0 + 16 * 2.0 + 2 * 4.0


def test_when_every_trial_fails_the_first_reason_is_told() -> None:
    study = Study(rates(), [RoundPlan("coarse", 3, 1.0)], rungs(KnownScore(near(0.0), failed=lambda _: True)))
    with pytest.raises(InputError, match="3 that failed, the first with ValueError: trial 0 cannot be built"):
        study.run()


def test_when_every_trial_is_killed_the_rate_is_too_high() -> None:
    plans = [RoundPlan("coarse", 3, 1.0), RoundPlan("fine", 2, 1.0), RoundPlan("final", 2, 1.0)]
    study = Study(rates(), plans, rungs(KnownScore(near(0.0), killed=lambda _trial, _epochs: True)))
    with pytest.raises(InputError, match="found 5 trials that were all killed; lower the upper end"):
        study.run()


def test_a_round_that_is_killed_whole_leaves_the_best_of_the_one_before() -> None:
    engine = KnownScore(near(-3.0), killed=lambda trial, _epochs: trial.round > 0)
    plans = [RoundPlan("coarse", AT_LEAST_BEST, 1.0), RoundPlan("fine", 3, 2.0), RoundPlan("final", 2, 4.0)]
    result = Study(rates(), plans, rungs(engine), moves=0).run()
    assert result.best == max(result.trials[:AT_LEAST_BEST], key=lambda trial: trial.score).params


def test_no_range_moves_where_the_limit_is_none() -> None:
    plans = [RoundPlan("coarse", 20, 1.0), RoundPlan("fine", 20, 1.0), RoundPlan("fine", 20, 1.0)]
    result = Study(rates(1e-6, 1e-3), plans, rungs(KnownScore(near(-1.0))), moves=0).run()
    assert all(record.ranges["lr"].high == 1e-3 for record in result.rounds)


@pytest.mark.parametrize("sampler", ["random", "sobol", "tpe", "grid"])
def test_every_sampler_finds_the_optimum_also_outside_the_first_range(sampler: str) -> None:
    plans = [RoundPlan("coarse", 12, 1.0), RoundPlan("fine", 12, 2.0), RoundPlan("final", 4, 4.0)]
    for optimum, within in ((-3.0, 0.2), (0.0, 0.4)):
        study = Study(rates(1e-6, 1e-1), plans, rungs(KnownScore(near(optimum))), sampler=sampler, seed=1)
        assert abs(math.log10(study.run().best["lr"]) - optimum) < within


def test_tpe_draws_each_few_from_how_the_ones_before_ended() -> None:
    engine = KnownScore(near(-3.0))
    result = Study(rates(), [RoundPlan("coarse", 30, 1.0)], rungs(engine), sampler="tpe").run()
    assert [len(trials) for _, trials in engine.advanced] == [4] * 7 + [2]
    distances = [abs(math.log10(trial.params["lr"]) + 3.0) for trial in result.trials]
    assert sum(distances[18:]) / 12 < 0.75 * 1.3  # what random draws from 1e-6 to 1e-1 are away on average
    assert [record.trials for record in result.rounds] == [30]


def test_tpe_goes_on_in_a_database_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    plans = [RoundPlan("coarse", 10, 1.0), RoundPlan("final", 2, 1.0)]

    def search(engine: KnownScore, ledger: Ledger) -> StudyResult:
        with closing(ledger):
            return Study(rates(), plans, Rungs(engine, engine, ledger), sampler="tpe").run()

    whole = search(KnownScore(near(-3.0)), MemoryLedger())
    with pytest.raises(KeyboardInterrupt):
        search(Timed(near(-3.0), units_left=2), OptunaLedger(url, "tpe"))
    assert search(KnownScore(near(-3.0)), OptunaLedger(url, "tpe")) == whole


def test_an_unknown_sampler_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(InputError, match="did you mean 'sobol'"):
        Study(rates(), [], rungs(KnownScore(near(0.0))), sampler="sobo")


def test_of_a_space_with_few_points_each_is_tried_once_a_round() -> None:
    space = Space({"activation": Choice("relu", "elu", "tanh"), "hidden": IntUniform(1, 2)})
    engine = KnownScore(lambda trial, _epochs: float(trial.params["hidden"]))
    result = Study(space, [RoundPlan("coarse", 20, 1.0)], rungs(engine)).run()
    assert len(result.trials) == len({str(trial.params) for trial in result.trials}) == 6
    assert result.rounds[0].trials == 6
    point = Study(Space({"lr": LogUniform(0.1, 0.1)}), [RoundPlan("coarse", 20, 1.0)], rungs(KnownScore(near(0))))
    assert [trial.params for trial in point.run().trials] == [{"lr": 0.1}]


def test_a_conditional_hyperparameter_goes_through_all_rounds() -> None:
    optimizer = Choice("sgd", "momentum")
    space = Space({"optimizer": optimizer, "momentum": When("optimizer", ["momentum"], Uniform(0.5, 0.99, 0, 1))})
    engine = KnownScore(lambda trial, _epochs: -abs(trial.params.get("momentum", 0.0) - 0.9))
    plans = [RoundPlan("coarse", 20, 1.0), RoundPlan("fine", 10, 1.0), RoundPlan("final", 4, 1.0)]
    result = Study(space, plans, rungs(engine)).run()
    assert result.best["optimizer"] == "momentum"
    assert result.best["momentum"] == pytest.approx(0.9, abs=0.02)


def test_a_score_that_is_no_number_stops_its_trial_and_no_other() -> None:
    engine = KnownScore(lambda trial, _epochs: math.nan if trial.number == 1 else -float(trial.number))
    result = Study(rates(), [RoundPlan("coarse", 4, 8.0, 1)], rungs(engine)).run()
    assert [trial.status for trial in result.trials] == ["complete", "killed", "complete", "halved"]
    assert result.trials[1].reason == "the score is NaN after step 40"
    assert result.trials[1].score == -math.inf


def test_when_no_score_is_a_number_the_metric_is_what_to_look_at() -> None:
    study = Study(rates(), [RoundPlan("coarse", 4, 8.0, 1)], rungs(KnownScore(lambda *_: math.nan)))
    with pytest.raises(InputError, match=r"whose score is a number, found 4 trials .*; see what the metric gives"):
        study.run()


PLANS = [RoundPlan("coarse", 16, 2.0, 2), RoundPlan("fine", 8, 4.0, 1), RoundPlan("final", 4, 8.0)]


@given(st.integers(1, 60))
def test_a_limit_of_trials_is_kept_extra_rounds_included(limit: int) -> None:
    result = Study(rates(1e-6, 1e-3), PLANS, rungs(KnownScore(near(-1.0))), limits=Limits(trials=limit)).run()
    assert len(result.trials) <= limit
    cut_short = result.rounds[-1].name != "final" or result.rounds[-1].trials < 4
    assert ("the limit of" in result.stopped) == cut_short or len(result.trials) == limit


@given(st.floats(2.0, 120.0), st.sampled_from(["random", "grid"]))
def test_a_limit_of_epochs_is_kept_and_used(limit: float, sampler: str) -> None:
    engine = KnownScore(near(-3.0))
    result = Study(rates(), PLANS, rungs(engine), limits=Limits(epochs=limit), sampler=sampler, moves=0).run()
    assert result.epochs_run <= limit * (1 + 1e-6)
    whole = 16.0 + 24.0 + 32.0
    assert result.stopped == "" if limit >= whole else "the limit of" in result.stopped
    assert result.epochs_run > limit - 8.0 or limit >= whole  # one more finalist had no room


@pytest.mark.parametrize("limits", [{"trials": 0}, {"epochs": -1.0}, {"seconds": math.nan}])
def test_limits_are_above_zero(limits: dict[str, float]) -> None:
    with pytest.raises(InputError, match="a number above 0"):
        Limits(**limits)  # type: ignore[arg-type]


def test_a_budget_too_small_for_one_trial_is_refused() -> None:
    study = Study(rates(), [RoundPlan("coarse", 8, 4.0)], rungs(KnownScore(near(0.0))), limits=Limits(epochs=3.0))
    with pytest.raises(InputError, match="room for one trial of 4 epochs, found the limit of 3 epochs; raise it"):
        study.run()


@dataclass
class Timed(KnownScore):
    """Takes a second of its own clock for every epoch of every trial, and may be killed after some units."""

    time: float = 0.0
    pace: float = 1.0
    units_left: int = 10**6

    def run(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, list[Outcome]]]:
        for unit, outcomes in super().run(units):
            if self.units_left == 0:
                raise KeyboardInterrupt
            self.units_left -= 1
            self.time += self.pace * unit.epochs * len(unit.trials)
            yield unit, outcomes


def timed(engine: Timed, ledger: Ledger, limit: float, sampler: str = "random") -> Study:
    return Study(
        rates(),
        PLANS,
        Rungs(engine, engine, ledger),
        limits=Limits(seconds=limit),
        sampler=sampler,
        now=lambda: engine.time,
    )


def test_a_limit_of_time_ends_the_search_between_rungs_and_says_so() -> None:
    engine = Timed(near(-3.0))
    result = timed(engine, MemoryLedger(), 10.0).run()
    assert [record.name for record in result.rounds] == ["coarse"]
    assert result.stopped == "the limit of 10 s, before round 1 (fine)"
    early = timed(Timed(near(-3.0)), MemoryLedger(), 7.0).run()
    assert {trial.status for trial in early.trials} == {"halved"}  # the first of three rungs took 8 s
    free = timed(Timed(near(-3.0)), MemoryLedger(), 1e6).run()
    assert free.stopped == ""
    assert [record.trials for record in free.rounds] == [16, 8, 4]


@pytest.mark.parametrize("limit", [1e9, 50.0])
@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("units", [0, 1, 2, 3, 4])
def test_a_search_that_is_killed_goes_on_to_the_same_trials(
    tmp_path: Path, sampler: str, units: int, limit: float
) -> None:
    whole = timed(Timed(near(-3.0)), MemoryLedger(), limit, sampler).run()
    with closing(JournalLedger(tmp_path / "journal.jsonl")) as ledger, pytest.raises(KeyboardInterrupt):
        timed(Timed(near(-3.0), units_left=units), ledger, limit, sampler).run()
    with closing(JournalLedger(tmp_path / "journal.jsonl")) as ledger:
        resumed = timed(Timed(near(-3.0)), ledger, limit, sampler).run()
    assert resumed.trials[:4] == whole.trials[:4]
    if limit == 1e9:
        assert resumed == whole
    # where the time after the last decision was lost there may be more trials, but only once
    with closing(JournalLedger(tmp_path / "journal.jsonl")) as ledger:
        assert timed(Timed(near(-3.0), pace=100.0, units_left=0), ledger, limit, sampler).run() == resumed


def test_decisions_that_hung_on_the_clock_stay_what_they_were_on_another_machine(tmp_path: Path) -> None:
    first = JournalLedger(tmp_path / "journal.jsonl")
    slow = timed(Timed(near(-3.0)), first, 40.0).run()
    first.close()
    second = JournalLedger(tmp_path / "journal.jsonl")
    fast = timed(Timed(near(-3.0), pace=0.001), second, 40.0).run()
    second.close()
    assert slow.stopped
    assert fast == slow


def test_what_a_coarse_round_found_is_not_lost_by_a_fine_one() -> None:
    scores = [0.1, 0.2, 0.9, 0.3, *[0.5] * 4, *[0.7] * 2]
    engine = KnownScore(lambda trial, _epochs: scores[trial.number])
    plans = [RoundPlan("coarse", 4, 2.0), RoundPlan("fine", 4, 2.0), RoundPlan("final", 2, 2.0)]
    result = Study(rates(), plans, rungs(engine), finalists=1, moves=0).run()
    assert result.best == result.trials[2].params
    assert [trial.params for trial in result.trials[8:]] == [result.best] * 2

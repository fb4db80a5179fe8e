from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from babysit.measure.record import Range, RoundRecord, RunRecord, TrialRecord
from babysit.rules.src001_best_at_edge import BestAtEdge

RULE = BestAtEdge()


def searched(
    score: Callable[[Mapping[str, Any]], float],
    ranges: Mapping[str, Range],
    *,
    trials: int = 20,
    number: int = 1,
    seed: int = 0,
) -> RunRecord:
    """One round of random search."""
    rng = np.random.default_rng(seed)

    def draw(item: Range) -> Any:
        if item.choices:
            return str(rng.choice(item.choices))
        low, high = np.log10([item.low, item.high]) if item.log else (item.low, item.high)
        value = rng.uniform(low, high)
        return float(10**value if item.log else value)

    records = []
    for index in range(trials):
        params = {name: draw(item) for name, item in ranges.items()}
        records.append(trial(100 * number + index, params, score(params), round_=number))
    return RunRecord(rounds=(RoundRecord(number, "coarse", 5.0, trials, dict(ranges)),), trials=tuple(records))


def trial(
    number: int, params: Mapping[str, Any], score: float, *, round_: int = 1, status: str = "complete"
) -> TrialRecord:
    return TrialRecord(number, round_, params, status, 5.0, 100, 2.3, 1.0, score)


def both(first: RunRecord, second: RunRecord) -> RunRecord:
    return dataclasses.replace(first, rounds=first.rounds + second.rounds, trials=first.trials + second.trials)


def peak_at(value: float) -> Callable[[Mapping[str, Any]], float]:
    return lambda params: -abs(np.log10(params["lr"] / value))


def test_real_search_below_the_good_rates(train) -> None:
    run = searched(lambda p: train(net="linear", lr=p["lr"], epochs=2).evaluated("validation")[-1].score, {"lr": RANGE})
    (finding,) = RULE.check(run)
    assert "lr at the high end of 1e-05 … 0.003" in finding.message
    assert finding.remedies == ("extend the range of lr past its high end: 1e-05 … 0.003 → 1e-05 … 0.03",)
    assert finding.evidence[0].value <= 0.15


RANGE = Range(1e-5, 3e-3, log=True)


def test_real_search_around_the_good_rates_is_silent(train) -> None:
    wide = {"lr": Range(1e-4, 100.0, log=True)}
    run = searched(lambda p: train(net="linear", lr=p["lr"], epochs=2).evaluated("validation")[-1].score, wide)
    assert list(RULE.check(run)) == []


def test_low_end_and_linear_scale() -> None:
    run = searched(lambda p: -p["dropout"], {"dropout": Range(0.2, 0.8)})
    (finding,) = RULE.check(run)
    assert "dropout past its low end: 0.2 … 0.8 → -0.1 … 0.8" in finding.remedies[0]


def test_hard_ends_and_choices_are_silent() -> None:
    assert list(RULE.check(searched(lambda p: -p["dropout"], {"dropout": Range(0.0, 0.8, hard_low=True)}))) == []
    ranges = {"optimizer": Range(choices=("sgd", "adam"))}
    assert list(RULE.check(searched(lambda p: float(p["optimizer"] == "adam"), ranges))) == []


def test_a_parameter_that_does_not_matter_seldom_alarms() -> None:
    rng = np.random.default_rng(0)
    ranges = {"lr": Range(1e-5, 1e-1, log=True)}
    alarms = sum(bool(list(RULE.check(searched(lambda _: rng.random(), ranges, seed=seed)))) for seed in range(300))
    assert alarms <= 6


def test_a_later_round_past_the_edge_has_mended_it() -> None:
    first = searched(peak_at(1.0), {"lr": Range(1e-5, 1e-2, log=True)})
    moved = searched(peak_at(1.0), {"lr": Range(1e-3, 1e2, log=True)}, number=2)
    narrowed = searched(peak_at(1.0), {"lr": Range(1e-3, 1e-2, log=True)}, number=2)
    assert list(RULE.check(both(first, moved))) == []
    (finding,) = RULE.check(both(first, narrowed))
    assert "round 2" in finding.message


def test_a_later_round_up_to_the_edge_settles_it_if_it_can_be_judged() -> None:
    first = searched(peak_at(1.0), {"lr": Range(1e-5, 1e-2, log=True)})
    around = {"lr": Range(1e-4, 1e-2, log=True)}
    assert list(RULE.check(both(first, searched(peak_at(1e-3), around, number=2)))) == []
    assert len(list(RULE.check(both(first, searched(peak_at(1e-3), around, number=2, trials=4))))) == 1
    below = {"lr": Range(1e-4, 5e-3, log=True)}
    assert len(list(RULE.check(both(first, searched(peak_at(1e-3), below, number=2))))) == 1


def test_a_small_round_up_to_the_edge_settles_nothing_while_scores_rise_towards_it() -> None:
    # evenly spread, as a search draws: the best three of nine lie too far inside to crowd even if the last is the best
    first = searched(peak_at(1.0), {"lr": Range(1e-5, 1e-2, log=True)})
    drawn = {"lr": Range(1e-3, 1e-2, log=True)}
    rates = [float(rate) for rate in np.logspace(-3 + 1 / 18, -2 - 1 / 18, 9)]

    def round_of(score: Callable[[Mapping[str, Any]], float]) -> RunRecord:
        trials = tuple(trial(200 + n, {"lr": rate}, score({"lr": rate}), round_=2) for n, rate in enumerate(rates))
        return RunRecord(rounds=(RoundRecord(2, "fine", 5.0, 9, drawn),), trials=trials)

    (finding,) = RULE.check(both(first, round_of(peak_at(1.0))))
    assert "round 1" in finding.message
    assert list(RULE.check(both(first, round_of(peak_at(10**-2.5))))) == []
    rng = np.random.default_rng(0)
    still = sum(bool(list(RULE.check(both(first, round_of(lambda _: rng.random()))))) for _ in range(200))
    assert still < 200 * 0.1  # nothing to choose there: seldom a trend, or a crowd, by accident


def test_trials_are_ranked_by_epochs_then_score_then_loss() -> None:
    # twelve of equal score: the loss decides; the thirteenth scored well early and was halved
    rates = [10.0**-number for number in range(1, 13)]
    ties = [dataclasses.replace(trial(n, {"lr": rate}, 0.9), loss=float(n)) for n, rate in enumerate(rates)]
    halved = dataclasses.replace(trial(20, {"lr": 1e-12}, 0.99, status="halved"), epochs=1.0)
    run = RunRecord(rounds=(RoundRecord(1, "coarse", 5.0, 13, {"lr": Range(1e-12, 1e-1, log=True)}),))
    (finding,) = RULE.check(dataclasses.replace(run, trials=(*ties, halved)))
    assert "high end" in finding.message
    (finding,) = RULE.check(dataclasses.replace(run, trials=(*reversed(ties), halved)))
    assert "high end" in finding.message


def test_killed_trials_and_fresh_seeds_of_one_finalist_do_not_count() -> None:
    ranges = {"lr": Range(1e-5, 1e-2, log=True)}
    run = searched(peak_at(1.0), ranges)
    killed = tuple(dataclasses.replace(item, status="killed") for item in run.trials)
    assert list(RULE.check(dataclasses.replace(run, trials=killed))) == []
    finalists = tuple(trial(number, {"lr": 9e-3}, 0.9) for number in range(12))
    assert list(RULE.check(dataclasses.replace(run, trials=finalists))) == []


@pytest.mark.parametrize("trials", [0, 1, 7])
def test_few_trials_are_not_judged(trials: int) -> None:
    assert list(RULE.check(searched(peak_at(1.0), {"lr": Range(1e-5, 1e-2, log=True)}, trials=trials))) == []


def test_odd_values_do_no_harm() -> None:
    run = searched(peak_at(1.0), {"lr": Range(1e-5, 1e-2, log=True)})
    odd = tuple(
        dataclasses.replace(item, params={"lr": value})
        for item, value in zip(run.trials, ["x", None, True] * 9, strict=False)
    )
    assert list(RULE.check(dataclasses.replace(run, trials=odd))) == []

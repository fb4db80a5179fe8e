from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from babysit.measure.record import Probe, Range, RoundRecord, RunRecord, TrialRecord
from babysit.rules import Severity
from babysit.rules.src002_mostly_diverged import MostlyDiverged

RULE = MostlyDiverged()


def round_of(
    rates: list[float], killed: list[bool], *, number: int = 1, low: float = 1e-5, high: float = 1e3
) -> RunRecord:
    trials = tuple(
        TrialRecord(
            100 * number + index, number, {"lr": rate}, "killed" if dead else "complete", 1.0, 10, 2.3, 1.0, 0.5
        )
        for index, (rate, dead) in enumerate(zip(rates, killed, strict=True))
    )
    ranges = {"lr": Range(low, high, log=True)}
    return RunRecord(rounds=(RoundRecord(number, "coarse", 1.0, len(trials), ranges),), trials=trials)


def both(first: RunRecord, second: RunRecord) -> RunRecord:
    return RunRecord(rounds=first.rounds + second.rounds, trials=first.trials + second.trials)


def killed_in(run: RunRecord) -> bool:
    """The lecture's rule for giving up on a trial."""
    losses = np.array(run.losses)
    return bool(np.any(~(losses <= 3 * losses[0])))


def real_round(train, low: float, high: float) -> RunRecord:
    rates = [float(rate) for rate in np.geomspace(low, high, 9)]
    return round_of(rates, [killed_in(train(lr=rate, epochs=2)) for rate in rates], low=low, high=high)


def test_real_search_at_rates_far_too_high(train) -> None:
    run = real_round(train, 1.0, 1e4)
    (finding,) = RULE.check(run)
    survivors = [item.params["lr"] for item in run.trials if item.status == "complete"]
    assert finding.severity is Severity.WARNING
    assert finding.remedies[0] == f"lower the upper end of the range of lr: 1e+04 → {max(survivors):.3g}"


def test_real_search_in_a_good_range_is_silent(train) -> None:
    assert list(RULE.check(real_round(train, 1e-3, 1.0))) == []


RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]


def test_a_later_round_that_went_well_makes_it_information() -> None:
    bad = round_of(RATES, [False, False, True, True, True, True])
    good = round_of(RATES, [False] * 6, number=2)
    assert [finding.severity for finding in RULE.check(both(bad, good))] == ["info"]
    worse = round_of(RATES, [False, True, True, True, True, True], number=2)
    assert [finding.severity for finding in RULE.check(both(bad, worse))] == ["warning", "warning"]


def test_small_rates_that_die_as_well_acquit_the_rate() -> None:
    (finding,) = RULE.check(round_of(RATES, [True, True, True, True, False, False]))
    assert "the learning rate is not the cause" in finding.remedies[0]


def test_no_survivors() -> None:
    (finding,) = RULE.check(round_of(RATES, [True] * 6))
    assert finding.severity is Severity.ERROR
    assert finding.message == "6 of 6 trials of the search were killed: none trained to its end"
    assert finding.remedies == ("lower the range of lr: 1e-05 … 1e+03 → 1e-07 … 0.0001",)


def test_no_survivors_of_a_few_trials_in_two_rounds() -> None:
    run = both(round_of([1e5, 2e5], [True, True], low=1e5, high=1e6), round_of([3e5], [True], number=2))
    (finding,) = RULE.check(run)
    assert (finding.code, finding.severity) == ("SRC002", Severity.ERROR)
    assert [(item.name, item.value) for item in finding.evidence] == [
        ("share of trials killed", 1.0), ("median learning rate of those", 2e5)
    ]  # fmt: skip
    assert finding.remedies == ("lower the range of lr: 1e+05 … 1e+06 → 100 … 1e+05",)


def test_no_survivors_where_the_usable_rates_were_measured() -> None:
    run = round_of([1e5, 2e5], [True, True], low=1e5, high=1e6)
    for high, where in ((1.0, "1e-05 … 1"), (1e7, "100 … 1e+05")):
        probe = Probe("learning-rate", numbers={"low": 1e-5, "high": high})
        (finding,) = RULE.check(dataclasses.replace(run, probes=(probe,)))
        assert finding.remedies[0].endswith(f"1e+05 … 1e+06 → {where}")


def test_a_round_that_still_goes_on_may_have_survivors() -> None:
    run = round_of([1e5, 2e5, 3e5], [True, True, True])
    assert list(RULE.check(dataclasses.replace(run, trials=run.trials[:2]))) == []


def test_those_that_failed_are_counted_apart() -> None:
    run = round_of([1e5, 2e5, 3e5], [True, True, True])
    first, *rest = run.trials
    (finding,) = RULE.check(dataclasses.replace(run, trials=(dataclasses.replace(first, status="failed"), *rest)))
    assert finding.message == "2 of 3 trials of the search were killed and 1 failed: none trained to its end"


@pytest.mark.parametrize("killed", [[True, True, False, False], [True, False, False, False, True], []])
def test_half_and_few_are_silent(killed: list[bool]) -> None:
    assert list(RULE.check(round_of(RATES[: len(killed)], killed))) == []


def test_a_search_without_a_rate() -> None:
    run = round_of(RATES, [True] * 6)
    other = tuple(
        TrialRecord(item.number, 1, {"width": 50}, "killed", 1.0, 1, 2.3, math.inf, -math.inf) for item in run.trials
    )
    plain = RunRecord(rounds=(RoundRecord(1, "coarse", 1.0, 6, {"width": Range(10, 100)}),), trials=other)
    (finding,) = RULE.check(plain)
    assert "by 10" in finding.remedies[0]

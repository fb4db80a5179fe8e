from __future__ import annotations

import math

import numpy as np
import pytest

from babysit.measure.record import Range, RoundRecord, RunRecord, TrialRecord
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
    assert finding.remedies == ("lower the range of lr: 1e-05 … 1e+03 → 1e-07 … 0.0001",)


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

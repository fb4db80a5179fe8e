from __future__ import annotations

import pytest

from babysit.rules._updates import median_ratios, peak_ratio, ratios, working_range, working_steps
from babysit.testing import record


def test_working_steps_leave_out_the_start_the_floor_and_low_rates() -> None:
    losses = [2.0] * 60 + [0.01] * 10 + [2.0] * 30
    rates = [0.1] * 80 + [0.005] * 20
    run = record(losses, lr=rates)
    assert [step.step for step in working_steps(run)] == [*range(20, 60), *range(70, 80)]
    assert working_steps(record()) == ()
    assert next(step.step for step in working_steps(record([2.0] * 400))) == pytest.approx(40, abs=1)


def test_working_range_follows_warm_up_and_decay() -> None:
    up, down = [0.01 * step for step in range(10)], [0.1 * (1 - step / 40) for step in range(40)]
    assert working_range(record([1.0] * 60, lr=[*up, *[0.1] * 10, *down])) == (10, 40)
    assert working_range(record([1.0] * 60)) == (0, 59)
    assert working_range(record([1.0] * 60, lr=0.1)) == (0, 59)


def test_ratios_by_module() -> None:
    run = record([1.0] * 6, updates={"a": [1, 2, 3, 4, 5, 6], "b": [1, 1, 1, 1, 1, float("nan")], "c": [9.0]})
    assert ratios(run.steps)["b"] == (1.0,) * 5
    assert median_ratios(run.steps) == {"a": 3.5, "b": 1.0}
    assert peak_ratio(run) == 6.0  # the middle of 1, 6 and 9
    assert peak_ratio(run, before=3) == 3.0
    assert peak_ratio(record([1.0])) is None

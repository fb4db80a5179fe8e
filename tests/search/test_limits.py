from __future__ import annotations

import pytest

from babysit.errors import InputError
from babysit.recipe.budget import Budget, parse_budget
from babysit.search.limits import Limits, parse_limits


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        (None, Limits()),
        ("1.5h", Limits(seconds=5400.0)),
        ("10m, 500epochs", Limits(seconds=600.0, epochs=500.0)),
        ("0.5epochs,1trial,2s", Limits(trials=1, epochs=0.5, seconds=2.0)),
        ("3.0trials", Limits(trials=3)),
    ],
)
def test_limits_as_people_write_them(text: str | None, limits: Limits) -> None:
    assert parse_limits(text) == limits


@pytest.mark.parametrize("text", ["", "soon", "1.5trials", "10m,5s", "1trial,2trials", "0s", "0trials", "10m,", "1e3s"])
def test_what_is_no_limit_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^budget: expected a time such as 90s, 10m or 1h") as refused:
        parse_limits(text)
    assert refused.value.found == repr(text)


@pytest.mark.parametrize("text", ["60s", " 0.5 s ", "1.5h", "12 trials"])
def test_a_budget_of_a_training_is_read_as_that_of_a_search(text: str) -> None:
    limits = parse_limits(text)
    assert parse_budget(text) == Budget(limits.seconds, limits.trials)

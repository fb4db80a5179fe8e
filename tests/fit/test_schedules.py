from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.fit.schedules import SCHEDULES, Plateau, schedule_factor

PROGRESS = st.floats(0, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("step", [1, 1, 0.1, 0.01, 0.01]),
        ("exponential", [1, 0.01**0.25, 0.1, 0.01**0.75, 0.01]),
        ("1/t", [1, 1 / 25.75, 1 / 50.5, 1 / 75.25, 0.01]),
        ("cosine", [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]),
        ("plateau", [1, 1, 1, 1, 1]),
    ],
)
def test_values_along_the_way(name: str, expected: list[float]) -> None:
    found = [schedule_factor(name, progress) for progress in (0, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_step_decay_falls_exactly_at_a_half_and_at_three_quarters() -> None:
    factors = [schedule_factor("step", step / 1000) for step in range(1000)]
    assert [step for step in range(1, 1000) if factors[step] < factors[step - 1]] == [500, 750]


@settings(deadline=None)
@given(name=st.sampled_from(sorted(SCHEDULES)), one=PROGRESS, other=PROGRESS)
def test_no_schedule_ever_rises(name: str, one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert 1 >= schedule_factor(name, early) >= schedule_factor(name, late) >= 0


def test_cosine_stays_down_after_the_planned_end() -> None:
    assert schedule_factor("cosine", 1.7) == 0


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(InputError, match=r"^schedule: expected one of constant, .*found 'linear'"):
        schedule_factor("linear", 0.5)


def test_plateau_halves_when_its_patience_is_over_and_starts_to_wait_anew() -> None:
    plateau = Plateau(patience=2)
    factors = []
    for score in (0.5, 0.6, 0.6, 0.5, 0.6, 0.4, 0.4, 0.4, 0.7, 0.6, 0.6, 0.6):
        plateau.observe(score)
        factors.append(plateau.factor)
    #           better, better, then three without, three without, better, three without
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125]


def test_plateau_waits_on_a_score_that_is_not_a_number() -> None:
    plateau = Plateau(patience=0)
    plateau.observe(math.nan)
    assert plateau.factor == 0.5


@settings(deadline=None)
@given(scores=st.lists(st.floats(0, 1), max_size=30), cut=st.integers(0, 30))
def test_plateau_goes_on_from_its_state(scores: list[float], cut: int) -> None:
    whole, first, second = Plateau(), Plateau(), Plateau()
    for score in scores:
        whole.observe(score)
    for score in scores[:cut]:
        first.observe(score)
    second.load_state_dict(first.state_dict())
    for score in scores[cut:]:
        second.observe(score)
    assert second.state_dict() == whole.state_dict()

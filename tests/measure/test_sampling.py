from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babysit.measure.sampling import DENSE, is_sampled


def listed(last: int) -> list[int]:
    """The sampled steps below ``last``, built the other way round: 64 in each doubling, and all of the first ones."""
    steps = list(range(DENSE))
    start = DENSE
    while start < last:
        steps += range(start, 2 * start, start // DENSE)
        start *= 2
    return [step for step in steps if step < last]


def test_the_first_steps_are_all_recorded() -> None:
    assert all(is_sampled(step) for step in range(2 * DENSE))


def test_the_steps_are_those_of_64_a_doubling() -> None:
    assert [step for step in range(200_000) if is_sampled(step)] == listed(200_000)


@settings(deadline=None)
@given(step=st.integers(0, 10**15))
def test_far_away_a_step_is_sampled_by_the_gap_of_its_doubling(step: int) -> None:
    gap = 1
    while step >= 2 * DENSE * gap:
        gap *= 2
    assert is_sampled(step) == (step % gap == 0)
    assert is_sampled(step - step % gap)


@pytest.mark.parametrize(("power", "most"), [(2, 100), (3, 330), (4, 550), (5, 760), (6, 1000), (7, 1200), (8, 1400)])
def test_records_stay_few_however_long_the_run(power: int, most: int) -> None:
    count = len(listed(10**power))
    assert count <= most
    assert count <= DENSE * (1 + math.log2(max(1, 10**power / DENSE))) + DENSE
    if power <= 6:
        assert sum(map(is_sampled, range(10**power))) == count


def test_gaps_never_shrink() -> None:
    steps = listed(100_000)
    gaps = [after - before for before, after in pairwise(steps)]
    assert gaps == sorted(gaps)

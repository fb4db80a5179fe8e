from __future__ import annotations

import pytest

from babysit.rules._progress import is_stuck, starts_late
from babysit.testing import record

FLAT = [2.3] * 100


@pytest.mark.parametrize(
    ("losses", "stuck", "late"),
    [
        (FLAT, True, True),
        ([2.3] * 40 + [1.0] * 60, False, True),
        ([2.3] * 10 + [1.0] * 90, False, False),
        ([1.0] * 50 + [2.3] * 50, True, True),
        (FLAT[:40], False, False),
        ([-1.0] * 100, False, False),
    ],
)
def test_losses(losses: list[float], stuck: bool, late: bool) -> None:
    run = record(losses, batch_size=64)
    assert (is_stuck(run), starts_late(run)) == (stuck, late)


def test_guessing_counts_where_the_first_loss_is_worse() -> None:
    losses = [9.0] + [2.3] * 99
    assert not is_stuck(record(losses, batch_size=64))
    assert is_stuck(record(losses, batch_size=64, chance_loss=2.303))
    assert starts_late(record(losses, batch_size=64, chance_loss=2.303))


def test_a_loss_that_measures_no_progress() -> None:
    run = record(FLAT, batch_size=64, progress=False)
    assert (is_stuck(run), starts_late(run)) == (False, False)

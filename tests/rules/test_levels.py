from __future__ import annotations

import pytest

from babysit.rules._curve import Curve
from babysit.rules._levels import has_floor, level_of
from babysit.testing import record


@pytest.mark.parametrize(
    ("losses", "header", "level"),
    [
        ([5.0, 1.0, 1.0], {"task": "classification", "chance_loss": 2.3}, 2.3),
        ([5.0, 1.0, 1.0], {"task": "classification", "chance_loss": 1e-9}, 5.0),
        ([5.0, 1.0, 1.0], {"task": "regression", "chance_loss": 1.2}, 5.0),
        ([1e-8, 0.5, -0.7], {}, 0.5),
    ],
)
def test_levels(losses: list[float], header: dict[str, object], level: float) -> None:
    run = record(losses, **header)
    assert level_of(run, Curve.of(run)) == level


def test_floors() -> None:
    for losses, header, floor in (([1.0], {}, True), ([1.0, -1.0], {}, False), ([1.0], {"progress": False}, False)):
        run = record(losses, **header)
        assert has_floor(run, Curve.of(run)) == floor

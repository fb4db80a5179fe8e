from __future__ import annotations

import numpy as np
import pytest

from babysit.diagnose import diagnose
from babysit.rules._reading import UNLEARNT, reading
from babysit.testing import record

STEPS = np.arange(300)
CURVES = {
    "explodes: up to": list(2.3 * 1.05**STEPS),
    "explodes: NaN or infinite from step 300": [*(2.3 * 1.05**STEPS), float("nan")],
    "breaks off: NaN or infinite from step 0": [float("nan")] * 30,
    "falls slowly, almost linearly: 2.2956 to 2.2146": list(2.3 - 3e-4 * STEPS),
    "goes up and down between": list(2.3 + np.sign(np.sin(STEPS / 10))),
    "overshoots, then a plateau at 1": [2.3, *[5.0] * 20, *[1.0] * 279],
    "steep fall that keeps decreasing, from 2.3 to 0.0": list(2.3 * 0.98**STEPS),
    "steep fall that keeps decreasing, from 2.3 to 0.4": list(2.3 / (1 + STEPS / 70)),
    "steep fall to a low level, from 2.3 to 0.006": list(2.3 * 0.8**STEPS + 0.006 * np.minimum(1, STEPS / 250)),
    "steep fall, then flat, from 2.3 to 0.9": list(0.9 + 1.4 * 0.9**STEPS),
    "flat until about step 2": [2.3] * 200 + list(2.3 * 0.97 ** STEPS[:100]),
    "falls steadily and still almost linearly at its end, from 2.3 to 1": list(2.3 - 4.2e-3 * STEPS),
    "stays flat, from 2.3 to 2.3": [2.3] * 300,
    "rises, from 2.058 to 3.138": list(2 + STEPS / 250),
    "only 3 steps: too few": [2.3, 2.2, 2.1],
}


@pytest.mark.parametrize("expected", CURVES)
def test_each_shape_of_the_lecture_is_recognised(expected: str) -> None:
    run = record(CURVES[expected], batch_size=64)
    assert diagnose(run).curve.startswith(expected)


@pytest.mark.parametrize("level", [2.29, 2.31])
def test_a_short_curve_at_the_level_of_guessing_has_learnt_nothing_yet(level: float) -> None:
    flat = diagnose(record([level] * 120, chance_loss=2.303))
    assert flat.verdict == "healthy"
    assert flat.curve.startswith("stays flat")
    assert flat.curve.endswith(", where guessing gives 2.303" + UNLEARNT)


def test_other_flat_curves_are_left_as_they_are() -> None:
    for losses, chance in (([0.2] * 120, 2.303), ([2.3] * 120, None), ([2.3] * 300, 2.303)):
        assert not reading(record(losses, chance_loss=chance), ()).endswith(UNLEARNT)


def test_a_run_without_losses_has_no_curve() -> None:
    assert reading(record(), ()) == ""


def test_real_curves(train) -> None:
    assert diagnose(train(lr=0.1)).curve.startswith("steep fall that keeps decreasing")
    assert diagnose(train(lr=1e-4)).curve.startswith("falls slowly, almost linearly")
    assert diagnose(train(lr=100.0)).curve.startswith("explodes")
    assert diagnose(train(lr=3.0)).curve.startswith("overshoots, then a plateau")

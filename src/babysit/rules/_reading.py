"""What a person would say about the picture of the loss curve, in one sentence with numbers."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from babysit.measure.record import RunRecord
from babysit.rules._curve import Curve, late_share
from babysit.rules._start import flat_start
from babysit.rules._words import number, percent, precisely
from babysit.rules.los008_chance_level import ChanceLevel

UNLEARNT = ": nothing learnt yet"
"""How the sentence ends where nothing speaks for the training, although it is too short for anything against it."""

_FEWEST_STEPS = 20
_UNMOVED = 0.02
_LATE = 0.1
_STRAIGHT = 0.4
_NEAR_ZERO = 0.1
_STILL_FALLING = 0.02
_RISEN = 2.0


def reading(run: RunRecord, codes: Collection[str]) -> str:
    """The lecture's reading of a loss curve.

    Args:
        run: The run.
        codes: Codes of what was found in it, so that the sentence and the findings never disagree.

    Returns:
        One sentence; ``""`` for a run without losses.

    Example:
        >>> from babysit.testing import record
        >>> reading(record([2.3 * 0.97**step for step in range(200)], chance_loss=2.303), codes=())
        'steep fall that keeps decreasing, from 2.27 to 0.00717 (0.311 % of its initial level): good'
    """
    if not run.losses:
        return ""
    curve = Curve.of(run)
    if "LOS001" in codes:
        return f"{'explodes' if 'LOS002' in codes else 'breaks off'}: NaN or infinite from step {len(curve.losses)}"
    if len(curve.losses) < _FEWEST_STEPS or len(curve.blocks()) < 4:
        return f"only {len(curve.losses)} steps: too few to read a curve"
    levels = curve.levels()
    start, end = precisely(float(levels[0])), precisely(float(levels[-1]))
    known = {
        "LOS002": f"explodes: up to {number(float(curve.losses.max()))} from {number(curve.initial)}",
        "LOS003": f"falls slowly, almost linearly: {start} to {end} in {len(curve.losses)} steps",
        "LOS004": f"overshoots, then a plateau at {number(curve.final)}",
        "LOS005": f"goes up and down between {number(float(levels.min()))} and {number(float(levels.max()))}",
    }
    if "INI004" in codes and (late := flat_start(run)):
        known["INI004"] = f"flat until about step {late.departure}, then falls suddenly, from {start} to {end}"
    return next((text for code, text in known.items() if code in codes), _shape(curve))


def _shape(curve: Curve) -> str:
    levels, last = curve.levels(), curve.final
    # The first tenth already holds much of a steep fall, so the fall is counted from where the curve began.
    start = max(float(levels[0]), float(curve.blocks()[0]))
    fall = start - last
    span = f"from {number(start)} to {number(last)}"
    share = f" ({percent(last / curve.initial)} of its initial level)" if curve.initial > 0 else ""
    if fall < _UNMOVED * abs(start):
        rises = last > levels[0] + _UNMOVED * abs(start)
        shape = f"{'rises' if rises else 'stays flat'}, from {precisely(start)} to {precisely(last)}"
        return shape + (_guessing(curve) if len(curve.losses) < ChanceLevel.min_steps else "")
    third = float(levels[len(levels) // 3])
    if start - third < _LATE * fall and fall > _LATE * abs(start):
        return f"flat until about step {_departure(curve, start, fall)}, then falls, {span}"
    if curve.initial > 0 and last < _NEAR_ZERO * curve.initial:
        # with a logarithmic axis everybody sees what has risen again, as weight decay has it
        how = "that keeps decreasing" if last < _RISEN * float(levels.min()) else "to a low level"
        return f"steep fall {how}, {span}{share}: good"
    if late_share(levels) > _STRAIGHT:
        return f"falls steadily and still almost linearly at its end, {span}: more steps would take it further"
    if float(np.median(levels[-4:-2])) - last > _STILL_FALLING * fall:
        return f"steep fall that keeps decreasing, {span}{share}: good"
    return f"steep fall, then flat, {span}{share}"


def _guessing(curve: Curve) -> str:
    """What is to be said of a curve that is too short for LOS008 to call it one of guessing."""
    if curve.chance is None or curve.final < ChanceLevel.guessing * curve.chance:
        return ""
    return f", where guessing gives {precisely(curve.chance)}{UNLEARNT}"


def _departure(curve: Curve, start: float, fall: float) -> int:
    """The step at which a tenth of the whole fall was done."""
    blocks = curve.blocks()
    below = np.flatnonzero(blocks < start - _LATE * fall)
    return int(below[0]) * (len(curve.losses) // len(blocks))

"""Whether the training got anywhere, as far as its loss tells."""

from __future__ import annotations

from babysit.measure.record import RunRecord
from babysit.rules._curve import Curve, running_median

STUCK = 0.9
"""Share of the initial loss above which nothing has been learnt that matters."""

_LATE_SHARE = 0.25
_FEWEST_STEPS = 50


def is_stuck(run: RunRecord) -> bool:
    """Whether the loss ends near where it began; never where the loss does not measure progress."""
    curve = Curve.of(run)
    enough = run.header.progress and len(curve.losses) >= _FEWEST_STEPS
    return enough and curve.final > STUCK * curve.initial > 0


def starts_late(run: RunRecord) -> bool:
    """Whether a quarter of the run had gone by before the loss first left its initial level."""
    curve = Curve.of(run)
    if not run.header.progress or len(curve.losses) < _FEWEST_STEPS or not curve.initial > 0:
        return False
    flat = running_median(curve.losses)[: int(_LATE_SHARE * len(curve.losses))]
    return bool((flat > STUCK * curve.initial).all())

"""Whether the training got anywhere, as far as its loss tells."""

from __future__ import annotations

from babysit.measure.record import RunRecord
from babysit.rules._curve import Curve, running_median

STUCK = 0.9
"""Share of that level above which nothing has been learnt that matters."""

_LATE_SHARE = 0.25
_FEWEST_STEPS = 50


def is_stuck(run: RunRecord) -> bool:
    """Whether the loss ends near guessing, or where it began; never where it does not measure progress."""
    curve = Curve.of(run)
    enough = run.header.progress and len(curve.losses) >= _FEWEST_STEPS
    return enough and curve.final > STUCK * beginning(curve) > 0


def starts_late(run: RunRecord) -> bool:
    """Whether a quarter of the run had gone by before the loss first left that level."""
    curve = Curve.of(run)
    level = beginning(curve)
    if not run.header.progress or len(curve.losses) < _FEWEST_STEPS or not level > 0:
        return False
    flat = running_median(curve.losses)[: int(_LATE_SHARE * len(curve.losses))]
    return bool((flat > STUCK * level).all())


def beginning(curve: Curve) -> float:
    """The level of who has learnt nothing: that of guessing, which first outputs may well be worse than; 0 if unknown.

    A training that has come down to guessing has learnt no more than the shares of the classes.
    """
    return curve.chance if curve.chance is not None and curve.initial > 0 else curve.initial

"""What a learning-rate range test before training says of the rate that is given."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from babysit.measure.rate_range import rates_that
from babysit.measure.record import RunRecord
from babysit.rules._updates import ratios


@dataclass(frozen=True)
class RangeTest:
    """A range test.

    Attributes:
        given: The rate that the training is to have, which a schedule may only come to later.
        first: The rate of its first step.
        clipped: Whether gradients are clipped, as they were not in the test.
        steps: Taken at each rate.
        falls: The lowest rate at which the loss comes down, and the highest.
        explodes: The lowest above these at which it explodes; ``None`` where none was tried.
        suggested: The rate to begin with.
    """

    given: float
    first: float
    clipped: bool
    steps: int
    falls: tuple[float, float]
    explodes: float | None
    suggested: float

    @classmethod
    def of(cls, run: RunRecord) -> RangeTest | None:
        """That of a run; ``None`` where there was none, no rate brought the loss down, or none is given."""
        probe = run.probe("learning-rate")
        if probe is None or not {"given", "first", "suggested", "low"} <= probe.numbers.keys():
            return None
        numbers = probe.numbers
        highest = max(rates_that("falls", probe), default=0.0)
        exploding = (rate for rate in rates_that("explodes", probe) if rate > highest)
        return cls(
            numbers["given"],
            numbers["first"],
            bool(numbers.get("clipped")),
            int(numbers["steps"]),
            (numbers["low"], highest),
            min(exploding, default=None),
            numbers["suggested"],
        )


def is_before_training(run: RunRecord) -> bool:
    """Whether the run is a check before training, whose few steps are made without clipping gradients.

    The test of ``babysit train`` does not look at what a script does with its gradients.
    """
    probe = run.probe("learning-rate")
    return probe is not None and ("clipped" in probe.numbers or not probe.numbers)


def first_updates(run: RunRecord) -> float:
    """The median update over the weights, of all layers and recorded steps; 0 where none was."""
    return median([value for values in ratios(run.steps).values() for value in values] or [0.0])

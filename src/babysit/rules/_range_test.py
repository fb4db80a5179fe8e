"""What a learning-rate range test before training says of the rate that is given."""

from __future__ import annotations

from dataclasses import dataclass

from babysit.measure.record import RunRecord


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
        tried = list(zip(probe.series["lr"], probe.texts["verdicts"].split(","), strict=True))
        highest = max((rate for rate, verdict in tried if verdict == "falls"), default=0.0)
        exploding = (rate for rate, verdict in tried if verdict == "explodes" and rate > highest)
        return cls(
            numbers["given"],
            numbers["first"],
            bool(numbers.get("clipped")),
            int(numbers["steps"]),
            (numbers["low"], highest),
            min(exploding, default=None),
            numbers["suggested"],
        )

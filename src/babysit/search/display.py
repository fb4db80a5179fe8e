"""What a search tells while it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.trials import Outcome, TrialSpec


class Display(Protocol):
    """Shows a search while it goes on."""

    def note(self, text: str) -> None:
        """Something worth knowing, in one line."""

    def judged_by(self, score_name: str) -> None:
        """What the score is called; told before anything of the search."""

    def begin(self, round_: RoundRecord) -> None:
        """A round begins."""

    def stands(self, trials: Sequence[TrialSpec], outcomes: Sequence[Outcome]) -> None:
        """How trials stand at a rung."""

    def end(self, trial: TrialRecord) -> None:
        """A trial goes no further."""

    def progress(self, done: float, total: float) -> None:
        """How many trial-steps of about how many have been taken."""


class Silent:
    """Shows nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def judged_by(self, score_name: str) -> None:
        """Nothing."""

    def begin(self, round_: RoundRecord) -> None:
        """Nothing."""

    def stands(self, trials: Sequence[TrialSpec], outcomes: Sequence[Outcome]) -> None:
        """Nothing."""

    def end(self, trial: TrialRecord) -> None:
        """Nothing."""

    def progress(self, done: float, total: float) -> None:
        """Nothing."""

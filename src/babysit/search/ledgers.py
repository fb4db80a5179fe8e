"""What a search remembers: outcomes, and decisions that must stay what they were.

A ledger lets a search that is begun again train only what is missing, and lets several processes share one search:
each unit of work is claimed before it is trained, and a claim whose owner has gone is free again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.trials import Outcome, TrialSpec, Unit
from babysit.storage import LineWriter, json_line, read_lines

LONGEST_NAME = 512
"""Characters of a study's name and of a hyperparameter's, as Optuna has it."""


class Ledger(Protocol):
    """Remembers a search."""

    def decide(self, name: str, make: Callable[[], Any]) -> Any:
        """A decision that is made once and kept: the first one's of all who ask, as JSON gives it back."""

    def begin(self, round_: RoundRecord, trials: Sequence[TrialSpec]) -> None:
        """A round and its trials, or the next of them, before any of these is trained."""

    def outcome(self, number: int, epochs: float) -> Outcome | None:
        """What is known of a trial at a rung."""

    def claim(self, unit: Unit) -> bool:
        """Whether this process may train a unit: nobody else is at it."""

    def record(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        """The outcomes of a unit, all at once."""

    def end(self, trial: TrialRecord) -> None:
        """A trial that goes no further."""

    def close(self) -> None:
        """Give back what is held."""


class MemoryLedger:
    """Remembers for as long as the process lives."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[int, float], Outcome] = {}
        self._decisions: dict[str, Any] = {}

    def decide(self, name: str, make: Callable[[], Any]) -> Any:
        """A decision that is made once."""
        if name not in self._decisions:
            self._decisions[name] = as_json_gives_it_back(make())
        return self._decisions[name]

    def begin(self, round_: RoundRecord, trials: Sequence[TrialSpec]) -> None:
        """Nothing to remember."""

    def outcome(self, number: int, epochs: float) -> Outcome | None:
        """What is known of a trial at a rung."""
        return self._outcomes.get((number, epochs))

    def claim(self, unit: Unit) -> bool:  # noqa: ARG002
        """Always: nobody else is there."""
        return True

    def record(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:  # noqa: ARG002
        """The outcomes of a unit."""
        self._outcomes |= {(outcome.number, outcome.epochs): outcome for outcome in outcomes}

    def end(self, trial: TrialRecord) -> None:
        """Nothing to remember."""

    def close(self) -> None:
        """Nothing to give back."""


class JournalLedger(MemoryLedger):
    """Remembers in a file of one process, one unit's outcomes a line.

    Args:
        path: The journal; made where there is none.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        # opened first: that cuts a torn last line, which must not count as known while the file lacks it
        self._journal = LineWriter(path)
        for line in read_lines(path):
            if "decision" in line:
                self._decisions[line["decision"]] = line["value"]
            for item in line.get("outcomes", ()):
                outcome = read_outcome(item)
                self._outcomes[outcome.number, outcome.epochs] = outcome

    def decide(self, name: str, make: Callable[[], Any]) -> Any:
        """A decision that is made once and kept."""
        if name not in self._decisions:
            self._decisions[name] = as_json_gives_it_back(make())
            self._journal.append({"decision": name, "value": self._decisions[name]})
        return self._decisions[name]

    def record(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        """The outcomes of a unit, as one line: a kill leaves all of them or none."""
        super().record(unit, outcomes)
        self._journal.append({"outcomes": [asdict(outcome) for outcome in outcomes]})

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


def as_json_gives_it_back(value: Any) -> Any:
    """A value as a later process will read it, so that the first one decides nothing else.

    Example:
        >>> as_json_gives_it_back({"hidden": (50, 20), 3: float("inf")})
        {'hidden': [50, 20], '3': 'Infinity'}
    """
    return json.loads(json_line(value))


def read_outcome(item: dict[str, Any]) -> Outcome:
    """An outcome as JSON holds it, where infinities are strings.

    Example:
        >>> line = dict(number=1, epochs=2, trained=1, steps=9, initial_loss=2.3, loss="Infinity", score="-Infinity")
        >>> read_outcome(line).loss
        inf
    """
    numbers = {name: float(item[name]) for name in ("epochs", "trained", "initial_loss", "loss", "score")}
    return Outcome(**{**item, **numbers})

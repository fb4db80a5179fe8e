"""One rung of a search: what is known is taken from the ledger, what is missing is trained, here or elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from babysit.search.ledgers import Ledger
from babysit.search.runners import Groups, Runner
from babysit.search.trials import Outcome, TrialSpec, Unit

POLL_SECONDS = 0.2
"""How often a process asks for what another one is training."""


class Rungs:
    """Takes trials from rung to rung.

    Args:
        engine: Says which trials are trained together; an engine, or whatever else groups them.
        runner: Trains them.
        ledger: Knows what has been trained, by whomever.
        tell: Receives trials and how they stand, whenever some are known to have come to a rung.
    """

    def __init__(
        self,
        engine: Groups,
        runner: Runner,
        ledger: Ledger,
        tell: Callable[[Sequence[TrialSpec], Sequence[Outcome]], None] = lambda _trials, _outcomes: None,
    ) -> None:
        self.ledger = ledger
        self._tell = tell
        self._engine = engine
        self._runner = runner

    def advance(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        """Train each trial on to ``epochs`` epochs since its beginning; their outcomes in the trials' order."""
        waiting = [Unit(group, epochs) for group in self._engine.groups(trials)]
        while waiting := [unit for unit in waiting if not self._known(unit)]:
            for unit, outcomes in self._runner.run(self._claimed(waiting)):
                self.ledger.record(unit, outcomes)
                self._tell(unit.trials, outcomes)
            if any(not self._known(unit) for unit in waiting):
                time.sleep(POLL_SECONDS)  # somebody else is at what is left
        return [self._outcome(trial, epochs) for trial in trials]

    def release(self, numbers: Sequence[int]) -> None:
        """Forget trials that will not be advanced again; their outcomes stay in the ledger."""
        self._runner.release(numbers)

    def close(self) -> None:
        """Give back what is held."""
        self._runner.close()
        self.ledger.close()

    def _claimed(self, units: Sequence[Unit]) -> Iterator[Unit]:
        for unit in units:
            # asked again after the claim: somebody may have finished it between
            if not self._known(unit) and self.ledger.claim(unit) and not self._known(unit):
                yield unit

    def _known(self, unit: Unit) -> bool:
        return all(self.ledger.outcome(trial.number, unit.epochs) is not None for trial in unit.trials)

    def _outcome(self, trial: TrialSpec, epochs: float) -> Outcome:
        outcome = self.ledger.outcome(trial.number, epochs)
        assert outcome is not None
        return outcome

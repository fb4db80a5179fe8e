"""Where the units of a rung are trained: in this process, or in several with one thread each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from babysit.search.engines import Engine
from babysit.search.trials import Outcome, TrialSpec, Unit

Finished = tuple[Unit, list[Outcome]]


class Groups(Protocol):
    """Says which trials are trained together."""

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        """Each trial in one group, a function of the arguments alone."""


class Runner(Protocol):
    """Trains units somewhere."""

    def run(self, units: Iterable[Unit]) -> Iterator[Finished]:
        """Train units and give each back as it finishes, in any order.

        ``units`` is read lazily, one for every place that is free: reading one may claim it.
        """

    def release(self, numbers: Iterable[int]) -> None:
        """Forget trials that go no further."""

    def close(self) -> None:
        """Give back what is held."""


class InProcess:
    """Trains units one after the other, here.

    Args:
        engine: Trains them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, units: Iterable[Unit]) -> Iterator[Finished]:
        """Train units one after the other."""
        for unit in units:
            yield unit, self._engine.train(unit.trials, unit.epochs)

    def release(self, numbers: Iterable[int]) -> None:
        """Forget trials that go no further."""
        self._engine.release(list(numbers))

    def close(self) -> None:
        """Nothing is held."""

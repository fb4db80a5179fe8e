"""A search remembered in a database that Optuna's dashboard and plots open, shared by as many processes as wish."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import and_, select
from sqlalchemy.engine import Connection

from babysit.errors import StorageError
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.database import Database
from babysit.search.heart import Heart
from babysit.search.leases import BEATS, LEASE_SECONDS, Leases
from babysit.search.ledgers import read_outcome
from babysit.search.mirror import Mirror
from babysit.search.rounds import Begun
from babysit.search.studies import decision, open_study
from babysit.search.tables import DECISIONS, OUTCOMES, add_new, to_text
from babysit.search.trials import Outcome, TrialSpec, Unit

READ_SECONDS = 0.2
"""How old may be what is known of others."""


class OptunaLedger:
    """Remembers in a database: what one process records, all that share the study know.

    A unit's outcomes, its lease and what Optuna shows of it change in one transaction, so that a kill leaves all of
    it or nothing. Who records a unit first has recorded it.

    Args:
        url: The database: a SQLite file or a URL; see :class:`~babysit.search.database.Database`.
        study: Name of the study in it; made where there is none.
        metric: What the score is, for Optuna's axes.
        lease_seconds: How long a process may show no sign of life before its work is taken over.

    Raises:
        InputError: The database cannot be used, or the study is none of babysit's.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ledger = OptunaLedger(f"{folder}/search.db", "example")
        ...     first = ledger.decide("engine", lambda: "stacked")
        ...     again = ledger.decide("engine", lambda: "single")
        ...     ledger.close()
        >>> first, again
        ('stacked', 'stacked')
    """

    def __init__(self, url: str, study: str, *, metric: str = "score", lease_seconds: float = LEASE_SECONDS) -> None:
        self._study = study
        self._database = Database(url, models.BaseModel.metadata.create_all)
        try:
            self._study_id = open_study(self._database, study, metric)
            self._leases = Leases(self._study_id, lease_seconds)
            self._mirror = Mirror(self._study_id)
            self._ended = self._database.run(self._mirror.ended)
        except BaseException:
            self._database.close()
            raise
        self._outcomes: dict[tuple[int, float], Outcome] = {}
        self._read: dict[float, float] = {}
        self._running: set[int] = set()
        self._ending: list[TrialRecord] = []
        self._heart = Heart(self._beat, lease_seconds / BEATS)

    def decide(self, name: str, make: Callable[[], Any]) -> Any:
        """A decision that is made once and kept: the first one's of all who ask."""
        kept = self._database.run(lambda connection: decision(connection, self._study_id, name))
        if kept is None:
            # outside of any transaction: it may be a measurement that takes its time
            row = {"study_id": self._study_id, "name": name, "content": to_text(make())}

            def keep(connection: Connection) -> str | None:
                add_new(connection, DECISIONS, [row])
                return decision(connection, self._study_id, name)

            kept = self._database.run(keep)
        assert kept is not None
        return self._database.parse(kept, lambda value: value)

    def begin(self, round_: RoundRecord, trials: Sequence[TrialSpec]) -> None:
        """A round and its trials; those of a round that was begun before must be the same.

        Raises:
            InputError: The study holds another search.
        """
        begun = Begun(self._study_id, round_, trials)

        def keep(connection: Connection) -> str:
            if begun.add(connection):
                self._mirror.begin(connection, round_, trials)
            return begun.kept(connection)

        begun.refuse_another(self._database.run(keep), self._database, self._study)
        self._database.run(self._mirror.remember)
        self._running = {trial.number for trial in trials}

    def outcome(self, number: int, epochs: float) -> Outcome | None:
        """What is known of a trial at a rung, by whomever; what others recorded just now may take a moment."""
        if (number, epochs) not in self._outcomes:
            self._look(epochs)
        return self._outcomes.get((number, epochs))

    def claim(self, unit: Unit) -> bool:
        """Whether this process may train a unit: it is not known, and nobody who lives is at it."""

        def take(connection: Connection) -> bool:
            if not self._leases.claim(connection, unit.key):
                return False
            # asked after the lease is ours: whoever had it before may have recorded meanwhile
            self._keep(self._find(connection, unit))
            if self._holds(unit):
                self._leases.release(connection, unit.key)
                return False
            self._mirror.start(connection, [trial.number for trial in unit.trials])
            return True

        claimed = self._database.run(take)
        if claimed:
            self._heart.start()
        return claimed

    def record(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        """The outcomes of a unit, all at once; those that somebody else recorded first stay."""
        rows = [
            {
                "study_id": self._study_id,
                "number": outcome.number,
                "epochs": outcome.epochs,
                "content": to_text(asdict(outcome)),
            }
            for outcome in outcomes
        ]

        def write(connection: Connection) -> dict[tuple[int, float], Outcome]:
            written = add_new(connection, OUTCOMES, rows)
            self._mirror.record(connection, outcomes)
            self._leases.release(connection, unit.key)
            return {} if written == len(rows) else self._find(connection, unit)

        theirs = self._database.run(write)
        self._keep({(outcome.number, outcome.epochs): outcome for outcome in outcomes} | theirs)

    def end(self, trial: TrialRecord) -> None:
        """A trial that goes no further; shown when the last one of its round has come to its end."""
        self._running.discard(trial.number)
        if trial.number not in self._ended:
            self._ending.append(trial)
            self._ended.add(trial.number)
        if not self._running:
            self._show_ends()

    def close(self) -> None:
        """Give back what is held, so that others need not wait for it."""
        self._heart.stop()
        with contextlib.suppress(StorageError):
            self._show_ends(patience=1)
            self._database.run(self._leases.release_all, patience=1)
        self._database.close()

    def _show_ends(self, patience: float | None = None) -> None:
        if self._ending:
            self._database.run(lambda connection: self._mirror.end(connection, self._ending), patience)
            self._ending = []

    def _beat(self) -> None:
        with contextlib.suppress(StorageError):  # the next thing that is recorded will say it
            self._database.run(self._leases.beat, patience=0)

    def _look(self, epochs: float) -> None:
        now = time.monotonic()
        if now - self._read.get(epochs, -READ_SECONDS) < READ_SECONDS:
            return
        at = and_(OUTCOMES.c.study_id == self._study_id, OUTCOMES.c.epochs == epochs)
        rows = self._database.run(lambda connection: connection.execute(_select(at)).all())
        self._keep(
            {
                (number, epochs): self._database.parse(content, read_outcome)
                for number, content in rows
                if (number, epochs) not in self._outcomes
            }
        )
        self._read[epochs] = now

    def _find(self, connection: Connection, unit: Unit) -> dict[tuple[int, float], Outcome]:
        numbers = [trial.number for trial in unit.trials]
        at = and_(OUTCOMES.c.study_id == self._study_id, OUTCOMES.c.epochs == unit.epochs)
        rows = connection.execute(_select(and_(at, OUTCOMES.c.number.in_(numbers))))
        return {(number, unit.epochs): self._database.parse(content, read_outcome) for number, content in rows}

    def _keep(self, outcomes: dict[tuple[int, float], Outcome]) -> None:
        self._outcomes |= outcomes

    def _holds(self, unit: Unit) -> bool:
        return all((trial.number, unit.epochs) in self._outcomes for trial in unit.trials)


def _select(where: Any) -> Any:
    return select(OUTCOMES.c.number, OUTCOMES.c.content).where(where)

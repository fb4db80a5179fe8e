"""A search remembered in a database that Optuna's dashboard and plots open, shared by as many processes as wish."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from sqlalchemy import Table, and_, delete, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from babysit.errors import BabysitError, InputError, StorageError
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.database import Database, refuse
from babysit.search.leases import BEATS, LEASE_SECONDS, Leases
from babysit.search.ledgers import read_outcome
from babysit.search.mirror import TRIALS, Mirror
from babysit.search.tables import DECISIONS, LONGEST_NAME, METADATA, OUTCOMES, ROUNDS, SCHEMA, add_new, to_text
from babysit.search.trials import Outcome, TrialSpec, Unit

READ_SECONDS = 0.2
"""How old may be what is known of others."""
_STUDIES: Table = models.StudyModel.__table__
_MARKS: Table = models.StudyUserAttributeModel.__table__
_ATTEMPTS = 5
"""Two processes that open a new database at once stand in each other's way."""


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
        if not 0 < len(study) <= LONGEST_NAME:
            raise InputError(
                "study",
                expected=f"a name of 1 to {LONGEST_NAME} characters",
                found=f"{len(study)}",
                todo="choose another name",
            )
        self._study = study
        self._database = Database(url, models.BaseModel.metadata.create_all)
        try:
            self._study_id = _open_study(self._database, study, metric)
            self._leases = Leases(self._study_id, lease_seconds)
            self._mirror = Mirror(self._study_id)
            self._ended = self._database.run(self._resume)
            self._refuse_newer()
        except BaseException:
            self._database.close()
            raise
        self._outcomes: dict[tuple[int, float], Outcome] = {}
        self._read: dict[float, float] = {}
        self._running: set[int] = set()
        self._ending: list[TrialRecord] = []
        self._heart = _Heart(self._beat, lease_seconds / BEATS)

    def decide(self, name: str, make: Callable[[], Any]) -> Any:
        """A decision that is made once and kept: the first one's of all who ask."""
        kept = self._database.run(lambda connection: self._decision(connection, name))
        if kept is None:
            # outside of any transaction: it may be a measurement that takes its time
            row = {"study_id": self._study_id, "name": name, "content": to_text(make())}

            def keep(connection: Connection) -> str | None:
                add_new(connection, DECISIONS, [row])
                return self._decision(connection, name)

            kept = self._database.run(keep)
        assert kept is not None
        return json.loads(kept)

    def begin(self, round_: RoundRecord, trials: Sequence[TrialSpec]) -> None:
        """A round and its trials; those of a round that was begun before must be the same.

        Raises:
            InputError: The study holds another search.
        """
        wanted = to_text({"round": asdict(round_), "trials": [asdict(trial) for trial in trials]})
        row = {"study_id": self._study_id, "number": round_.number, "content": wanted}
        at = and_(ROUNDS.c.study_id == self._study_id, ROUNDS.c.number == round_.number)

        def keep(connection: Connection) -> str | None:
            if add_new(connection, ROUNDS, [row]) == 1:
                self._mirror.begin(connection, round_, trials)
            return connection.execute(select(ROUNDS.c.content).where(at)).scalar()

        kept = self._database.run(keep)
        if kept != wanted:
            raise _another_search(self._database.name, self._study, json.loads(kept or "{}"), json.loads(wanted))
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
            # after the lease is ours: whoever had it before has recorded by then or never will
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

    def _resume(self, connection: Connection) -> set[int]:
        self._forget_deleted(connection)
        self._refuse_foreign(connection)
        return self._mirror.ended(connection)

    def _forget_deleted(self, connection: Connection) -> None:
        """What Optuna deletes it deletes from its own tables alone, and then it may use the study's number again."""
        connection.execute(select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == self._study_id).with_for_update())
        mark = {"study_id": self._study_id, "key": "babysit", "value_json": to_text(uuid.uuid4().hex)}
        add_new(connection, _MARKS, [mark])
        at = and_(_MARKS.c.study_id == self._study_id, _MARKS.c.key == "babysit")
        marked = connection.execute(select(_MARKS.c.value_json).where(at)).scalar()
        if self._decision(connection, "study") != marked:
            for table in METADATA.tables.values():
                connection.execute(delete(table).where(table.c.study_id == self._study_id))
            add_new(connection, DECISIONS, [{"study_id": self._study_id, "name": "study", "content": marked}])

    def _refuse_foreign(self, connection: Connection) -> None:
        """A study that has trials and no round was made by somebody else."""
        ours = select(ROUNDS.c.number).where(ROUNDS.c.study_id == self._study_id).limit(1)
        any_trial = select(TRIALS.c.number).where(TRIALS.c.study_id == self._study_id).limit(1)
        if connection.execute(ours).first() is None and connection.execute(any_trial).first() is not None:
            raise InputError(
                self._database.name,
                expected=f"study '{self._study}' to be new or one of babysit's",
                found="trials that something else put there",
                todo="choose another study name",
            )

    def _refuse_newer(self) -> None:
        schema = self.decide("schema", lambda: SCHEMA)
        if schema != SCHEMA:
            raise InputError(
                self._database.name,
                expected=f"study '{self._study}' in format {SCHEMA}",
                found=f"format {schema}",
                todo="update babysit",
            )

    def _decision(self, connection: Connection, name: str) -> str | None:
        at = and_(DECISIONS.c.study_id == self._study_id, DECISIONS.c.name == name)
        return connection.execute(select(DECISIONS.c.content).where(at)).scalar()

    def _look(self, epochs: float) -> None:
        now = time.monotonic()
        if now - self._read.get(epochs, -READ_SECONDS) < READ_SECONDS:
            return
        at = and_(OUTCOMES.c.study_id == self._study_id, OUTCOMES.c.epochs == epochs)
        rows = self._database.run(lambda connection: connection.execute(_select(at)).all())
        self._keep(
            {
                (number, epochs): self._parse(content)
                for number, content in rows
                if (number, epochs) not in self._outcomes
            }
        )
        self._read[epochs] = now

    def _find(self, connection: Connection, unit: Unit) -> dict[tuple[int, float], Outcome]:
        numbers = [trial.number for trial in unit.trials]
        at = and_(OUTCOMES.c.study_id == self._study_id, OUTCOMES.c.epochs == unit.epochs)
        rows = connection.execute(_select(and_(at, OUTCOMES.c.number.in_(numbers))))
        return {(number, unit.epochs): self._parse(content) for number, content in rows}

    def _keep(self, outcomes: dict[tuple[int, float], Outcome]) -> None:
        self._outcomes |= outcomes

    def _holds(self, unit: Unit) -> bool:
        return all((trial.number, unit.epochs) in self._outcomes for trial in unit.trials)

    def _parse(self, content: str) -> Outcome:
        try:
            return read_outcome(json.loads(content))
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                self._database.name,
                expected="outcomes as babysit writes them",
                found=f"'{content[:40]}'",
                todo="restore the database from a copy, or begin the search under another name",
            ) from error


class _Heart:
    """Beats beside the training, in a thread, for as long as its process lives."""

    def __init__(self, beat: Callable[[], None], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="babysit-lease", daemon=True)

    def start(self) -> None:
        """Begin to beat, once."""
        if not self._stopped.is_set() and self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._beat()


def _select(where: Any) -> Any:
    return select(OUTCOMES.c.number, OUTCOMES.c.content).where(where)


def _open_study(database: Database, study: str, metric: str) -> int:
    """Optuna's number of a study, made by Optuna where there is none.

    Raises:
        InputError: Another version of Optuna made the database, or the study is for something else.
    """
    url = database.url.render_as_string(hide_password=False)
    for attempt in range(_ATTEMPTS):
        try:
            with _quiet():
                storage = RDBStorage(url)
                try:
                    return _find_study(storage, database.name, study, metric)
                finally:
                    storage.engine.dispose()
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ValueError, LookupError) as error:
            if attempt == _ATTEMPTS - 1:
                raise refuse(database.name, error.__cause__ or error) from error
            time.sleep(READ_SECONDS)
        except RuntimeError as error:
            raise InputError(
                database.name,
                expected=f"a database of Optuna {optuna.__version__}",
                found="one of another version",
                todo="upgrade it with `optuna storage upgrade`, or choose another",
            ) from error
    raise AssertionError


def _find_study(storage: RDBStorage, name: str, study: str, metric: str) -> int:
    try:
        study_id = storage.create_new_study([StudyDirection.MAXIMIZE], study)
        storage.set_study_system_attr(study_id, "study:metric_names", [metric])
    except optuna.exceptions.DuplicatedStudyError:
        study_id = storage.get_study_id_from_name(study)
    if storage.get_study_directions(study_id) != [StudyDirection.MAXIMIZE]:
        raise InputError(
            name,
            expected=f"study '{study}' to maximise one score",
            found="one that does something else",
            todo="choose another study name",
        )
    return study_id


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells of every study it makes."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _another_search(database: str, study: str, kept: Any, wanted: Any) -> BabysitError:
    was, is_ = _differing(kept, wanted)
    return InputError(
        database,
        expected=f"study '{study}' to go on with {was}",
        found=is_,
        todo="choose another study name, or the space, trials, budget and seed it was begun with",
    )


def _differing(kept: Any, wanted: Any) -> tuple[str, str]:
    """What two rounds differ in, the first thing that a person would look at."""
    before, after = kept.get("round", {}), wanted["round"]
    old, new = before.get("ranges", {}), after["ranges"]
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            return _say_range(name, old.get(name)), _say_range(name, new.get(name))
    for field in ("name", "trials", "epochs"):
        if before.get(field) != after[field]:
            return f"{field} {before.get(field)} in round {after['number']}", f"{field} {after[field]}"
    return f"the trials of round {after['number']}", "others, as of another seed"


def _say_range(name: str, drawn_from: Any) -> str:
    if drawn_from is None:
        return f"no {name}"
    if drawn_from["choices"]:
        return f"{name} of {', '.join(drawn_from['choices'])}"
    return f"{name} {drawn_from['low']:g} to {drawn_from['high']:g}{' (log)' if drawn_from['log'] else ''}"

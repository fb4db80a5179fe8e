"""Studies: made by Optuna, found again by name, and taken for babysit's only where they are."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator

import optuna
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from sqlalchemy import Table, and_, delete, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from babysit.errors import InputError
from babysit.search.database import Database, refuse
from babysit.search.ledgers import LONGEST_NAME
from babysit.search.mirror import TRIALS
from babysit.search.tables import DECISIONS, METADATA, ROUNDS, SCHEMA, add_new, to_text

_STUDIES: Table = models.StudyModel.__table__
_MARKS: Table = models.StudyUserAttributeModel.__table__
_STUDY, _SCHEMA = "babysit:study", "babysit:schema"
"""Decisions of babysit's own."""
_ATTEMPTS = 5
"""Two processes that open a new database at once stand in each other's way."""
_PAUSE = 0.2


def open_study(database: Database, study: str, metric: str) -> int:
    """Optuna's number of a study, which is made where there is none.

    Args:
        database: Where it is.
        study: Its name.
        metric: What its score is.

    Raises:
        InputError: Another version of Optuna made the database, or the study is something else's.
    """
    if not 0 < len(study) <= LONGEST_NAME:
        raise InputError(
            "study",
            expected=f"a name of 1 to {LONGEST_NAME} characters",
            found=f"one of {len(study)}",
            todo="choose another name",
        )
    study_id = _make_study(database, study, metric)

    def take(connection: Connection) -> str | None:
        _forget_deleted(connection, study_id)
        _refuse_foreign(connection, study_id, database.name, study)
        add_new(connection, DECISIONS, [{"study_id": study_id, "name": _SCHEMA, "content": to_text(SCHEMA)}])
        return decision(connection, study_id, _SCHEMA)

    schema = database.parse(database.run(take) or "null", lambda value: value)
    if schema != SCHEMA:
        raise InputError(
            database.name,
            expected=f"study '{study}' in format {SCHEMA}",
            found=f"format {schema}",
            todo="update babysit",
        )
    return study_id


def decision(connection: Connection, study_id: int, name: str) -> str | None:
    """What was decided, as JSON text."""
    at = and_(DECISIONS.c.study_id == study_id, DECISIONS.c.name == name)
    return connection.execute(select(DECISIONS.c.content).where(at)).scalar()


def _forget_deleted(connection: Connection, study_id: int) -> None:
    """What Optuna deletes it deletes from its own tables alone, and then it may use the study's number again."""
    connection.execute(select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == study_id).with_for_update())
    mark = {"study_id": study_id, "key": "babysit", "value_json": to_text(uuid.uuid4().hex)}
    add_new(connection, _MARKS, [mark])
    at = and_(_MARKS.c.study_id == study_id, _MARKS.c.key == "babysit")
    marked = connection.execute(select(_MARKS.c.value_json).where(at)).scalar()
    if decision(connection, study_id, _STUDY) != marked:
        for table in METADATA.tables.values():
            connection.execute(delete(table).where(table.c.study_id == study_id))
        add_new(connection, DECISIONS, [{"study_id": study_id, "name": _STUDY, "content": marked}])


def _refuse_foreign(connection: Connection, study_id: int, database: str, study: str) -> None:
    """A study that has trials and no round was made by somebody else."""
    ours = select(ROUNDS.c.number).where(ROUNDS.c.study_id == study_id).limit(1)
    any_trial = select(TRIALS.c.number).where(TRIALS.c.study_id == study_id).limit(1)
    if connection.execute(ours).first() is None and connection.execute(any_trial).first() is not None:
        raise InputError(
            database,
            expected=f"study '{study}' to be new or one of babysit's",
            found="trials that something else put there",
            todo="choose another study name",
        )


def _make_study(database: Database, study: str, metric: str) -> int:
    """Optuna's number of a study."""
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
            time.sleep(_PAUSE)
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

"""The database a search is kept in: SQLite by default, PostgreSQL by URL; its refusals as one line."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from babysit.errors import BabysitError, InputError, StorageError
from babysit.search.tables import METADATA

PATIENCE = 30.0
"""Seconds a database may be locked or gone before the search gives up."""
_WAIT_SECONDS = 1.0
"""How long SQLite itself waits for a lock; short, so that a signal is heard."""
_PAUSE = 0.2
_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg", "postgresql+psycopg2")
_FIRST_TIME = 4027_0001
"""Names the lock of PostgreSQL under which the tables are made."""

Result = TypeVar("Result")


class Database:
    """A database, opened; its tables made where they are missing.

    Args:
        url: As SQLAlchemy writes it, ``sqlite:///folder/search.db`` or ``postgresql://user@host/name``; a plain path
            is a SQLite file.
        beside: Makes further tables, in the same transaction.

    Attributes:
        url: As it is used.
        name: As it is shown, without a password.

    Raises:
        InputError: The URL is wrong, its driver is missing, or the database cannot be opened or is damaged.
    """

    def __init__(self, url: str, beside: Callable[[Connection], None]) -> None:
        self.url = read_url(url)
        self.name = str(self.file) if self.file else self.url.render_as_string(hide_password=True)
        if self.url.get_backend_name() == "postgresql":
            # a database of no encoding, as the locale C makes it, would give bytes instead of text
            self.url = self.url.update_query_dict({"client_encoding": "utf8"})
        self._opened = False
        self._identity: tuple[int, int] | None = None
        self._engine = _connect(self.url, self.name)
        try:
            self.run(lambda connection: self._make(connection, beside))
        except StorageError as error:
            self.close()
            raise InputError(
                error.subject, expected="a database that can be used", found=error.found, todo=error.todo
            ) from error
        self._opened = True
        self._identity = self._on_disk()

    @property
    def file(self) -> Path | None:
        """Where SQLite keeps it; ``None`` where that is no plain path."""
        path = self.url.database or ""
        return None if self.url.get_backend_name() != "sqlite" or path.startswith("file:") else Path(path)

    def run(self, work: Callable[[Connection], Result], patience: float | None = None) -> Result:
        """Do something in one transaction; again, from its beginning, where the database was locked or gone for a time.

        Args:
            work: What to do; the same however often it is begun.
            patience: Seconds to go on trying; :data:`PATIENCE` by default.

        Raises:
            StorageError: The database refused, or stayed away.
        """
        deadline = time.monotonic() + (PATIENCE if patience is None else patience)
        while True:
            self._refuse_gone()
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except (SQLAlchemyError, sqlite3.Error, ValueError) as error:
                # the drivers' own where a connection is set up, and damaged text that cannot be decoded
                if not _passes(error, self._opened) or time.monotonic() > deadline:
                    raise refuse(self.name, error) from error
                time.sleep(_PAUSE)

    def parse(self, content: str, make: Callable[[Any], Result]) -> Result:
        """What is made of the JSON text of a row.

        Raises:
            StorageError: The text is damaged.
        """
        try:
            return make(json.loads(content))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StorageError(
                self.name,
                expected="rows as babysit writes them",
                found=f"'{content[:40]}…'",
                todo="restore it from a copy, or begin the search under another name",
            ) from error

    def close(self) -> None:
        """Give the connections back."""
        with contextlib.suppress(SQLAlchemyError):
            self._engine.dispose()

    def _make(self, connection: Connection, beside: Callable[[Connection], None]) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_FIRST_TIME})"))
        beside(connection)
        METADATA.create_all(connection)

    def _refuse_gone(self) -> None:
        """SQLite goes on writing to a file that was deleted, and all of it would be lost."""
        if self._identity is not None and self._on_disk() != self._identity:
            raise StorageError(
                self.name,
                expected="the file that the search was begun with",
                found="that it was deleted or replaced",
                todo="put it back, or begin the search again",
            )

    def _on_disk(self) -> tuple[int, int] | None:
        if self.file is None:
            return None
        try:
            found = self.file.stat()
        except OSError:
            return (0, 0)
        return (found.st_dev, found.st_ino)


def read_url(url: str) -> URL:
    """A URL that names its driver; a plain path becomes a SQLite file's.

    Example:
        >>> str(read_url("runs/search.db"))
        'sqlite:///runs/search.db'
        >>> read_url("postgresql://me@host/name").drivername
        'postgresql+psycopg'
    """
    wanted = f"sqlite:///{url}" if "://" not in url and url else url
    try:
        read = make_url(wanted)
    except (ArgumentError, ValueError) as error:  # a port that is no number
        raise _wrong_url(url) from error
    if read.drivername in ("postgresql", "postgres"):
        # what is installed by the extra; the driver of this name changed from one SQLAlchemy to the next
        read = read.set(drivername="postgresql+psycopg")
    if read.drivername not in _DRIVERS:
        raise _wrong_url(url)
    if read.get_backend_name() == "sqlite" and read.database in (None, "", ":memory:"):
        raise InputError("storage", expected="a file that stays", found=f"'{url}'", todo="name one: search.db")
    return read


def _wrong_url(url: str) -> InputError:
    shown = url.rpartition("@")[2] if "@" in url else url  # what stands before it may hold a password
    return InputError(
        "storage",
        expected="a file, or a URL such as sqlite:///search.db or postgresql://user@host/name",
        found=f"'{shown}'",
        todo="write it like one of these",
    )


def _connect(url: URL, name: str) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            # each statement sees what others have committed, as the leases need it, whatever the server's own level
            return create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")
        engine = create_engine(url)
    except (ImportError, NoSuchModuleError) as error:
        raise InputError(
            name,
            expected=f"a driver for {url.drivername}",
            found=str(error).splitlines()[0],
            todo="install it: pip install 'babysit[postgresql]'",
        ) from error
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where they are said to
    connection.execute(f"PRAGMA busy_timeout = {round(1000 * _WAIT_SECONDS)}")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not stop the writer
    # a kill loses nothing; only a failure of the power may take the last transactions, never the file
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    # as a writer from the start: one that becomes a writer later is refused where another was quicker
    connection.exec_driver_sql("BEGIN IMMEDIATE")


_LOCKED = ("locked", "busy", "deadlock", "could not serialize", "starting up", "shutting down", "too many clients")


_AWAY = ("connection", "connect to")


def _passes(error: BaseException, opened: bool) -> bool:
    """Whether it may be another matter in a moment: a lock, or a server that was there and is gone."""
    said = _say(error)
    gone = isinstance(error, DBAPIError) and error.connection_invalidated
    return gone or any(word in said for word in (*_LOCKED, *(_AWAY if opened else ())))


def _say(error: BaseException) -> str:
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(origin).strip().splitlines() or [type(origin).__name__])[0].lower()


_REMEDIES = (
    (("locked", "busy"), "close what else has it open, or choose another database with --storage"),
    (("full", "quota"), "free some space; what was written before is intact"),
    (("disk i/o",), "look at the disk: it may be full or failing; what was written before is intact"),
    (("not a database", "malformed", "encrypted", "utf-8", "json"), "restore it from a copy, or choose another file"),
    (("readonly", "read-only"), "make the file and its folder writable"),
    (("unable to open",), "make the folder, or choose another file"),
)


def refuse(name: str, error: BaseException) -> BabysitError:
    """Turn a database's refusal into the one line a person can act on."""
    said = _say(error)
    todo = next((todo for words, todo in _REMEDIES if any(word in said for word in words)), None)
    return StorageError(
        name,
        expected="a database that answers",
        found=said,
        todo=todo or "check the address, the name and the rights; what was written before is intact",
    )

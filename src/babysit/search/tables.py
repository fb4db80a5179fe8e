"""The tables a search keeps beside Optuna's: what it needs to go on, and what Optuna has no place for.

Outcomes, rounds and decisions are JSON text, which gives every number back to the last bit, NaN and infinity among
them, from every database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Double, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from babysit.search.ledgers import LONGEST_NAME
from babysit.storage import strict

SCHEMA = 1
"""Of the tables below; a newer one is refused."""

METADATA = MetaData()

ROUNDS = Table(
    "babysit_rounds",
    METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)
"""A round, or a part of one, and the trials it was begun with; by the number of the first."""

DECISIONS = Table(
    "babysit_decisions",
    METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(LONGEST_NAME), primary_key=True),
    Column("content", Text, nullable=False),
)
"""What was decided once."""

OUTCOMES = Table(
    "babysit_outcomes",
    METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epochs", Double, primary_key=True),
    Column("content", Text, nullable=False),
)
"""Where a trial stood at a rung."""

LEASES = Table(
    "babysit_leases",
    METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epochs", Double, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("beat", Integer, nullable=False),
)
"""Who is at which unit of work, named by its first trial and its rung, and how often that one said that it lives."""

_ADDRESS = re.compile(r" at 0x[0-9a-f]+", re.IGNORECASE)


def add_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add rows and leave alone what is there already: of two who write the same, the first one has written.

    Returns:
        How many rows were new.
    """
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(statement, rows).rowcount


def to_text(value: Any) -> str:
    """A value as JSON text, the same in every process: what JSON does not know is named without its address in memory.

    Example:
        >>> to_text({"lr": 0.1, "hidden": (50, 20), "loss": float("inf")})
        '{"lr":0.1,"hidden":[50,20],"loss":"Infinity"}'
    """
    return json.dumps(strict(value), default=_named, separators=(",", ":"), allow_nan=False)


def _named(value: object) -> str:
    return _ADDRESS.sub("", str(value))

"""Rounds as they were begun, so that a search that goes on under a study's name is the same search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.engine import Connection

from babysit.errors import InputError
from babysit.measure.record import RoundRecord
from babysit.search.database import Database
from babysit.search.tables import ROUNDS, add_new, to_text
from babysit.search.trials import TrialSpec


class Begun:
    """A round, or a part of one, that is to be begun or has been.

    Args:
        study_id: The study's number.
        round_: The round.
        trials: Its trials.
    """

    def __init__(self, study_id: int, round_: RoundRecord, trials: Sequence[TrialSpec]) -> None:
        content = {"round": asdict(round_), "trials": [asdict(trial) for trial in trials]}
        # by its first trial, as a sampler that learns begins a round in parts
        first = trials[0].number if trials else -1 - round_.number
        self._row = {"study_id": study_id, "number": first, "content": to_text(content)}

    def add(self, connection: Connection) -> bool:
        """Whether it is begun now, and for the first time."""
        return add_new(connection, ROUNDS, [self._row]) == 1

    def kept(self, connection: Connection) -> str:
        """The round as it was begun for the first time."""
        at = and_(ROUNDS.c.study_id == self._row["study_id"], ROUNDS.c.number == self._row["number"])
        return str(connection.execute(select(ROUNDS.c.content).where(at)).scalar_one())

    def refuse_another(self, kept: str, database: Database, study: str) -> None:
        """Go on with what was begun only.

        Raises:
            InputError: The study holds another search.
        """
        if kept == self._row["content"]:
            return
        wanted = json.loads(str(self._row["content"]))
        was, is_ = database.parse(kept, lambda begun: _differing(begun, wanted))
        raise InputError(
            database.name,
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

"""A search as Optuna's own tables show it, so that its dashboard and its plots open a search while it runs.

Rows are written to the tables that Optuna made, as they are declared by Optuna, in the transaction of what they
mirror; its own interface would take one transaction for every value of every trial.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import Table, and_, select, update
from sqlalchemy.engine import Connection

from babysit.errors import StorageError
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.search.shown import internal, widened
from babysit.search.tables import add_new, to_text
from babysit.search.trials import Outcome, TrialSpec

TRIALS: Table = models.TrialModel.__table__
PARAMS: Table = models.TrialParamModel.__table__
VALUES: Table = models.TrialValueModel.__table__
STEPS: Table = models.TrialIntermediateValueModel.__table__
ATTRIBUTES: Table = models.TrialUserAttributeModel.__table__

_STATES = {"complete": TrialState.COMPLETE, "failed": TrialState.FAIL}
_UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)


class Mirror:
    """The trials of one study in Optuna's tables.

    Args:
        study_id: Optuna's number of the study.
    """

    def __init__(self, study_id: int) -> None:
        self._study_id = study_id
        self._ids: dict[int, int] = {}

    def begin(self, connection: Connection, round_: RoundRecord, trials: Sequence[TrialSpec]) -> None:
        """The trials of a round, waiting.

        Optuna compares trials only where a hyperparameter has one distribution, so that of all trials is widened to
        what this round draws from.
        """
        if not trials:
            return
        known = self._distributions(connection)
        rows = [{"study_id": self._study_id, "number": trial.number, "state": TrialState.WAITING} for trial in trials]
        connection.execute(TRIALS.insert(), rows)
        ids = self._find(connection, [trial.number for trial in trials])
        now = _widen(known, round_, trials)
        self._widen(connection, known, now)
        add_new(connection, PARAMS, [row for trial in trials for row in _params(ids[trial.number], trial.params, now)])
        add_new(connection, ATTRIBUTES, [row for trial in trials for row in _about(ids[trial.number], round_, trial)])

    def start(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Trials that are being trained."""
        waiting = and_(TRIALS.c.study_id == self._study_id, TRIALS.c.number.in_(numbers))
        waiting = and_(waiting, TRIALS.c.state == TrialState.WAITING)
        connection.execute(update(TRIALS).where(waiting).values(state=TrialState.RUNNING, datetime_start=_now()))

    def record(self, connection: Connection, outcomes: Sequence[Outcome]) -> None:
        """Where trials stand, by the steps they have taken."""
        ids = self._find(connection, [outcome.number for outcome in outcomes])
        rows = []
        for outcome in outcomes:
            value, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(outcome.score)
            rows.append(
                {
                    "trial_id": ids[outcome.number],
                    "step": outcome.steps,
                    "intermediate_value": value,
                    "intermediate_value_type": kind,
                }
            )
        add_new(connection, STEPS, rows)

    def end(self, connection: Connection, trials: Sequence[TrialRecord]) -> None:
        """Trials that go no further; those that have ended already stay as they are."""
        ids = self._find(connection, [trial.number for trial in trials])
        ended = self.ended(connection)
        ending = [trial for trial in trials if trial.number not in ended]
        for status in sorted({trial.status for trial in ending}):
            rows = TRIALS.c.trial_id.in_([ids[trial.number] for trial in ending if trial.status == status])
            # said again: of two who end a trial at once, one waits here for the other
            unfinished = and_(rows, TRIALS.c.state.in_(_UNFINISHED))
            state = _STATES.get(status, TrialState.PRUNED)
            connection.execute(update(TRIALS).where(unfinished).values(state=state, datetime_complete=_now()))
        add_new(connection, VALUES, [row for trial in ending for row in _value(ids[trial.number], trial)])
        add_new(connection, ATTRIBUTES, [row for trial in ending for row in _ending(ids[trial.number], trial)])

    def ended(self, connection: Connection) -> set[int]:
        """The numbers of the trials that go no further."""
        ended = and_(TRIALS.c.study_id == self._study_id, TRIALS.c.state.not_in(_UNFINISHED))
        return set(connection.execute(select(TRIALS.c.number).where(ended)).scalars())

    def _distributions(self, connection: Connection) -> dict[str, BaseDistribution]:
        ours = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == self._study_id)
        wanted = select(PARAMS.c.param_name, PARAMS.c.distribution_json).where(PARAMS.c.trial_id.in_(ours)).distinct()
        return {name: json_to_distribution(text) for name, text in connection.execute(wanted)}

    def _widen(
        self, connection: Connection, known: Mapping[str, BaseDistribution], now: Mapping[str, BaseDistribution]
    ) -> None:
        ours = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == self._study_id)
        for name, before in known.items():
            if now[name] != before:
                rows = and_(PARAMS.c.param_name == name, PARAMS.c.trial_id.in_(ours))
                text = distribution_to_json(now[name])
                connection.execute(update(PARAMS).where(rows).values(distribution_json=text))

    def _find(self, connection: Connection, numbers: Sequence[int]) -> Mapping[int, int]:
        if all(number in self._ids for number in numbers):
            return self._ids
        # not remembered before the transaction is: it may be undone
        found = self._look_up(connection)
        missing = sorted(set(numbers) - set(found))
        if missing:
            raise StorageError(
                "storage",
                expected=f"trial {missing[0]} in the study it was begun in",
                found="that it was deleted",
                todo="begin the search again",
            )
        return found

    def remember(self, connection: Connection) -> None:
        """Look up once where the trials stand."""
        self._ids = self._look_up(connection)

    def _look_up(self, connection: Connection) -> dict[int, int]:
        wanted = select(TRIALS.c.number, TRIALS.c.trial_id).where(TRIALS.c.study_id == self._study_id)
        return {row.number: row.trial_id for row in connection.execute(wanted)}


def _widen(
    known: Mapping[str, BaseDistribution], round_: RoundRecord, trials: Sequence[TrialSpec]
) -> dict[str, BaseDistribution]:
    values: dict[str, list[Any]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, []).append(value)
    drawn = {name: widened(known.get(name), round_.ranges.get(name), found) for name, found in values.items()}
    return {**known, **drawn}


def _params(
    trial_id: int, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": internal(distributions[name], value),
            "distribution_json": distribution_to_json(distributions[name]),
        }
        for name, value in params.items()
    ]


def _value(trial_id: int, trial: TrialRecord) -> list[dict[str, Any]]:
    if trial.status not in ("complete", "halved"):
        return []
    value, kind = models.TrialValueModel.value_to_stored_repr(trial.score)
    return [{"trial_id": trial_id, "objective": 0, "value": value, "value_type": kind}]


def _about(trial_id: int, round_: RoundRecord, trial: TrialSpec) -> list[dict[str, Any]]:
    return _attributes(trial_id, {"round": f"{trial.round} {round_.name}", "seed": trial.seed, "order": trial.order})


def _ending(trial_id: int, trial: TrialRecord) -> list[dict[str, Any]]:
    numbers = {"initial_loss": trial.initial_loss, "loss": trial.loss}
    finite = {name: number for name, number in numbers.items() if math.isfinite(number)}
    reason = {"reason": trial.reason} if trial.reason else {}
    about = {"status": trial.status, "epochs": trial.epochs, "steps": trial.steps}
    return _attributes(trial_id, {**about, **finite, **reason})


def _attributes(trial_id: int, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"trial_id": trial_id, "key": key, "value_json": to_text(value)} for key, value in values.items()]


def _now() -> datetime:
    """As Optuna keeps it: the world's time, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)

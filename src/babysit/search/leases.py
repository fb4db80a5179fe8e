"""Leases: who is at which unit of work, so that several processes share a search and none waits for a dead one.

An owner lets its leases beat. Whoever wants a unit that is leased watches the beat by its own clock, which nobody can
set: a beat that has stood still for as long as a lease lasts is an owner that has gone, as is one whose process is no
longer there on this machine. Two who see that at once compare and set, and one of them has the unit.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.engine import Connection

from babysit.search.tables import LEASES, add_new

LEASE_SECONDS = 30.0
"""How long a beat may stand still. Longer than a machine that swaps or a disk that stalls takes its time."""
BEATS = 6
"""Beats in that time."""

Key = tuple[int, float]


class Leases:
    """The leases of one study, as one of its processes sees them.

    Args:
        study_id: The study.
        seconds: How long a beat may stand still before the lease is free again.
        clock: Seconds that only ever grow.

    Attributes:
        owner: What this process calls itself.
    """

    def __init__(
        self, study_id: int, seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.owner = f"{this_process()} {uuid.uuid4().hex[:12]}"
        self._study_id = study_id
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[Key, tuple[str, int, float]] = {}

    def claim(self, connection: Connection, key: Key) -> bool:
        """Whether the unit is now this process's."""
        row = {"study_id": self._study_id, "number": key[0], "epochs": key[1], "owner": self.owner, "beat": 0}
        if add_new(connection, LEASES, [row]) == 1:
            return True
        held = connection.execute(select(LEASES.c.owner, LEASES.c.beat).where(self._at(key))).first()
        if held is None:
            return False  # given back in this moment: the next time, then
        owner, beat = held
        if owner == self.owner:
            return True
        if not (has_gone(owner) or self._stands_still(key, owner, beat)):
            return False
        as_seen = and_(self._at(key), LEASES.c.owner == owner, LEASES.c.beat == beat)
        return connection.execute(update(LEASES).where(as_seen).values(owner=self.owner, beat=0)).rowcount == 1

    def beat(self, connection: Connection) -> None:
        """Say of all leases that their owner lives."""
        connection.execute(update(LEASES).where(self._mine()).values(beat=LEASES.c.beat + 1))

    def release(self, connection: Connection, key: Key) -> None:
        """Give a unit back; one that somebody else has taken over meanwhile is left to them."""
        connection.execute(delete(LEASES).where(and_(self._at(key), LEASES.c.owner == self.owner)))

    def release_all(self, connection: Connection) -> None:
        """Give back whatever is held."""
        connection.execute(delete(LEASES).where(self._mine()))

    def _stands_still(self, key: Key, owner: str, beat: int) -> bool:
        now = self._clock()
        seen = self._seen.get(key)
        if seen is None or seen[:2] != (owner, beat):
            self._seen[key] = (owner, beat, now)
            return False
        return now - seen[2] >= self._seconds

    def _at(self, key: Key) -> ColumnElement[bool]:
        return and_(LEASES.c.study_id == self._study_id, LEASES.c.number == key[0], LEASES.c.epochs == key[1])

    def _mine(self) -> ColumnElement[bool]:
        return and_(LEASES.c.study_id == self._study_id, LEASES.c.owner == self.owner)


def this_process() -> str:
    """What tells this process from every other one, on this machine and on others."""
    return f"{_place()} {os.getpid()} {_started(os.getpid()) or 0}"


def has_gone(owner: str) -> bool:
    """Whether an owner is known to be no more; ``False`` where it lives or cannot be looked for from here.

    Example:
        >>> has_gone(this_process() + " 1"), has_gone("another-machine 1 1 1")
        (False, False)
    """
    place, process, started, *_ = owner.split(" ")
    # an empty start is a machine that does not tell: the beat has to
    return place == _place() and started != "0" and _started(int(process)) != int(started)


def _place() -> str:
    """Where a process number means the same process: one boot of one machine, one container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{uuid.getnode():x}"


def _started(process: int) -> int | None:
    """When a process began, in the machine's ticks; ``None`` where it is not there or has ended."""
    try:
        # its name, in brackets, may hold anything
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])

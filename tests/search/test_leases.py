from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from babysit.search.database import Database
from babysit.search.leases import Leases, has_gone, this_process

KEY = (3, 0.5)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "search.db"), lambda _: None)
    yield opened
    opened.close()


def claim(database: Database, leases: Leases, key: tuple[int, float] = KEY) -> bool:
    return database.run(lambda connection: leases.claim(connection, key))


def test_one_of_two_has_a_unit_until_it_gives_it_back(database: Database) -> None:
    ours, theirs = Leases(1), Leases(1)
    assert claim(database, ours)
    assert claim(database, ours), "it stays ours"
    assert not claim(database, theirs)
    assert claim(database, theirs, (4, 0.5))
    database.run(lambda connection: theirs.release(connection, KEY))
    assert not claim(database, theirs), "nobody gives back what is another's"
    database.run(lambda connection: ours.release(connection, KEY))
    assert claim(database, theirs)


def test_leases_of_another_study_are_another_s(database: Database) -> None:
    assert claim(database, Leases(1))
    assert claim(database, Leases(2))


def test_a_lease_whose_beat_stands_still_is_free_again(database: Database) -> None:
    clock = Clock()
    ours, theirs = Leases(1, 30, clock), Leases(1, 30, clock)
    assert claim(database, ours)
    assert not claim(database, theirs)
    clock.now += 29
    database.run(ours.beat)
    assert not claim(database, theirs), "it beats"
    clock.now += 29.9
    assert not claim(database, theirs)
    clock.now += 0.1
    assert claim(database, theirs)
    assert not claim(database, ours), "it is theirs now"
    database.run(lambda connection: ours.release(connection, KEY))
    assert not claim(database, Leases(1)), "and stays theirs"


def test_of_two_who_see_it_stand_still_one_takes_it_over(database: Database) -> None:
    clock = Clock()
    dead, one, other = (Leases(1, 30, clock) for _ in range(3))
    assert claim(database, dead)
    assert not claim(database, one)
    assert not claim(database, other)
    clock.now += 30
    assert claim(database, one)
    assert not claim(database, other)


def test_what_is_given_back_at_the_end_is_free(database: Database) -> None:
    ours, theirs = Leases(1), Leases(1)
    assert claim(database, ours)
    assert claim(database, theirs, (4, 0.5))
    database.run(ours.release_all)
    assert claim(database, theirs)
    assert not claim(database, ours, (4, 0.5))


def test_a_process_that_has_ended_is_known_to_have_gone() -> None:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", "import sys; print('here', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.read(4)
    place, _, _ = this_process().split(" ")
    started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    owner = f"{place} {process.pid} {started} 1"
    assert not has_gone(owner)
    assert has_gone(f"{place} {process.pid} {int(started) + 1} 1"), "another one of that number"
    process.stdin.close()
    while (state := Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]) != "Z":
        assert state
        time.sleep(0.01)
    assert has_gone(owner), "its parent has not asked for it yet, but it has ended"
    process.wait()
    process.stdout.close()
    assert has_gone(owner)


def test_a_process_of_another_machine_has_to_be_waited_for(database: Database) -> None:
    _, process, started = this_process().split(" ")
    assert not has_gone(f"elsewhere {process} {int(started) + 1} 1")


def test_where_processes_cannot_be_looked_for_the_beat_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babysit.search.leases._started", lambda _: None)
    assert this_process().endswith(" 0")
    assert not has_gone(f"{this_process()} 1")


def test_a_lease_of_a_dead_process_is_taken_over_at_once(database: Database) -> None:
    child = os.fork()
    if child == 0:
        try:
            claim(Database(str(database.file), lambda _: None), Leases(1))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert claim(database, Leases(1))

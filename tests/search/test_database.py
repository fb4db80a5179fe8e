from __future__ import annotations

import random
import resource
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from sqlalchemy import text

from babysit.errors import BabysitError, InputError, StorageError
from babysit.measure.record import RoundRecord
from babysit.search.database import Database, read_url
from babysit.search.optuna_ledger import OptunaLedger
from babysit.search.trials import Outcome, TrialSpec, Unit

TRIALS = tuple(TrialSpec(number, 0, {"lr": 0.01}, 1, 1.0) for number in range(3))
ROUND = RoundRecord(0, "coarse", 1.0, 3, {})
UNIT = Unit(TRIALS, 1.0)
OUTCOMES = [Outcome(number, 1.0, 1.0, 10, 2.3, 0.5, 0.9) for number in range(3)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with a study in it."""
    path = tmp_path / "search.db"
    with closing(OptunaLedger(str(path), "a")) as ledger:
        ledger.begin(ROUND, TRIALS)
        assert ledger.claim(UNIT)
        ledger.record(UNIT, OUTCOMES)
    return path


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babysit.search.database.PATIENCE", 0.3)
    monkeypatch.setattr("babysit.search.database._WAIT_SECONDS", 0.05)


def refused(url: object, study: str = "a") -> str:
    with pytest.raises(InputError) as caught:
        OptunaLedger(str(url), study)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "storage: expected a file, or a URL such as sqlite:///search.db or postgresql://"),
        ("mysql://root:secret@host/name", "found 'host/name'; write it like one of these"),
        ("sqlite+aiosqlite:///search.db", "found 'sqlite+aiosqlite:///search.db'"),
        ("postgresql://host:port/name", "found 'postgresql://host:port/name'"),
        ("://", "found '://'"),
        ("sqlite://", "storage: expected a file that stays, found 'sqlite://'; name one: search.db"),
        ("sqlite:///:memory:", "expected a file that stays"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, says: str) -> None:
    line = refused(url)
    assert says in line
    assert "secret" not in line


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_missing_driver_is_named(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, driver, None)
    line = refused(f"postgresql+{driver}://me:secret@localhost/name")
    assert line.startswith(f"postgresql+{driver}://me:***@localhost/name: expected a driver for postgresql+{driver}")
    assert line.endswith("install it: pip install 'babysit[postgresql]'")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "found unable to open database file; make the folder, or choose another file"),
        (lambda path: path.write_text("lr,score\n" * 200), "found file is not a database; restore it from a copy"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(4080)), "not a database"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    make(tmp_path / "search.db")
    line = refused(tmp_path / "search.db")
    assert line.startswith(f"{tmp_path / 'search.db'}: expected a database that can be used, found ")
    assert says in line


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    assert "gone/search.db: expected a database that can be used, found unable to open" in refused(
        tmp_path / "gone" / "search.db"
    )


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "search.db").touch()
    OptunaLedger(str(tmp_path / "search.db"), "a").close()


def test_a_database_that_is_locked_is_waited_for(file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    with closing(other), closing(OptunaLedger(str(file), "a")) as ledger:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.5, other.execute, ["COMMIT"])
        timer.start()
        began = time.monotonic()
        assert ledger.decide("engine", lambda: "single") == "single"
        assert time.monotonic() - began > 0.3
        timer.join()


def test_a_database_that_stays_locked_is_one_line(file: Path, hurry: None) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other, closing(OptunaLedger(str(file), "a")) as ledger:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"search\.db: .* found database is locked; close what else has it open"):
            ledger.decide("engine", lambda: "single")
        assert "found database is locked; close what else has it open" in refused(file)
        other.execute("ROLLBACK")
        assert ledger.decide("engine", lambda: "single") == "single"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_that_is_gone_is_noticed(file: Path, replaced: bool) -> None:
    with closing(OptunaLedger(str(file), "a")) as ledger:
        shutil.copy(file, file.with_name("copy"))
        file.unlink()
        if replaced:
            file.with_name("copy").rename(file)
        with pytest.raises(StorageError, match=r"search\.db: .* found that it was deleted or replaced; put it back"):
            ledger.decide("engine", lambda: "single")


def test_a_full_disk_loses_nothing_that_was_recorded(file: Path) -> None:
    big = {"text": "x" * 1_000_000}
    limits, action = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with closing(OptunaLedger(str(file), "a")) as ledger:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 300_000, limits[1]))
        try:
            with pytest.raises(StorageError, match=r"search\.db: .* found (disk i/o error|database or disk is full); "):
                ledger.decide("big", lambda: big)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, action)
        assert ledger.decide("big", lambda: "small") == "small"
        assert [ledger.outcome(number, 1.0) for number in range(3)] == OUTCOMES


def test_damage_is_one_line_or_none(file: Path) -> None:
    """Random pages overwritten: what is read is what was written, or it is refused."""
    whole, draw = file.read_bytes(), random.Random(7)
    said = list[str]()
    for _ in range(20):
        damaged = bytearray(whole)
        at = draw.randrange(100, len(whole) - 64)
        damaged[at : at + 64] = draw.randbytes(64)
        file.write_bytes(damaged)
        for beside in file.parent.glob("search.db-*"):
            beside.unlink()
        try:
            with closing(OptunaLedger(str(file), "a")) as ledger:
                ledger.begin(ROUND, TRIALS)
                found = [ledger.outcome(number, 1.0) for number in range(3)]
                assert all(outcome in (None, OUTCOMES[number]) for number, outcome in enumerate(found))
        except BabysitError as error:
            said.append(str(error))
    assert said
    assert not any("\n" in line for line in said)


@pytest.mark.parametrize("damage", ['{"number', "[]", "3", '{"round": 1}'])
@pytest.mark.parametrize("table", ["babysit_outcomes", "babysit_rounds"])
def test_a_damaged_row_is_one_line(file: Path, table: str, damage: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"UPDATE {table} SET content = ?", [damage])
        database.commit()

    def read(ledger: OptunaLedger) -> None:
        ledger.begin(ROUND, TRIALS)
        ledger.outcome(0, 1.0)

    with closing(OptunaLedger(str(file), "a")) as ledger, pytest.raises(StorageError, match="rows as babysit writes"):
        read(ledger)


def test_a_study_that_something_else_made_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=storage, study_name="theirs", direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    optuna.create_study(storage=storage, study_name="loss", direction="minimize")
    storage.engine.dispose()
    assert "study 'theirs' to be new or one of babysit's, found trials that something else put there" in refused(
        path, "theirs"
    )
    assert "study 'loss' to maximise one score, found one that does something else" in refused(path, "loss")
    OptunaLedger(str(path), "ours").close()


def test_a_newer_format_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE babysit_decisions SET content = '2' WHERE name = 'babysit:schema'")
        database.commit()
    assert "study 'a' in format 1, found format 2; update babysit" in refused(file)


def test_another_optuna_s_database_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'v9.9.9'")
        database.commit()
    assert f"expected a database of Optuna {optuna.__version__}, found one of another version" in refused(file)


@pytest.mark.parametrize("name", ["", 513 * "n"])
def test_a_study_needs_a_name(tmp_path: Path, name: str) -> None:
    assert "study: expected a name of 1 to 512 characters" in refused(tmp_path / "search.db", name)


def test_optuna_s_own_tables_stay_as_optuna_makes_them(file: Path, tmp_path: Path) -> None:
    def tables(path: Path) -> dict[str, str]:
        with closing(sqlite3.connect(path)) as database:
            return dict(database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))

    optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'theirs.db'}").engine.dispose()
    ours, theirs = tables(file), tables(tmp_path / "theirs.db")
    assert {name: sql for name, sql in ours.items() if not name.startswith("babysit_")} == theirs


def test_sqlite_keeps_a_log_so_that_readers_do_not_stop_the_writer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "search.db"), lambda _: None)
    yield opened
    opened.close()


def test_what_fails_leaves_nothing_behind(database: Database) -> None:
    def half(connection: object) -> None:
        connection.execute(text("INSERT INTO babysit_decisions VALUES (1, 'a', '1')"))  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.run(half)
    count = database.run(lambda connection: connection.execute(text("SELECT count(*) FROM babysit_decisions")).scalar())
    assert count == 0


def test_a_plain_path_is_a_file() -> None:
    assert str(read_url("runs/a b.db")) == "sqlite:///runs/a b.db"
    assert read_url("sqlite:////tmp/a.db").database == "/tmp/a.db"

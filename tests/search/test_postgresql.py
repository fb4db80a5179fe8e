"""A search kept in a real PostgreSQL server, which is started for these tests where it is installed."""

from __future__ import annotations

import math
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import optuna
import pytest

from babysit.errors import InputError, StorageError
from babysit.measure.record import RoundRecord
from babysit.search.engines import Engine
from babysit.search.ledgers import MemoryLedger
from babysit.search.optuna_ledger import OptunaLedger
from babysit.search.rungs import Rungs
from babysit.search.runners import InProcess
from babysit.search.space import Choice, LogUniform, Space
from babysit.search.states import MemoryStates
from babysit.search.study import RoundPlan, Study
from babysit.search.trials import Outcome, TrialSpec, Unit

pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed: pip install 'babysit[postgresql]'")

SPACE = Space({"lr": LogUniform(1e-4, 1e-1), "hidden": Choice((50,), (20, 20))})
PLANS = [RoundPlan("coarse", 8, 2.0, 1), RoundPlan("fine", 4, 2.0), RoundPlan("final", 2, 4.0)]


def programs() -> Path | None:
    """The folder of the server's programs: Debian keeps them out of the way."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Server:
    """A server for these tests, in a folder of its own, heard on a socket in that folder alone."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self.url = f"postgresql:///postgres?host={folder}&user=tester"
        self._folder = folder
        self._bin = bin_

    def make(self) -> None:
        self._call("initdb", "-D", str(self._data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = f"-c listen_addresses='' -k {self._folder} -c fsync=off"
        self._call("pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(self._folder / "log"), "-o", options)

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", "immediate")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _call(self, program: str, *arguments: str) -> None:
        # a server refuses to be root's
        user = "postgres" if os.geteuid() == 0 else None
        done = subprocess.run(
            [self._bin / program, *arguments],
            user=user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    bin_ = programs()
    if bin_ is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    # short, as the path of a socket has to be, and open to the user that the server runs as
    folder = Path(tempfile.mkdtemp(prefix="babysit-pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    started = Server(folder, bin_)
    try:
        started.make()
        started.start()
        yield started
    finally:
        with suppress(AssertionError):
            started.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Known(Engine):
    """An engine whose outcomes follow from the settings, two trials a unit; what it trains is noted in a file."""

    name = "known"

    def __init__(self, notes: Path | None = None, seconds: float = 0.0) -> None:
        super().__init__(None, MemoryStates())  # type: ignore[arg-type]
        self._notes = notes
        self._seconds = seconds

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        return [tuple(trials[at : at + 2]) for at in range(0, len(trials), 2)]

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        time.sleep(self._seconds)
        if self._notes is not None:
            with self._notes.open("a") as file:
                file.write(f"{trials[0].number} {epochs}\n")
        return [self._outcome(trial, epochs) for trial in trials]

    def _outcome(self, trial: TrialSpec, epochs: float) -> Outcome:
        if trial.number == 1:
            return Outcome(1, epochs, 0.0, 0, math.nan, math.inf, -math.inf, "ValueError: \x00 'ü'", failed=True)
        score = -abs(math.log10(trial.params["lr"]))
        return Outcome(trial.number, epochs, epochs, int(10 * epochs), 2.3, 1 / 3, score)


def search(url: str | None, study: str, engine: Engine) -> str:
    ledger = OptunaLedger(url, study, lease_seconds=5) if url else MemoryLedger()
    with closing(Rungs(engine, InProcess(engine), ledger)) as rungs:
        return repr(Study(SPACE, PLANS, rungs, moves=0).run())


EXPECTED = search(None, "", Known())


def begin(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_search_ends_as_without_it_and_is_read_again(server: Server, tmp_path: Path) -> None:
    assert search(server.url, "whole", Known()) == EXPECTED
    assert search(server.url, "whole", Known(tmp_path / "notes")) == EXPECTED
    assert not (tmp_path / "notes").exists(), "nothing was trained again"


def test_optuna_opens_it(server: Server) -> None:
    search(server.url, "seen", Known())
    url = server.url.replace("postgresql:", "postgresql+psycopg:")
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name="seen", storage=storage)
    assert [trial.number for trial in study.trials] == list(range(14))
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED", "FAIL"}
    assert set(optuna.importance.get_param_importances(study)) == {"lr", "hidden"}
    storage.engine.dispose()


def test_a_database_without_an_encoding_will_do(server: Server) -> None:
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain ENCODING 'SQL_ASCII' TEMPLATE template0")
    assert search(server.url.replace("/postgres?", "/plain?"), "ü", Known()) == EXPECTED


def test_processes_share_it_from_its_first_moment(server: Server, tmp_path: Path) -> None:
    def work() -> None:
        assert search(server.url, "shared", Known(tmp_path / "notes", 0.02)) == EXPECTED

    assert [wait(child) for child in [begin(work) for _ in range(3)]] == [0, 0, 0]
    units = (tmp_path / "notes").read_text().splitlines()
    assert len(units) == len(set(units)) == 4 + 2 + 2 + 1


def test_a_killed_search_goes_on(server: Server, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    child = begin(lambda: search(server.url, "killed", Known(notes, 0.05)))
    while not notes.exists() or len(notes.read_text().splitlines()) < 3:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert wait(child) == -signal.SIGKILL
    assert search(server.url, "killed", Known(notes)) == EXPECTED
    assert len(notes.read_text().splitlines()) <= 9 + 1, "what was in flight at most is trained twice"


def test_a_search_outlives_a_server_that_is_started_again(server: Server) -> None:
    trials = (TrialSpec(0, 0, {"lr": 0.01}, 1, 1.0),)
    outcome = Outcome(0, 1.0, 1.0, 10, 2.3, 0.5, 0.9)
    with closing(OptunaLedger(server.url, "restarted")) as ledger:
        ledger.begin(RoundRecord(0, "coarse", 1.0, 1, {}), trials)
        assert ledger.claim(Unit(trials, 1.0))
        server.stop()
        server.start()
        ledger.record(Unit(trials, 1.0), [outcome])
    with closing(OptunaLedger(server.url, "restarted")) as ledger:
        assert ledger.outcome(0, 1.0) == outcome


def test_a_server_that_is_gone_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babysit.search.database.PATIENCE", 0.5)
    with closing(OptunaLedger(server.url, "gone")) as ledger:
        server.stop()
        try:
            with pytest.raises(
                StorageError, match=r"^postgresql\+psycopg://.*: expected a database that answers, found"
            ):
                ledger.decide("engine", lambda: "single")
            with pytest.raises(InputError, match=r"found .*(no such file|refused)") as refused:
                OptunaLedger(server.url, "gone")
            assert "\n" not in str(refused.value)
        finally:
            server.start()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.replace("/postgres?", "/nowhere?"), 'database "nowhere" does not exist'),
        (lambda url: url.replace("user=tester", "user=nobody"), 'role "nobody" does not exist'),
        (lambda url: url.replace("postgresql:///", "postgresql://:secret@/") + "&port=1", "5432|no such file"),
    ],
)
def test_a_wrong_address_is_one_line_without_a_password(
    server: Server, change: Callable[[str], str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babysit.search.database.PATIENCE", 0.1)
    with pytest.raises(InputError, match=says) as refused:
        OptunaLedger(change(server.url), "wrong")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)

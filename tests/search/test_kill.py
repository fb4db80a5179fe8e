"""Real searches, small ones, whose processes are killed at random, and searches that several processes share."""

from __future__ import annotations

import itertools
import math
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn

from babysit.data.batches import TensorBatches
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search.engines import SingleEngine
from babysit.search.ledgers import JournalLedger, Ledger, MemoryLedger
from babysit.search.optuna_ledger import OptunaLedger
from babysit.search.problem import Problem
from babysit.search.rungs import Rungs
from babysit.search.runners import InProcess
from babysit.search.space import Choice, LogUniform, Space
from babysit.search.states import FolderStates, MemoryStates
from babysit.search.study import RoundPlan, Study, StudyResult
from babysit.search.trials import Outcome, TrialSpec

DRAW = torch.Generator().manual_seed(3)
X = torch.randn(60, 6, generator=DRAW)
Y = (X @ torch.randn(6, 3, generator=DRAW)).argmax(dim=1)
SPACE = Space({"lr": LogUniform(1e-4, 10.0), "hidden": Choice(4, 8)})
PLANS = [RoundPlan("coarse", 6, 2.0, 1), RoundPlan("fine", 4, 2.0, 1), RoundPlan("final", 2, 3.0)]


def network(trial: TrialSpec) -> nn.Module:
    """With everything that has a state of its own: batch norm and dropout."""
    hidden = trial.params["hidden"]
    with torch.random.fork_rng():
        torch.manual_seed(trial.seed)
        return nn.Sequential(
            nn.Linear(6, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, 3)
        )


PROBLEM = Problem(
    build=network,
    batches=lambda _, settings: TensorBatches(X[:40], Y[:40], settings.batch_size, settings.seed),
    validation=Examples(X[40:], Y[40:]),
    task=CLASSIFICATION,
    settings=TrainSettings(optimizer="sgd", batch_size=8),
    chance=math.log(3),
)


class Noting(SingleEngine):
    """Notes what it has trained, in a file that several processes write to."""

    def __init__(self, folder: Path, seconds: float = 0.01) -> None:
        super().__init__(PROBLEM, FolderStates(folder / "trials"))
        self._file = folder / "trained"
        self._seconds = seconds

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        outcomes = super().train(trials, epochs)
        time.sleep(self._seconds)
        with self._file.open("a") as file:
            file.write(f"{trials[0].number} {epochs}\n")
        return outcomes


def study(engine: SingleEngine, ledger: Ledger) -> StudyResult:
    with closing(Rungs(engine, InProcess(engine), ledger)) as rungs:
        return Study(SPACE, PLANS, rungs, moves=0).run()


def search(folder: Path, open_: Callable[[Path], Ledger], seconds: float = 0.01) -> None:
    """A search to its end; what it found is left in a file."""
    text = repr(study(Noting(folder, seconds), open_(folder)))
    (folder / f"result.{os.getpid()}").write_text(text)


def database(folder: Path) -> Ledger:
    return OptunaLedger(f"sqlite:///{folder / 'search.db'}", "a")


def impatient(folder: Path) -> Ledger:
    return OptunaLedger(f"sqlite:///{folder / 'search.db'}", "a", lease_seconds=0.3)


def journal(folder: Path) -> Ledger:
    return JournalLedger(folder / "outcomes.jsonl")


def begin(work: Callable[[], object]) -> int:
    """Start a process; its number."""
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


def killed(work: Callable[[], object], after: float) -> bool:
    """Kill a process after a time; whether it was not done before."""
    child = begin(work)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    code = wait(child)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def results(folder: Path) -> list[str]:
    return [file.read_text() for file in sorted(folder.glob("result.*"))]


def as_optuna_sees_it(folder: Path) -> list[tuple[Any, ...]]:
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'search.db'}")
    trials = optuna.load_study(study_name="a", storage=storage).trials
    storage.engine.dispose()
    assert all(trial.datetime_start and trial.datetime_complete for trial in trials)
    return [
        (t.number, t.state, t.values, t.params, t.distributions, t.user_attrs, t.intermediate_values) for t in trials
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A search that nothing disturbs, and how long it takes in a process of its own."""
    # what is imported late is imported here, so that the processes to be killed spend their time searching
    study(SingleEngine(PROBLEM, MemoryStates()), database(tmp_path_factory.mktemp("first")))
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    assert wait(begin(lambda: search(folder, database))) == 0
    seconds = time.monotonic() - began
    assert results(folder) == [repr(study(SingleEngine(PROBLEM, MemoryStates()), MemoryLedger()))]
    return folder, seconds


def survive(folder: Path, whole: tuple[Path, float], open_: Callable[[Path], Ledger], draw: random.Random) -> int:
    """A search that is killed again and again, until it is done; how often."""
    times = 0
    folder.mkdir()
    while killed(lambda: search(folder, open_), draw.uniform(0, 0.7 * whole[1])):
        times += 1
    assert results(folder) == results(whole[0])
    if open_ is database:
        assert as_optuna_sees_it(folder) == as_optuna_sees_it(whole[0])
    return times


@pytest.mark.parametrize("open_", [database, journal])
def test_a_search_killed_at_random_ends_as_if_nothing_had_been(
    tmp_path: Path, whole: tuple[Path, float], open_: Callable[[Path], Ledger]
) -> None:
    kill(tmp_path, whole, open_, times=3)


@pytest.mark.slow
def test_a_hundred_kills_change_nothing(tmp_path: Path, whole: tuple[Path, float]) -> None:
    kill(tmp_path, whole, database, times=100)


def kill(folder: Path, whole: tuple[Path, float], open_: Callable[[Path], Ledger], times: int) -> None:
    """Searches that are killed, until that has happened so many times."""
    draw, turns = random.Random(), itertools.count()
    while times > 0:
        times -= survive(folder / str(next(turns)), whole, open_, draw)


def trained(folder: Path) -> Counter[str]:
    return Counter((folder / "trained").read_text().splitlines())


@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_that_share_a_study_train_every_unit_once(
    tmp_path: Path, whole: tuple[Path, float], processes: int
) -> None:
    children = [begin(lambda: search(tmp_path, database, seconds=0.02)) for _ in range(processes)]
    assert [wait(child) for child in children] == [0] * processes
    assert results(tmp_path) == results(whole[0]) * processes
    assert trained(tmp_path) == trained(whole[0])
    assert set(trained(tmp_path).values()) == {1}
    assert as_optuna_sees_it(tmp_path) == as_optuna_sees_it(whole[0])


def test_the_work_of_one_that_is_killed_is_done_by_the_others(tmp_path: Path, whole: tuple[Path, float]) -> None:
    def slow() -> None:
        search(tmp_path, database, seconds=0.05)

    victim, heir = begin(slow), begin(slow)
    time.sleep(1.5 * whole[1])
    os.kill(victim, signal.SIGKILL)
    assert wait(heir) == 0
    wait(victim)
    assert results(tmp_path)[-1] == results(whole[0])[0]
    # what was in flight may have been trained, and not have been recorded
    assert sum((trained(tmp_path) - trained(whole[0])).values()) <= 1
    assert as_optuna_sees_it(tmp_path) == as_optuna_sees_it(whole[0])


@pytest.mark.slow
def test_whatever_befalls_those_who_share_a_study_it_ends_the_same(tmp_path: Path, whole: tuple[Path, float]) -> None:
    """Three at a time; one after the other is killed, or stopped for longer than its lease lasts and let go on."""
    draw = random.Random()
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()

        def work(folder: Path = folder) -> None:
            search(folder, impatient)

        children = [begin(work) for _ in range(3)]
        for _ in range(4):
            time.sleep(draw.uniform(0, 0.4 * whole[1]))
            victim = draw.randrange(3)
            if draw.random() < 0.5:
                os.kill(children[victim], signal.SIGKILL)
                assert wait(children[victim]) in (0, -signal.SIGKILL)
                children[victim] = begin(work)
            else:
                os.kill(children[victim], signal.SIGSTOP)
                time.sleep(draw.uniform(0, 0.8))
                os.kill(children[victim], signal.SIGCONT)
        assert [wait(child) for child in children] == [0, 0, 0]
        assert set(results(folder)) == set(results(whole[0]))
        assert as_optuna_sees_it(folder) == as_optuna_sees_it(whole[0])

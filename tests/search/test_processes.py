from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from babysit.data.batches import TensorBatches
from babysit.errors import Interrupted, StorageError
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search.engines import SingleEngine, nothing_between
from babysit.search.problem import Problem
from babysit.search.processes import Processes, can_fork
from babysit.search.states import FolderStates
from babysit.search.trials import Outcome, TrialSpec, Unit

pytestmark = pytest.mark.skipif(not can_fork(), reason="workers are forked, which this system cannot do")
DRAW = torch.Generator().manual_seed(3)
X = torch.randn(60, 6, generator=DRAW)
Y = (X @ torch.randn(6, 3, generator=DRAW)).argmax(dim=1)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Bit-for-bit comparisons."""
    torch.set_num_threads(1)


def network(trial: TrialSpec) -> nn.Module:
    if "raise" in trial.params:
        raise ValueError("no such network")
    if "die" in trial.params:
        marker = Path(trial.params["die"])
        if not marker.exists() or trial.params.get("always"):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if "full" in trial.params:
        raise StorageError("disk", expected="room", found="none", todo="make some")
    with torch.random.fork_rng():
        torch.manual_seed(trial.seed)
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


PROBLEM = Problem(
    build=network,
    batches=lambda _trial, settings: TensorBatches(X[:40], Y[:40], settings.batch_size, settings.seed),
    validation=Examples(X[40:], Y[40:]),
    task=CLASSIFICATION,
    settings=TrainSettings(optimizer="adam", batch_size=8),
    chance=math.log(3),
)


def unit(number: int, epochs: float = 2.0, **params: object) -> Unit:
    return Unit((TrialSpec(number, 0, {"lr": 0.01, **params}, seed=number, epochs=4.0),), epochs)


class Workers(Processes):
    """Two workers that are ended with the test."""

    def __init__(self, folder: Path, between: object = nothing_between, count: int = 2) -> None:
        self.engine = SingleEngine(PROBLEM, FolderStates(folder / "trials"))
        super().__init__(self.engine, count, between)  # type: ignore[arg-type]

    def outcomes(self, *units: Unit) -> dict[int, Outcome]:
        return {outcome.number: outcome for _, some in self.run(units) for outcome in some}


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path)
    yield made
    made.close()


def test_workers_train_as_this_process_does_from_rung_to_rung(workers: Workers, tmp_path: Path) -> None:
    here = SingleEngine(PROBLEM, FolderStates(tmp_path / "here"))
    for epochs in (1.0, 2.0, 4.0):
        units = [unit(number, epochs) for number in range(5)]
        expected = {one.trials[0].number: here.train(one.trials, epochs)[0] for one in units}
        assert workers.outcomes(*units) == expected


def test_units_are_read_only_as_workers_come_free(workers: Workers) -> None:
    read: list[int] = []

    def units() -> Iterator[Unit]:
        for number in range(6):
            read.append(number)
            yield unit(number)

    running = workers.run(units())
    next(running)
    assert len(read) <= 3
    assert len(list(running)) == 5


def test_two_trials_run_in_two_processes(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()

    class Signing(SingleEngine):
        def train(self, trials: object, epochs: float) -> list[Outcome]:
            (seen / str(os.getpid())).touch()
            time.sleep(0.3)  # so that the other worker gets the other unit
            return super().train(trials, epochs)  # type: ignore[arg-type]

    processes = Processes(Signing(PROBLEM, FolderStates(tmp_path / "trials")), 2, nothing_between)
    assert len(list(processes.run([unit(0), unit(1)]))) == 2
    processes.close()
    pids = {path.name for path in seen.iterdir()}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids


def test_a_trial_that_raises_costs_itself_alone(workers: Workers) -> None:
    outcomes = workers.outcomes(unit(0), unit(1, **{"raise": True}), unit(2))
    assert outcomes[1].failed
    assert outcomes[1].stopped == "ValueError: no such network"
    assert not outcomes[0].failed
    assert not outcomes[2].failed


def test_a_worker_that_dies_once_is_replaced_and_its_unit_trained(workers: Workers, tmp_path: Path) -> None:
    expected = SingleEngine(PROBLEM, FolderStates(tmp_path / "here")).train(unit(1).trials, 2.0)[0]
    outcomes = workers.outcomes(unit(0), unit(1, die=str(tmp_path / "marker")), unit(2))
    assert sorted(outcomes) == [0, 1, 2]
    assert outcomes[1] == expected


def test_a_unit_that_kills_its_worker_twice_has_failed(workers: Workers, tmp_path: Path) -> None:
    outcomes = workers.outcomes(unit(0), unit(1, die=str(tmp_path / "marker"), always=True), unit(2))
    assert "died twice (SIGKILL: out of memory?)" in outcomes[1].stopped
    assert outcomes[1].failed
    assert not outcomes[0].failed
    assert not outcomes[2].failed


def test_what_is_no_trials_fault_is_raised_here(workers: Workers) -> None:
    with pytest.raises(StorageError, match="disk: expected room, found none"):
        workers.outcomes(unit(0, full=True))


def test_progress_is_told_and_may_stop_the_search(tmp_path: Path) -> None:
    told: list[int] = []

    def between(steps: int) -> None:
        told.append(steps)
        if sum(told) > 100:
            raise Interrupted(signal.SIGINT)

    workers = Workers(tmp_path, between)
    with pytest.raises(Interrupted):
        workers.outcomes(*(unit(number, 4000.0) for number in range(2)))
    pids = [worker.process.pid for worker in workers._workers]
    workers.close()
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_go_when_their_parent_is_killed(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        running = Workers(tmp_path).run([unit(number, 1e6) for number in range(2)])
        while True:
            next(running, None)
    time.sleep(1.5)
    workers = [int(pid) for pid in Path(f"/proc/{child}/task/{child}/children").read_text().split()]
    assert len(workers) == 2
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 20
    while any(_runs(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_runs(pid) for pid in workers)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

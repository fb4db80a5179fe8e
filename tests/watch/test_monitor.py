"""Faults of the watching, run folders, and what a reader gets."""

from __future__ import annotations

import atexit
import contextlib
import copy
import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import BaseTorchFunctionMode, _get_current_function_mode_stack

import babysit
from babysit.diagnose import Diagnosis, diagnose
from babysit.errors import RunFolderError
from babysit.measure.record import RunRecord, has_tail, read_run, read_runs
from babysit.rules._config import Config
from babysit.watch import Monitor
from babysit.watch.names import MOST_SEARCHES, Names
from babysit.watch.training import Training

LOOP = """
import sys, torch
from torch import nn
from pathlib import Path
from babysit.watch import Monitor
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(32, 4), torch.arange(32) % 2
monitor = Monitor(out=Path(sys.argv[1]))
monitor.start()
losses = []
for step in range(int(sys.argv[2])):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    print(loss.item(), flush=True)
"""


def train(steps: int = 30) -> list[float]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(32, 4), torch.arange(32) % 2
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_folder_can_be_read_while_the_training_goes_on_and_afterwards(tmp_path: Path) -> None:
    with Monitor(out=tmp_path / "run", command="train.py") as monitor:
        losses = train(100)
        assert read_run(tmp_path / "run").losses == pytest.approx(losses)
        assert monitor.record.header.command == "train.py"
    run = read_run(tmp_path / "run")
    assert run.losses == pytest.approx(losses)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["run.json", "steps.jsonl"]
    with Monitor() as in_memory:
        train(100)
    assert in_memory.record.steps == run.steps
    assert in_memory.record.calls == run.calls
    assert in_memory.record.coverage == run.coverage


def test_a_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    with Monitor(out=tmp_path):
        train(3)
    with pytest.raises(RunFolderError, match="a run in it"):
        Monitor(out=tmp_path).start()


def test_further_trainings_have_folders_of_their_own(tmp_path: Path) -> None:
    with Monitor(out=tmp_path) as monitor:
        train(20)
        train(20)
    assert (tmp_path / "training-2" / "run.json").exists()
    assert [len(run.losses) for run in read_runs(tmp_path)] == [20, 20]
    assert monitor.steps == 40


@pytest.mark.parametrize("after", [1, 7, 70, 200])
def test_a_kill_costs_at_most_the_step_in_flight(tmp_path: Path, after: int) -> None:
    command = [sys.executable, "-c", LOOP, str(tmp_path / "run"), "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [float(process.stdout.readline()) for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        seen += [float(line) for line in process.stdout if line.endswith("\n")]
    run = read_run(tmp_path / "run")
    assert len(run.losses) >= len(seen)
    assert run.losses[: len(seen)] == pytest.approx(seen)
    assert diagnose(run).broken == {}


def test_a_folder_that_disappears_ends_the_watching_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = train(60)
    with Monitor(out=tmp_path / "run") as monitor:
        train(20)
        shutil.rmtree(tmp_path / "run")
        assert train(60) == expected
    assert monitor.diagnosis.findings == ()
    error = capsys.readouterr().err
    assert error.count("the training goes on") <= 1
    assert monitor.notes


def test_a_full_disk_ends_the_watching_and_nothing_else(tmp_path: Path) -> None:
    script = LOOP.replace("losses = []", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    command = [sys.executable, "-c", script, str(tmp_path / "run"), "300"]
    ended = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=True)
    plain = subprocess.run(
        [sys.executable, "-c", script.replace("monitor.start()", ""), str(tmp_path / "other"), "300"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == plain.stdout
    assert ended.stderr.count("watching ended at step") == 1
    run = read_run(tmp_path / "run")
    assert 10 < len(run.losses) < 300
    assert diagnose(run).broken == {}


@pytest.mark.parametrize("place", ["sample.merge", "attach._call", "training.Training.is_of_data"])
def test_a_fault_of_the_watching_is_said_once_and_the_training_goes_on(
    place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = train(30)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of the watching itself")

    monkeypatch.setattr(f"babysit.watch.{place}", broken)
    with Monitor() as monitor:
        assert train(30) == expected
    assert capsys.readouterr().err.splitlines() == [
        "babysit: watching ended at step 0: ZeroDivisionError: of the watching itself; the training goes on"
    ]
    assert monitor.diagnosis.verdict == "healthy"
    assert not nn.modules.module._global_forward_hooks


def test_a_rule_that_raises_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("in a rule")

    monkeypatch.setattr("babysit.rules.los001_nonfinite_loss.NonfiniteLoss.check", broken)
    with Monitor() as monitor:
        train(30)
    assert monitor.diagnosis.broken == {"LOS001": "ZeroDivisionError: in a rule"}


def test_a_forked_child_is_not_watched() -> None:
    with Monitor() as monitor:
        train(5)
        child = os.fork()
        if child == 0:
            train(5)
            os._exit(7 if monitor.steps == 5 else 8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        train(5)
    assert monitor.steps == 10


def test_another_thread_than_the_trainings_is_not_mixed_in() -> None:
    with Monitor() as monitor:
        train(5)
        thread = threading.Thread(target=train, args=(5,))
        thread.start()
        thread.join()
    assert monitor.steps == 5


def test_exceptions_in_a_model_leave_no_trace() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError(str(self.layer(torch.relu(x)).shape))

    with Monitor() as monitor:
        with pytest.raises(ValueError, match=r"torch.Size\(\[3, 2\]\)"):
            Fails()(torch.ones(3, 4))
        losses = train(5)
    assert monitor.record.losses == pytest.approx(losses)
    assert not torch.overrides._get_current_function_mode_stack()


def test_watch_is_a_function_and_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.babysit]\nselect = ["LOS"]\n')
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e6)
    with babysit.watch(model, optimizer, out=tmp_path / "run") as monitor:
        for _ in range(30):
            optimizer.zero_grad()
            model(torch.ones(3, 4)).square().mean().backward()
            optimizer.step()
    assert [finding.code for finding in monitor.findings] == ["LOS001"]
    assert all(code.startswith("LOS") for code in monitor.diagnosis.asked)
    assert babysit.watch.__name__ == "babysit.watch"


def test_a_line_that_begins_it_anew_ends_what_it_began_before() -> None:
    """As a cell of a notebook that is run again."""
    begun = []
    for _ in range(3):
        begun.append(babysit.watch())
        train(2)
    assert [monitor.steps for monitor in begun] == [2, 2, 2]
    begun[-1].close()
    train(2)
    assert begun[-1].steps == 2


def test_a_block_lasts_as_long_as_it_says() -> None:
    def train_within(depth: int) -> list[int]:
        with babysit.watch() as monitor:
            inner = train_within(depth - 1) if depth else []
            train(2)
        return [monitor.steps, *inner]

    assert train_within(2) == [6, 4, 2]


def test_findings_can_be_asked_for_while_it_goes_on() -> None:
    monitor = Monitor(config=Config(select=("LOS001",)))
    monitor.start()
    assert monitor.findings == ()
    train(3)
    assert monitor.diagnosis.verdict == "healthy"
    monitor.close()
    assert monitor.close() is monitor.diagnosis


class Display:
    """Notes what it is told."""

    def __init__(self, *, active: bool) -> None:
        self.active = active
        self.told: list[tuple[int, float]] = []

    def update(self, step: int, loss: float, findings: Any) -> None:
        self.told.append((step, loss))

    def close(self) -> None:
        self.told.append((-1, 0.0))


def test_a_live_display_is_told_of_every_step() -> None:
    display = Display(active=True)
    with Monitor(live=display):
        losses = train(70)
    assert [step for step, _ in display.told] == [*range(1, 71), -1]
    assert [loss for _, loss in display.told[:-1]] == pytest.approx(losses)


@pytest.mark.parametrize("active", [True, False])
def test_nothing_is_judged_while_nobody_looks(active: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []

    def noted(run: RunRecord, **kwargs: Any) -> Diagnosis:
        judged.append(len(run.steps))
        return diagnose(run, **kwargs)

    monkeypatch.setattr("babysit.watch.monitor.diagnose", noted)
    with Monitor(live=Display(active=active)):
        train(70)
        assert len(judged) == active  # after step 64
    assert len(judged) == active + 1


def test_a_script_goes_to_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with babysit.watch(out="run") as monitor:
        first = train(4)
        monkeypatch.chdir(elsewhere)
        first += train(20)
        train(20)
    assert monitor.notes == ()
    assert [len(run.losses) for run in read_runs(tmp_path / "run")] == [24, 20]
    assert list(elsewhere.iterdir()) == []


def test_watching_ends_with_the_interpreter_at_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    babysit.watch(out=tmp_path / "run")
    losses = train(10)
    assert has_tail(tmp_path / "run")
    for call in at_exit:
        call()
    assert not has_tail(tmp_path / "run")
    assert read_run(tmp_path / "run").losses == tuple(losses)


def test_a_forked_child_ends_nothing_of_its_parents(tmp_path: Path) -> None:
    with Monitor(out=tmp_path) as monitor:
        losses = train(10)
        child = os.fork()
        if child == 0:
            monitor.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert has_tail(tmp_path)
        assert read_run(tmp_path).losses == tuple(losses)


def test_trainings_in_threads_one_after_the_other() -> None:
    turns = [threading.Event() for _ in range(3)]
    # all are there from the start, as the number of one that has ended goes to the next that begins
    threads = [threading.Thread(target=lambda turn=turn: turn.wait(10) and train(20)) for turn in turns]
    for thread in threads:
        thread.start()
    with Monitor() as monitor:
        for turn, thread in zip(turns, threads, strict=True):
            turn.set()
            thread.join()
    assert [len(run.losses) for run in monitor.records] == [20, 20, 20]


@pytest.mark.parametrize("out", [None, "run"])
def test_a_fault_of_the_watching_costs_no_loss_before(
    out: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor = Monitor(out=tmp_path / out if out else None)
    with monitor:
        losses = train(100)
        monkeypatch.setattr(Training, "step_ends", None)
        train(1)
    assert "watching ended at step 100" in capsys.readouterr().err
    assert monitor.records[0].losses == tuple(losses)


class Interrupted(nn.Module):
    """A layer that somebody interrupts in its third call."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return x


def test_after_an_interruption_the_next_step_is_as_any_other() -> None:
    model = nn.Sequential(nn.Linear(4, 4), Interrupted(), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Monitor() as monitor:
        for _ in range(6):
            optimizer.zero_grad()
            with contextlib.suppress(KeyboardInterrupt):
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
        assert _get_current_function_mode_stack() == []
    assert [layer.module for layer in monitor.record.steps[-1].layers] == ["0", "1", "2", "3"]
    assert len(monitor.record.steps) == 5


def test_a_mode_that_a_script_has_entered_since_stays() -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mode = BaseTorchFunctionMode()
    with Monitor():
        handle = model[0].register_forward_hook(lambda *_: (mode.__enter__(), None)[1])
        model(torch.randn(8, 4)).square().mean().backward()
        handle.remove()
        optimizer.step()
        assert _get_current_function_mode_stack() == [mode]
    mode.__exit__(None, None, None)


def test_after_a_step_that_raised_evaluation_is_seen() -> None:
    class Failing(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            if len(monitor.record.steps) == 3 and not failed:
                failed.append(True)
                raise RuntimeError("out of memory")
            return super().step(closure)

    failed: list[bool] = []
    model, x = nn.Linear(4, 2), torch.randn(8, 4)
    optimizer = Failing(model.parameters(), lr=0.1)
    with Monitor() as monitor:
        for _ in range(130):  # the step after is not sampled
            optimizer.zero_grad()
            model(x).square().mean().backward()
            with contextlib.suppress(RuntimeError):
                optimizer.step()
        assert failed
        with torch.no_grad():
            model(x)
    assert [forward.phase for forward in monitor.record.forwards][-1] == "evaluation"


def test_of_trainings_that_are_over_nothing_is_kept() -> None:
    with Monitor() as monitor:
        train(20)
        seen = weakref.ref(monitor._observer.trainings[0].phases)
        train(20)
        gc.collect()
        assert seen() is None
    assert [len(run.losses) for run in monitor.records] == [20, 20]


def test_models_made_anew_all_the_time_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(gc, "get_referrers", lambda item: asked.append(item) or [])
    names, model = Names(), nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    names.add(model)
    for _ in range(200):
        copied = copy.deepcopy(model)
        names.add(copied)
        assert names.path(copied[0]).endswith(".0")
    assert names.path(model[0]) == "0"
    assert len(asked) <= MOST_SEARCHES
    assert len(names._modules) < 300  # of 600

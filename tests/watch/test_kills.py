"""`babysit run` killed at random moments: what it has written can be judged, reported, and lacks nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from babysit.cli.judge import judge
from babysit.cli.report import report
from babysit.measure.record import read_runs

# has torch loaded, which takes seconds, and becomes `babysit run` anew for each line it is told
PARENT = """
import os, sys
import babysit.cli.run, babysit.cli._run_summary, babysit.watch.monitor
from babysit.cli import main

for line in sys.stdin:
    folder = line.strip()
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        sys.argv = ["babysit", "run", "--quiet", "--out", "run", "../train.py"]
        code = 1
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""

SCRIPT = """
import os
import torch
from torch import nn
from torch.nn import functional as F

taken = os.open("taken", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for fold in range(2):
    torch.manual_seed(fold)
    model = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.randn(600, 16)
    y = x[:, :4].argmax(1)
    for step in range(60):
        rows = torch.randint(0, 500, (64,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
        os.write(taken, b".")
        if step % 25 == 24:
            model.eval()
            with torch.no_grad():
                F.cross_entropy(model(x[500:]), y[500:])
            model.train()
"""


STEPS = 120
"""That the script takes in all."""
MOST_SECONDS_AFTER = 0.02
"""Between the step that is waited for and the kill: some steps, so that it comes anywhere between two of them."""


@dataclass(frozen=True)
class Ended:
    """What a run left."""

    folder: Path
    code: int

    @property
    def steps_taken(self) -> int:
        """As the script itself has noted them, past babysit."""
        taken = self.folder.parent / "taken"
        return taken.stat().st_size if taken.exists() else 0

    @property
    def has_begun(self) -> bool:
        return (self.folder / "run.json").exists()

    def records(self) -> list[bytes]:
        """The file of each training."""
        return [
            (run / "steps.jsonl").read_bytes()
            for run in (self.folder, self.folder / "training-2")
            if (run / "steps.jsonl").exists()
        ]


class Runs:
    """Starts `babysit run` on the same script, again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        (folder / "train.py").write_text(SCRIPT)
        self._parent = subprocess.Popen(
            [sys.executable, "-c", PARENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(self, kill_at: float | None = None) -> Ended:
        """Run it, to its end or until a moment after so many steps."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        pid = self._told(str(folder))
        if kill_at is not None:
            with contextlib.suppress(ProcessLookupError):  # it has come to its end before
                _wait_for_steps(folder / "taken", int(kill_at), pid)
                time.sleep((kill_at % 1) * MOST_SECONDS_AFTER)
                os.kill(pid, signal.SIGKILL)
        return Ended(folder / "run", self._told())

    def close(self) -> None:
        self._parent.kill()
        self._parent.communicate()

    def _told(self, line: str = "") -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        if line:
            self._parent.stdin.write(f"{line}\n")
            self._parent.stdin.flush()
        return int(self._parent.stdout.readline())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    made = Runs(tmp_path_factory.mktemp("kills"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def whole(runs: Runs) -> Ended:
    """A run that nobody stops; the first one is slower, as much of torch is loaded when it is first used."""
    first, second = runs.run(), runs.run()
    assert first.code == second.code == 0
    assert first.records() == second.records()
    return second


@pytest.mark.parametrize("kills", [6, pytest.param(300, marks=pytest.mark.slow)])
def test_what_a_killed_run_has_written_is_the_beginning_of_the_whole(runs: Runs, whole: Ended, kills: int) -> None:
    complete = read_runs(whole.folder)
    moments = random.Random(kills)
    stopped = [_killed(runs, moments.uniform(-STEPS / 6, STEPS)) for _ in range(kills)]  # below 0: as it begins
    for ended in stopped:
        if not ended.has_begun:
            assert ended.steps_taken == 0
            continue
        # the last line may be torn, and is a beginning all the same
        for part, all_of_it in zip(ended.records(), whole.records(), strict=False):
            assert all_of_it.startswith(part)
        found = read_runs(ended.folder)
        for part, all_of_it in zip(found, complete, strict=False):
            assert all_of_it.losses[: len(part.losses)] == part.losses
        assert ended.steps_taken <= sum(len(run.losses) for run in found) <= ended.steps_taken + 1
        _judge_and_report(ended.folder)
    assert any(0 < ended.steps_taken < STEPS for ended in stopped), "none was killed in the middle of its training"


def _wait_for_steps(taken: Path, steps: int, pid: int) -> None:
    """Wait until the script has noted so many steps.

    Raises:
        ProcessLookupError: It has ended.
    """
    while (taken.stat().st_size if taken.exists() else 0) < steps:
        os.kill(pid, 0)
        time.sleep(0.001)


def _killed(runs: Runs, at: float) -> Ended:
    ended = runs.run(at)
    assert ended.code in (0, -signal.SIGKILL)
    return ended


def _judge_and_report(folder: Path) -> None:
    judge(folder, fail_on="never", quiet=True)
    for line in (folder / "findings.jsonl").read_text().splitlines():
        assert json.loads(line)["code"]
    report(folder, quiet=True)
    assert (folder / "report.html").read_text().rstrip().endswith("</html>")

"""`babysit` as processes of its own, started by a parent that has loaded torch already, as that takes seconds."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer

from babysit.measure.record import RecordWriter, RunRecord, write_header
from babysit.testing import record

PARENT = """
import json, os, pathlib, resource, sys, tempfile, traceback
import babysit.cli._display, babysit.report.terminal, babysit.recipe.predicting
from babysit.cli import main
from babysit.recipe.options import TrainOptions
from babysit.recipe.procedure import train
from babysit.report.html import write_report

with tempfile.TemporaryDirectory() as folder:  # much of torch is loaded when it is first used
    write_report(train(TrainOptions("iris", budget="1trials", epochs=1), pathlib.Path(folder) / "run").folder)

def become(job):
    for number, path in ((1, job["stdout"]), (2, job["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(job["cwd"])
    if job["file_size"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"], resource.RLIM_INFINITY))
    sys.argv = ["babysit", *job["argv"]]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        print(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        become(job)
    print(pid, flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """What a process left."""

    code: int
    out: str
    err: str


@dataclass
class Process:
    """A running `babysit`."""

    pid: int
    stdout: Path
    stderr: Path
    _wait: Callable[[int], int] = field(repr=False)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> Ended:
        code = self._wait(self.pid)
        return Ended(code, self.stdout.read_text(), self.stderr.read_text())


class Babysit:
    """Starts `babysit` with some arguments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "100"}
        self._parent = subprocess.Popen(
            [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, *arguments: object, cwd: Path | None = None, file_size: int = 0) -> Process:
        self._count += 1
        stdout, stderr = (self._folder / f"{self._count}.{name}" for name in ("out", "err"))
        job = {
            "argv": [str(argument) for argument in arguments],
            "cwd": str(cwd or self._folder),
            "stdout": str(stdout),
            "stderr": str(stderr),
            "file_size": file_size,
        }
        return Process(self._ask(job), stdout, stderr, lambda pid: self._ask({"wait": pid}))

    def run(self, *arguments: object, cwd: Path | None = None, file_size: int = 0) -> Ended:
        return self.start(*arguments, cwd=cwd, file_size=file_size).end()

    def close(self) -> None:
        self._parent.kill()
        self._parent.communicate()

    def _ask(self, job: Mapping[str, Any]) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())


@pytest.fixture(scope="session")
def babysit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Babysit]:
    command = Babysit(tmp_path_factory.mktemp("processes"))
    yield command
    command.close()


@pytest.fixture
def refused(babysit: Babysit, tmp_path: Path) -> Callable[..., str]:
    """Run what must be refused: exit code 2, one line on standard error, nothing else; the line."""

    def run(*arguments: object, cwd: Path | None = None, file_size: int = 0) -> str:
        ended = babysit.run(*arguments, cwd=cwd or tmp_path, file_size=file_size)
        assert "Traceback" not in ended.err
        assert ended.code == 2, ended.err
        assert ended.err.startswith("babysit: ")
        assert ended.err.count("\n") == 1
        assert ended.err.endswith("\n")
        return ended.err

    return run


SMALL = ("--budget", "4trials", "--epochs", "2", "--hidden", "20")


@pytest.fixture(scope="session")
def digits_run(babysit: Babysit, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A finished run, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    return folder, babysit.run("train", "digits", *SMALL, "--out", folder)


def write_tumours(path: Path, rows: slice = slice(None), target: bool = True) -> Path:
    """A table of three measurements and, where asked for, the diagnosis."""
    x, y = load_breast_cancer(return_X_y=True)
    names = ["radius", "texture", "perimeter", *(["diagnosis"] if target else [])]
    lines = [",".join(names)]
    for row, label in zip(x[rows], y[rows], strict=True):
        cells = [*(f"{value:.3f}" for value in row[:3]), *([["malignant", "benign"][label]] if target else [])]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def tumours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tumours(tmp_path_factory.mktemp("data") / "tumours.csv")


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """A folder of class folders of random pictures."""

    def write(classes: tuple[str, ...] = ("a", "b"), count: int = 10, size: tuple[int, int] = (8, 8)) -> Path:
        draw = np.random.default_rng(0)
        for name in classes:
            folder = tmp_path / "pictures" / name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{index}.png")
        return tmp_path / "pictures"

    return write


def write_run(folder: Path, run: RunRecord) -> Path:
    folder.mkdir()
    write_header(folder, run.header)
    writer = RecordWriter(folder)
    for item in (*run.blocks, *run.steps, *run.evaluations, *run.probes):
        writer.write(item)
    writer.close()
    return folder


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Path]:
    """A run folder with these losses, in a folder whose pyproject.toml is the only one that counts."""

    def make(losses: Sequence[float], configuration: str = "[tool.babysit]", name: str = "run", **numbers: Any) -> Path:
        (tmp_path / "pyproject.toml").write_text(configuration)
        return write_run(tmp_path / name, record(losses, chance_loss=math.log(10), command="train.py", **numbers))

    return make

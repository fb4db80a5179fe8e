from __future__ import annotations

import fcntl
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = ("train", "digits", "--budget", "6trials", "--epochs", "8", "--hidden", "30", "--ensemble", "2")
FILES = ["model.safetensors", "model.json", "report.json", "run.json", "steps.jsonl", "trials.jsonl", "trials.csv"]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(babysit: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What a run that nothing happened to leaves, and the seconds it took."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    assert babysit.run(*RUN, "--out", folder).code == 0
    return bytes_of(folder), time.monotonic() - began


def go_on(babysit: Any, folder: Path) -> None:
    """What a person does: resume, or begin again where there was no run yet."""
    arguments = ("train", "--resume", folder) if (folder / "run.json").exists() else (*RUN, "--out", folder)
    ended = babysit.run(*arguments)
    assert (ended.code, ended.err) == (0, "")


def killed_and_gone_on_with(babysit: Any, folder: Path, moment: float) -> dict[str, bytes]:
    process = babysit.start(*RUN, "--out", folder)
    time.sleep(moment)
    process.signal(signal.SIGKILL)
    assert process.end().code in (-signal.SIGKILL, 0)
    go_on(babysit, folder)
    return bytes_of(folder)


@pytest.mark.parametrize("share", [0.2, 0.55, 0.85])
def test_a_killed_run_ends_as_if_nothing_had_been(
    babysit: Any, whole: tuple[dict[str, bytes], float], tmp_path: Path, share: float
) -> None:
    expected, seconds = whole
    moment = (share + random.Random(share).uniform(-0.15, 0.15)) * seconds
    assert killed_and_gone_on_with(babysit, tmp_path / "run", moment) == expected


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(20))
def test_a_run_killed_at_any_moment_ends_as_if_nothing_had_been(
    babysit: Any, whole: tuple[dict[str, bytes], float], tmp_path: Path, kill: int
) -> None:
    expected, seconds = whole
    moment = random.Random(kill).uniform(0.0, seconds)
    assert killed_and_gone_on_with(babysit, tmp_path / "run", moment) == expected


def wait_for(ready: Callable[[], bool]) -> None:
    while not ready():
        time.sleep(0.005)


def training(folder: Path) -> bool:
    """Whether the full training has begun: the trials are over."""
    return (folder / "trials.csv").exists()


def searching(folder: Path) -> bool:
    outcomes = folder / "outcomes.jsonl"
    return outcomes.exists() and outcomes.stat().st_size > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("reached", [searching, training])
def test_a_signal_saves_everything_and_says_how_to_go_on(
    babysit: Any,
    whole: tuple[dict[str, bytes], float],
    tmp_path: Path,
    number: signal.Signals,
    reached: Callable[[Path], bool],
) -> None:
    folder = tmp_path / "run"
    process = babysit.start(*RUN, "--out", folder)
    wait_for(lambda: reached(folder))
    process.signal(number)
    ended = process.end()
    assert ended.code == 128 + number
    assert ended.err == f"stopped; everything is saved. Go on with: babysit train --resume {folder}\n"
    go_on(babysit, folder)
    assert bytes_of(folder) == whole[0]


def test_a_signal_during_the_full_training_loses_no_step(babysit: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = babysit.start(*RUN, "--out", folder)
    wait_for(lambda: training(folder))
    time.sleep(0.05)
    process.signal(signal.SIGTERM)
    assert process.end().code == 143
    assert (folder / "checkpoint.pt").exists()
    again = babysit.run("train", "--resume", folder)
    assert "training goes on from step" in again.out


def test_a_run_that_is_still_going_on_is_left_alone(babysit: Any, refused: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = babysit.start(*RUN, "--out", folder)
    wait_for(lambda: searching(folder))
    process.signal(signal.SIGSTOP)
    line = refused("train", "--resume", folder)
    process.signal(signal.SIGCONT)
    assert "found one that is still going on; wait for it or stop it first" in line
    assert process.end().code == 0


def test_a_lock_held_by_anyone_counts(refused: Callable[..., str], digits_run: Any) -> None:
    descriptor = os.open(digits_run[0] / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        assert "still going on" in refused("train", "--resume", digits_run[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [300, 60_000])
def test_a_disk_that_takes_no_more_is_named_and_nothing_is_lost(
    babysit: Any, refused: Callable[..., str], whole: tuple[dict[str, bytes], float], tmp_path: Path, size: int
) -> None:
    folder = tmp_path / "run"
    line = refused(*RUN, "--out", folder, "--quiet", file_size=size)
    assert "expected to be able to write there, found file too large; free some space" in line
    go_on(babysit, folder)
    assert bytes_of(folder) == whole[0]

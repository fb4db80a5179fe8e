"""Kills and full disks at any write of a run: what is gone on with ends as if nothing had been."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babysit import storage
from babysit.errors import BabysitError, RunFolderError, StorageError
from babysit.fit import training
from babysit.recipe.folder import Journal
from babysit.recipe.procedure import resume
from babysit.storage import LineWriter, json_line

Train = Callable[..., Any]
FILES = ["model.safetensors", "model.json", "report.json", "run.json", "steps.jsonl", "trials.jsonl", "trials.csv"]
KILLS = 6


class Killed(BaseException):
    """The process is gone; no one handles this."""


class Writes:
    """Counts every write of a run, and lets one of them fail.

    Args:
        failing: Which; none by default.
        error: With what.
    """

    def __init__(self, failing: int = 0, error: BaseException | None = None) -> None:
        self.count = 0
        self._failing = failing
        self._error = error
        self._append = LineWriter.append
        self._replace = storage.write_atomically

    def _fails(self) -> bool:
        self.count += 1
        return self.count == self._failing

    def append(self, writer: LineWriter, value: Any) -> None:
        if self._fails():
            line = json_line(value).encode()
            writer._file.write(line[: len(line) // 2])  # a torn line is what a kill leaves
            writer._file.flush()
            self._raise(writer._path)
        self._append(writer, value)

    def replace(self, path: Path, write: Callable[[Path], None], *, durable: bool = True) -> None:
        if self._fails():
            path.with_name(f".{path.name}.1.tmp").write_bytes(b"half of it")
            self._raise(path)
        self._replace(path, write, durable=durable)

    def _raise(self, path: Path) -> None:
        assert self._error is not None
        if isinstance(self._error, OSError):
            raise storage.refuse_write(path, self._error) from self._error
        raise self._error


@contextmanager
def counted(writes: Writes) -> Iterator[Writes]:
    """Every write goes through ``writes``; a checkpoint after every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LineWriter, "append", lambda writer, value: writes.append(writer, value))
        patch.setattr(storage, "write_atomically", writes.replace)
        patch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
        yield writes


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(train: Train) -> dict[str, bytes]:
    """What a run that nothing happened to leaves."""
    return bytes_of(train("iris", ensemble=2).folder)


@pytest.fixture(scope="module")
def number_of_writes(train: Train, whole: dict[str, bytes]) -> int:
    with counted(Writes()) as writes:
        assert bytes_of(train("iris", ensemble=2).folder) == whole
    return writes.count


def go_on(train: Train, folder: Path) -> None:
    """What a person does: resume, or begin again where there was no run yet."""
    if (folder / "run.json").exists():
        assert resume(folder).finished
    else:
        train("iris", ensemble=2, out=folder)


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_run_killed_at_any_write_ends_as_if_nothing_had_been(
    train: Train, whole: dict[str, bytes], number_of_writes: int, tmp_path: Path, kill: int
) -> None:
    # one in each sixth of the run, its very first and last writes among them
    chosen = random.Random(kill).randint(kill * number_of_writes // KILLS + 1, (kill + 1) * number_of_writes // KILLS)
    at = {0: 1, KILLS - 1: number_of_writes}.get(kill, chosen)
    with counted(Writes(at, Killed())), pytest.raises(Killed):
        train("iris", ensemble=2, out=tmp_path / "run")
    go_on(train, tmp_path / "run")
    assert bytes_of(tmp_path / "run") == whole
    assert not [file.name for file in (tmp_path / "run").iterdir() if file.name.endswith(".tmp")]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_full_disk_loses_nothing_that_was_written(
    train: Train, whole: dict[str, bytes], number_of_writes: int, tmp_path: Path, share: float
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        counted(Writes(round(share * number_of_writes), full)),
        pytest.raises(StorageError, match="no space left on device; free some space") as refused,
    ):
        train("iris", ensemble=2, out=tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert resume(tmp_path / "run").finished
    assert bytes_of(tmp_path / "run") == whole


@pytest.mark.parametrize("key", ["inputs", "learning-rate"])
def test_a_kill_between_a_record_and_its_note_writes_it_once(
    train: Train, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str
) -> None:
    write = Journal.write

    def killed(journal: Journal, name: str, value: Any) -> None:
        if name == key:
            raise Killed
        write(journal, name, value)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", killed)
        with pytest.raises(Killed):
            train("iris", ensemble=2, out=tmp_path / "run")
    assert resume(tmp_path / "run").finished
    assert bytes_of(tmp_path / "run") == whole


def test_trials_wait_for_their_next_rung_on_the_disk(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    append = LineWriter.append

    def killed(writer: LineWriter, value: Any) -> None:
        if writer._path.name == "outcomes.jsonl" and any(one["number"] == 1 for one in value.get("outcomes", ())):
            raise Killed
        append(writer, value)

    with monkeypatch.context() as patch:
        patch.setattr(LineWriter, "append", killed)
        with pytest.raises(Killed):
            train("iris", out=tmp_path / "run")
    assert sorted(file.name for file in (tmp_path / "run" / "trials").iterdir()) == ["00000.pt", "00001.pt"]
    assert resume(tmp_path / "run").finished
    assert not (tmp_path / "run" / "trials").exists()


def test_one_kill_after_the_other_still_ends_the_same(
    train: Train, whole: dict[str, bytes], number_of_writes: int, tmp_path: Path
) -> None:
    with counted(Writes(number_of_writes // 3, Killed())), pytest.raises(Killed):
        train("iris", ensemble=2, out=tmp_path / "run")
    for later in (5, 30):
        with counted(Writes(later, Killed())), pytest.raises(Killed):
            resume(tmp_path / "run")
    assert resume(tmp_path / "run").finished
    assert bytes_of(tmp_path / "run") == whole


def test_augmented_pictures_are_the_same_again(train: Train, pictures: Path, tmp_path: Path) -> None:
    options = {"model": "mlp", "hidden": (8,), "augment": "flip,shift:1", "budget": "1trials", "force": True}
    with counted(Writes()) as writes:
        expected = bytes_of(train(pictures, **options).folder)
    for share in (0.75, 0.9):
        folder = tmp_path / str(share)
        with counted(Writes(round(share * writes.count), Killed())), pytest.raises(Killed):
            train(pictures, out=folder, **options)
        assert (folder / "checkpoint.pt").exists()
        assert resume(folder).finished
        assert bytes_of(folder) == expected


def test_a_damaged_checkpoint_is_named_and_can_be_left_out(
    train: Train, whole: dict[str, bytes], number_of_writes: int, tmp_path: Path
) -> None:
    with counted(Writes(number_of_writes * 2 // 3, Killed())), pytest.raises(Killed):
        train("iris", ensemble=2, out=tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(BabysitError, match=r"checkpoint\.pt: expected a checkpoint"):
        resume(tmp_path / "run")
    checkpoint.unlink()
    assert resume(tmp_path / "run").finished
    assert bytes_of(tmp_path / "run") == whole


def test_a_run_does_not_go_on_with_other_data(train: Train, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 2, 60)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    train(str(tmp_path / "data.npz"), out=tmp_path / "run")
    np.savez(tmp_path / "data.npz", x=x + 1, y=y)
    with pytest.raises(RunFolderError, match="as it was when the run began, found other examples"):
        resume(tmp_path / "run")

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from babysit.errors import RunFolderError, StorageError
from babysit.measure.record import RunHeader, read_header, write_header
from babysit.recipe.folder import Journal, RunFolder, new_folder

HEADER = RunHeader(command="train", settings={"options": {"data": "digits"}})


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process's lock: another descriptor of the file is as good."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_a_run_folder_is_made_with_its_parents_and_its_header(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a" / "b", HEADER)
    assert read_header(tmp_path / "a" / "b") == HEADER
    assert folder.file("x.json") == tmp_path / "a" / "b" / "x.json"
    folder.release()


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, HEADER).release()


@pytest.mark.parametrize("name", ["notes.txt", "run.json", ".hidden"])
def test_a_folder_with_files_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunFolderError, match="expected a new or empty folder, found files in it; choose another --out"):
        RunFolder.create(tmp_path, HEADER)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "mine")]


def test_what_a_process_left_that_died_at_its_birth_is_no_run(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".run.json.4711.tmp").write_text("{")
    RunFolder.create(tmp_path, HEADER).release()
    assert read_header(tmp_path) == HEADER


def test_a_path_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "run", tmp_path / "file"):
        with pytest.raises(StorageError, match="expected to be able to write there, found"):
            RunFolder.create(path, HEADER)


def test_a_run_is_locked_while_it_is_worked_on(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, HEADER)
    with pytest.raises(RunFolderError, match="found one that is still going on; wait for it or stop it first"):
        RunFolder.reopen(tmp_path)
    folder.release()
    again, header = RunFolder.reopen(tmp_path)
    assert header == HEADER
    again.release()


def test_a_lock_of_another_process_counts(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, HEADER).release()
    with locked(tmp_path), pytest.raises(RunFolderError, match="still going on"):
        RunFolder.reopen(tmp_path)
    RunFolder.reopen(tmp_path)[0].release()


def test_reopening_clears_what_a_killed_process_left_half_written(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, HEADER).release()
    (tmp_path / ".checkpoint.pt.4711.tmp").write_bytes(b"half")
    (tmp_path / "checkpoint.pt").write_bytes(b"whole")
    RunFolder.reopen(tmp_path)[0].release()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", "checkpoint.pt", "run.json"]


def test_only_runs_of_train_can_be_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"expected a run folder with a readable run\.json, found none"):
        RunFolder.reopen(tmp_path)
    write_header(tmp_path, RunHeader(command="fit", settings={"lr": 0.1}))
    with pytest.raises(RunFolderError, match="found a run of fit; only babysit train can be resumed"):
        RunFolder.reopen(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(RunFolderError, match="found format 99; update babysit"):
        RunFolder.reopen(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunFolderError, match="found a damaged one"):
        RunFolder.reopen(tmp_path)


def test_a_refused_run_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", HEADER)
    folder.file("journal.jsonl").touch()
    folder.file("steps.jsonl").touch()
    folder.discard()
    folder.release()
    assert not (tmp_path / "a").exists()

    folder = RunFolder.create(tmp_path / "b", HEADER)
    folder.file("mine.txt").write_text("put there meanwhile")
    folder.discard()
    folder.release()
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["mine.txt"]


def test_a_run_that_has_trained_is_not_removed(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, HEADER)
    folder.file("outcomes.jsonl").touch()
    folder.discard()
    folder.release()
    assert read_header(tmp_path) == HEADER


def test_a_folder_of_its_own_for_each_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Path("runs")
    (runs / "digits-3").mkdir(parents=True)
    with new_folder(None, "digits") as first, new_folder(None, "digits") as second, new_folder(None, "digits") as third:
        assert [first, second, third] == [runs / f"digits-{number}" for number in (1, 2, 4)]
        (second / "run.json").touch()
    assert sorted(folder.name for folder in runs.iterdir()) == ["digits-2", "digits-3"]
    with new_folder(Path("mine"), "digits") as asked_for:
        assert asked_for == Path("mine")


def test_what_nothing_is_put_in_is_removed_with_what_was_made_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyError), new_folder(None, "digits"):
        raise KeyError(*Path("runs").iterdir())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").touch()
    with pytest.raises(StorageError, match="runs: expected to be able to write there"), new_folder(None, "digits"):
        pass


Noted = list[tuple[str, object]]
NOTED: Noted = [("threads", 1), ("data", {"probe": {"kind": "probe"}, "written": 120}), ("umlaut", "ß×")]


@pytest.fixture
def noted(tmp_path: Path) -> Callable[[], Journal]:
    return lambda: Journal(tmp_path / "journal.jsonl")


def test_a_journal_killed_anywhere_knows_its_whole_lines(tmp_path: Path, noted: Callable[[], Journal]) -> None:
    journal = noted()
    for key, value in NOTED:
        journal.write(key, value)
    journal.close()
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    for kept in range(len(whole) + 1):
        path.write_bytes(whole[:kept])
        journal = noted()
        lines = whole[:kept].count(b"\n")
        assert [key in journal for key, _ in NOTED] == [index < lines for index in range(len(NOTED))]
        for key, value in NOTED[lines:]:
            journal.write(key, value)
        journal.close()
        assert path.read_bytes() == whole


def test_a_decision_is_made_once(noted: Callable[[], Journal]) -> None:
    journal = noted()
    assert journal.decide("threads", lambda: 3) == 3
    assert journal.decide("threads", lambda: 4) == 3
    journal.close()
    journal = noted()
    assert journal.decide("threads", lambda: 5) == 3
    assert journal["threads"] == 3
    journal.close()


def test_a_decision_that_cannot_be_written_is_not_acted_upon(noted: Callable[[], Journal]) -> None:
    journal = noted()
    journal.close()
    with pytest.raises(ValueError, match="closed file"):
        journal.decide("threads", lambda: 3)
    assert "threads" not in journal


def test_the_latest_value_noted_under_a_name(noted: Callable[[], Journal]) -> None:
    journal = noted()
    assert journal.latest("written", 7) == 7
    journal.write("data", {"written": 120})
    journal.write("threads", 2)
    journal.write("overfit", {"written": 480})
    assert journal.latest("written", 7) == 480
    journal.close()


def test_foreign_lines_are_passed_over(tmp_path: Path, noted: Callable[[], Journal]) -> None:
    (tmp_path / "journal.jsonl").write_text('17\n{"no": "key"}\n[]\n{"key":"threads","value":2}\n')
    journal = noted()
    assert journal["threads"] == 2
    journal.close()

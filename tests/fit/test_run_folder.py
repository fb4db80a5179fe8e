from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from babysit.errors import RunFolderError, StorageError
from babysit.fit.run_folder import header_of_begun, open_records
from babysit.measure.record import LossBlock, RunHeader, read_run, write_header

HEADER = RunHeader(
    command="fit", task="classification", loss_name="cross_entropy", total_steps=30, settings={"lr": 0.1, "threads": 2}
)


def test_without_a_folder_records_are_in_memory() -> None:
    with open_records(None, HEADER) as records:
        records.write(LossBlock(0, (1.0,)))
        assert records.size == 1


def test_a_folder_is_begun_and_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    assert header_of_begun(folder, HEADER) is None
    with open_records(folder, HEADER) as records:
        records.write(LossBlock(0, (1.0, 2.0)))
    assert header_of_begun(folder, HEADER) == HEADER
    with open_records(folder, None) as records:
        records.write(LossBlock(2, (3.0,)))
    run = read_run(folder)
    assert run.header == HEADER
    assert run.losses == (1.0, 2.0, 3.0)


def test_the_file_is_closed_also_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_records(tmp_path / "a", HEADER) as records:
        1 / 0  # noqa: B018
    with pytest.raises(ValueError, match="closed file"):
        records.write(LossBlock(0, (1.0,)))


def test_files_of_others_are_not_written_between(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("two years of work")
    with (
        pytest.raises(RunFolderError, match=r"expected a new or empty folder, found files in it; .*resume=True"),
        open_records(tmp_path, HEADER),
    ):
        pass
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_kill_before_the_header_does_not_block_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".run.json.123.tmp").write_text("{")
    assert header_of_begun(tmp_path, HEADER) is None
    with open_records(tmp_path, HEADER):
        pass
    assert header_of_begun(tmp_path, HEADER) == HEADER


def test_a_file_in_the_place_of_the_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageError, match="found file exists"), open_records(tmp_path / "out", HEADER):
        pass


@pytest.mark.parametrize(
    ("changes", "expected", "found"),
    [
        ({"settings": {"lr": 0.2, "threads": 2}}, "lr 0.2", "lr 0.1"),
        ({"total_steps": 60}, "total_steps 60", "total_steps 30"),
        ({"task": "regression", "loss_name": "mse"}, "task regression, loss mse", "task classification, loss cross_en"),
        ({"settings": {"lr": 0.1, "l2": 1.0}}, "l2 1.0", "l2 unknown"),
    ],
)
def test_another_training_is_not_gone_on_with(
    changes: dict[str, Any], expected: str, found: str, tmp_path: Path
) -> None:
    write_header(tmp_path, HEADER)
    with pytest.raises(RunFolderError, match=f"expected a run of fit with {expected}, found {found}"):
        header_of_begun(tmp_path, dataclasses.replace(HEADER, **changes))


def test_threads_and_versions_may_differ_and_those_of_the_run_are_told(tmp_path: Path) -> None:
    write_header(tmp_path, HEADER)
    now = dataclasses.replace(HEADER, settings={"lr": 0.1, "threads": 7}, versions={"torch": "99"})
    begun = header_of_begun(tmp_path, now)
    assert begun is not None
    assert begun.settings["threads"] == 2


def test_a_run_of_another_command_is_not_gone_on_with(tmp_path: Path) -> None:
    write_header(tmp_path, dataclasses.replace(HEADER, settings={"lr": 0.1}))
    with pytest.raises(RunFolderError, match=r"expected a run of fit, found one of another command;"):
        header_of_begun(tmp_path, HEADER)


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 1,')
    with pytest.raises(RunFolderError, match="a damaged one"):
        header_of_begun(tmp_path, HEADER)

from __future__ import annotations

import errno
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import StorageError
from babysit.storage import (
    LineWriter,
    json_line,
    numbered_folder,
    read_json,
    read_lines,
    require_writable,
    strict,
    write_atomically,
    write_bytes,
    write_json,
    write_text,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def full_disk(path: Path) -> None:
    path.write_bytes(b"half of the n")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_midway_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    write_text(target, "old")
    with pytest.raises(StorageError, match=r"run\.json: expected to be able to write there, found no space left"):
        write_atomically(target, full_disk)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failing_writer_keeps_the_old_file_and_its_own_error(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    write_text(target, "old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_refusal_at_any_stage_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    target = tmp_path / "run.json"
    write_text(target, "old")

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), refuse)
        with pytest.raises(StorageError, match="input/output error"):
            write_text(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no such file or directory; free some space or choose another folder"):
        write_bytes(tmp_path / "nowhere" / "x", b"")


def test_folders_are_numbered_and_no_two_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: numbered_folder(tmp_path / "runs", "a"), range(40)))
    assert sorted(made) == sorted(tmp_path / "runs" / f"a-{number}" for number in range(1, 41))
    (tmp_path / "runs" / "b-1").touch()
    assert numbered_folder(tmp_path / "runs", "b") == tmp_path / "runs" / "b-2"
    assert numbered_folder(tmp_path / "runs", "a", lambda folder: folder.name == "a-7") == tmp_path / "runs" / "a-7"


@given(VALUES)
def test_json_is_strict_and_comes_back(value: object) -> None:
    line = json_line(value)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    back = json.loads(line, parse_constant=pytest.fail)
    assert back == strict(value)


@given(st.floats())
def test_float_reads_what_strict_writes(value: float) -> None:
    back = float(strict(value))
    assert back == value or (math.isnan(back) and math.isnan(value))


def test_json_documents(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"losses": (1.0, math.nan), "ü": None})
    assert read_json(tmp_path / "a.json") == {"losses": [1.0, "NaN"], "ü": None}
    assert "ü" in (tmp_path / "a.json").read_text(encoding="utf-8")
    (tmp_path / "a.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="utf-8"):
        read_json(tmp_path / "a.json")


def test_a_missing_file_holds_no_lines(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize(
    "damage",
    [b"{", b"\xff\xfe", b"nonsense", b"", b"  ", b"[" * 100_000, b"\0\0\0"],
    ids=lambda damage: repr(damage[:8]),
)
def test_a_damaged_line_is_ignored_and_the_others_are_read(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(b'{"a":1}\n' + damage + b'\n{"a":2}\n')
    assert list(read_lines(path)) == [{"a": 1}, {"a": 2}]


def test_lines_are_appended_after_the_last_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    first = LineWriter(path)
    first.append({"step": 0})
    first.append({"step": 1})
    first.sync()
    first.close()
    whole = path.read_bytes()
    for torn in range(len(whole) + 1):  # killed after any number of bytes
        path.write_bytes(whole[:torn])
        writer = LineWriter(path)
        writer.append({"step": "new"})
        writer.close()
        kept = whole[:torn].count(b"\n")
        assert list(read_lines(path)) == [*[{"step": 0}, {"step": 1}][:kept], {"step": "new"}]


def test_going_on_from_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    writer = LineWriter(path)
    writer.append(0)
    size = writer.size
    writer.append(1)
    writer.close()
    writer = LineWriter(path, size)
    assert writer.size == size
    writer.append(2)
    writer.close()
    assert list(read_lines(path)) == [0, 2]


def test_going_on_from_a_checkpoint_whose_last_lines_never_reached_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(b"0\n1")
    writer = LineWriter(path, size=8)
    writer.append(2)
    writer.close()
    assert path.read_bytes() == b"0\n2\n"


class FullFile:
    def write(self, content: bytes) -> None:
        pass

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def close(self) -> None:
        self.flush()


def test_a_growing_file_on_a_full_disk(tmp_path: Path) -> None:
    writer = LineWriter(tmp_path / "steps.jsonl")
    writer.close()
    writer._file = FullFile()  # type: ignore[assignment]
    with pytest.raises(StorageError, match="no space left on device"):
        writer.append(1)
    with pytest.raises(StorageError, match="bad file descriptor"):
        writer.sync()
    writer.close()


def test_rewinding_on_a_dead_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LineWriter(tmp_path / "steps.jsonl")
    writer.close()

    class DeadFile(FullFile):
        def tell(self) -> int:
            return 1

        def truncate(self, size: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(writer, "_file", DeadFile())
    with pytest.raises(StorageError, match="input/output error"):
        writer.rewind(0)


def test_rewinding_never_makes_a_file_longer(tmp_path: Path) -> None:
    writer = LineWriter(tmp_path / "steps.jsonl")
    writer.append(1)
    writer.rewind(1000)
    writer.append(2)
    writer.close()
    assert (tmp_path / "steps.jsonl").read_bytes() == b"1\n2\n"


def test_a_growing_file_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        LineWriter(tmp_path / "nowhere" / "steps.jsonl")


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    require_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="not a directory"):
        require_writable(tmp_path / "file")
    with pytest.raises(StorageError, match="no such file"):
        require_writable(tmp_path / "nowhere")

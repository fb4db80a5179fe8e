from __future__ import annotations

import errno
import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babysit.errors import RunFolderError, StorageError
from babysit.fit.checkpoint import load_checkpoint, save_checkpoint

STATE = {
    "weights": {"a": torch.arange(40.0).reshape(5, 8), "b": torch.tensor([1, 2])},
    "losses": [2.3, float("inf"), float("nan")],
    "pair": (1, None),
    "why": "loss nan at step 3",
    "done": False,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


def test_what_is_saved_is_loaded(path: Path, same: Callable[[object, object], bool]) -> None:
    save_checkpoint(path, STATE)
    assert same(load_checkpoint(path), STATE)
    save_checkpoint(path, {"next": 1})
    assert load_checkpoint(path) == {"next": 1}
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_strides_survive(path: Path) -> None:
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    save_checkpoint(path, {"weight": weight})
    state = load_checkpoint(path)
    assert state is not None
    assert state["weight"].stride() == weight.stride()


def test_no_file_is_no_checkpoint(path: Path) -> None:
    assert load_checkpoint(path) is None


@pytest.fixture
def small(path: Path) -> bytes:
    save_checkpoint(path, {"weights": torch.arange(8.0)})
    return path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_refused(place: float, bit: int, path: Path, small: bytes) -> None:
    content = bytearray(small)
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match="damaged or foreign file"):
        load_checkpoint(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), junk=st.binary(min_size=1, max_size=30))
def test_a_forged_file_is_refused_in_one_line_or_holds_a_state(
    place: float, junk: bytes, path: Path, small: bytes
) -> None:
    start = int(place * (len(small) - 32))
    path.write_bytes(signed(small[:start] + junk + small[start + len(junk) : -32]))
    try:
        assert isinstance(load_checkpoint(path), dict)
    except RunFolderError as error:
        assert "damaged or foreign file" in str(error)  # noqa: PT017 - either outcome is right


def signed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def test_every_shorter_file_is_refused(path: Path, small: bytes) -> None:
    for size in range(0, len(small), 13):
        path.write_bytes(small[:size])
        with pytest.raises(RunFolderError, match="delete it to start this part over"):
            load_checkpoint(path)


class Code:
    """What unpickling it would do can be seen on the disk."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("how", ["torch", "legacy", "bare", "zipped"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(how: str, protocol: int, path: Path) -> None:
    trace = path.parent / "it ran"
    content = {"trainer": Code(trace)}
    if how in ("torch", "legacy"):
        torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=how == "torch")
    elif how == "bare":
        path.write_bytes(pickle.dumps(content, protocol))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(content, protocol))
            archive.writestr("archive/version", "3")
    path.write_bytes(signed(path.read_bytes()))
    with pytest.raises(RunFolderError, match="damaged or foreign"):
        load_checkpoint(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Code(trace)))  # it would have
    assert trace.exists()


@pytest.mark.parametrize("value", [torch.zeros(3), [1, 2], 3, None])
def test_a_file_of_torch_that_is_no_checkpoint_is_refused(value: object, path: Path) -> None:
    torch.save(value, path)
    path.write_bytes(signed(path.read_bytes()))
    with pytest.raises(RunFolderError, match="damaged or foreign"):
        load_checkpoint(path)


def test_what_cannot_be_read_is_not_called_damaged(path: Path) -> None:
    path.mkdir()
    with pytest.raises(RunFolderError, match="expected a readable checkpoint, found is a directory; make it readable"):
        load_checkpoint(path)


@pytest.mark.parametrize("after", [0, 100, 10_000])
def test_a_full_disk_leaves_what_was_there(
    after: int, path: Path, same: Callable[[object, object], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(path, STATE)

    def fill(temporary: Path, content: bytes) -> None:
        temporary.write_bytes(content[:after])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr("babysit.storage._fill", fill)
        with pytest.raises(StorageError, match="found no space left on device; free some space"):
            save_checkpoint(path, {"weights": torch.zeros(10_000)})
    assert same(load_checkpoint(path), STATE)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_disk_that_refuses_to_sync_leaves_what_was_there(
    path: Path, same: Callable[[object, object], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(path, STATE)

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="input/output error"):
            save_checkpoint(path, {"weights": torch.zeros(10)})
    assert same(load_checkpoint(path), STATE)

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from babysit.data import image_cache
from babysit.data.image_cache import CacheEntry, Decoded

X = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
DECODED = Decoded(X, ("a/1.png", "b/2.png", "b/3.png", "c/4.png", "ü.png"), (("bad.png", "truncated"),))


@pytest.fixture
def entry(tmp_path: Path) -> CacheEntry:
    return CacheEntry(tmp_path / "deep" / "cache", "pictures of pets!", "request", "state 1")


def test_what_is_saved_is_loaded(entry: CacheEntry) -> None:
    assert entry.load() is None
    entry.save(DECODED)
    loaded = entry.load()
    assert loaded is not None
    assert np.array_equal(loaded.x, X)
    assert loaded.x.flags.writeable
    assert (loaded.paths, loaded.skipped) == (DECODED.paths, DECODED.skipped)
    assert sorted(path.suffix for path in entry.folder.iterdir()) == [".json", ".npy"]


def test_a_new_state_replaces_the_old(entry: CacheEntry) -> None:
    entry.save(DECODED)
    changed = CacheEntry(entry.folder, entry.name, entry.request, "state 2")
    assert changed.load() is None
    changed.save(DECODED)
    assert changed.load() is not None
    assert entry.load() is None
    assert len(list(entry.folder.iterdir())) == 2


def test_requests_do_not_mix(entry: CacheEntry) -> None:
    entry.save(DECODED)
    assert CacheEntry(entry.folder, entry.name, "other request", "state 1").load() is None


def test_large_arrays_stay_on_disk(entry: CacheEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    entry.save(DECODED)
    monkeypatch.setattr(image_cache, "available_memory", lambda: 4 * X.nbytes - 4)
    loaded = entry.load()
    assert loaded is not None
    assert isinstance(loaded.x, np.memmap)
    assert not loaded.x.flags.writeable
    assert np.array_equal(loaded.x, X)


def damage_json(folder: Path) -> None:
    path = next(folder.glob("*.json"))
    path.write_bytes(path.read_bytes()[:-9])


def change_json(key: str, value: object) -> object:
    def change(folder: Path) -> None:
        path = next(folder.glob("*.json"))
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return change


def truncate_array(folder: Path) -> None:
    path = next(folder.glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(folder: Path) -> None:
    path = next(folder.glob("*.npy"))
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def empty_array(folder: Path) -> None:
    next(folder.glob("*.npy")).write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [
        damage_json,
        truncate_array,
        flip_a_bit,
        empty_array,
        change_json("version", 0),
        change_json("shape", [5, 3, 4, 5]),
        change_json("paths", 3),
        change_json("shape", "wrong"),
    ],
)
def test_a_damaged_entry_is_a_miss_and_is_rebuilt(entry: CacheEntry, damage: object) -> None:
    entry.save(DECODED)
    damage(entry.folder)  # type: ignore[operator]
    assert entry.load() is None
    entry.save(DECODED)
    assert entry.load() is not None


def test_a_folder_that_cannot_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    entry = CacheEntry(tmp_path / "file" / "cache", "name", "request", "state")
    entry.save(DECODED)
    assert entry.load() is None


def test_a_full_disk_leaves_the_old_entry(entry: CacheEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    entry.save(DECODED)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_cache, "_write_array", full)
    entry.save(DECODED)
    assert entry.load() is not None
    assert len(list(entry.folder.iterdir())) == 2

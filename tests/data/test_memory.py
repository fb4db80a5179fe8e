from __future__ import annotations

import os
from pathlib import Path

import pytest

from babysit.data import memory
from babysit.data.memory import available_memory

SIZES = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}


LIMITED = 3_000_000_000


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of its own, on which nothing is limited yet."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "OWN_CGROUPS", tmp_path / "own")


def group(folder: Path, version: int, limit: str, used: int, cached: int = 0) -> None:
    """Write what a control group says of itself."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {1: ("limit_in_bytes", "usage_in_bytes", "total_"), 2: ("max", "current", "")}[version]
    (folder / f"memory.{names[0]}").write_text(f"{limit}\n")
    (folder / f"memory.{names[1]}").write_text(f"{used}\n")
    lines = ["anon 7", "file 12345", f"{names[2]}inactive_file {cached}", f"{names[2]}active_file 99"]
    (folder / "memory.stat").write_text("\n".join(lines) + "\n")


def unknown(name: str) -> int:
    raise ValueError(f"unrecognized configuration name {name}")


def test_memory_is_of_a_plausible_size() -> None:
    assert 1 << 20 < available_memory() < 1 << 50


def test_memory_is_of_a_plausible_size_within_real_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1 << 20 < available_memory() < 1 << 50


def test_what_linux_says_is_available_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemFree: 10 kB\nMemAvailable: 500 kB\nCached: 490 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    assert available_memory() == 500 * 1024


@pytest.mark.parametrize("text", [None, "MemTotal: 900 kB\n", "MemAvailable:\n"], ids=["macOS", "old", "broken"])
def test_without_it_half_of_all_memory_does(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sysconf", SIZES.__getitem__)
    assert available_memory() == 1000 * 4096 / 2


def test_where_nothing_is_said_everything_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(os, "sysconf", unknown)
    assert available_memory() > 1e30
    monkeypatch.delattr(os, "sysconf")
    assert available_memory() > 1e30


@pytest.fixture
def free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine with 8 GB to be had."""
    (tmp_path / "meminfo").write_text("MemAvailable: 8000000 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    return 8_000_000 * 1024


@pytest.mark.parametrize(
    ("version", "own", "folder"),
    [
        (2, "0::/", "."),
        (2, "0::/kubepods/pod7/box", "kubepods/pod7/box"),
        (2, "0::/kubepods/pod7/box", "kubepods"),  # the limit is of a group around it
        (2, "0::/system.slice/docker-12.scope", "."),  # a path that is not to be seen inside
        (2, "0::/../../box", "."),
        (2, "4:memory:/\n0::/box", "unified/box"),
        (1, "9:cpu,cpuacct:/x\n4:memory:/docker/12", "memory/docker/12"),
        (1, "4:memory:/docker/12", "memory"),
        (1, "3:cpuset,memory:/a:b\n0::/", "memory/a:b"),
    ],
)
def test_a_containers_limit_counts(tmp_path: Path, free: int, version: int, own: str, folder: str) -> None:
    (tmp_path / "own").write_text(f"{own}\n")
    group(tmp_path / "groups" / folder, version, str(LIMITED), used=2_500_000_000, cached=900_000_000)
    assert free > LIMITED
    assert available_memory() == 3_000_000_000 - (2_500_000_000 - 900_000_000)


def test_the_least_of_all_limits_counts(tmp_path: Path, free: int) -> None:
    (tmp_path / "own").write_text("0::/outer/inner\n")
    group(tmp_path / "groups/outer", 2, "2000000000", used=1_500_000_000)
    group(tmp_path / "groups/outer/inner", 2, "max", used=1)
    assert available_memory() == 500_000_000
    group(tmp_path / "groups/outer/inner", 2, "700000000", used=900_000_000)
    assert available_memory() == 0
    group(tmp_path / "groups/outer/inner", 2, "99000000000000", used=0)
    group(tmp_path / "groups/outer", 2, "99000000000000", used=0)
    assert available_memory() == free


@pytest.mark.parametrize(("version", "limit"), [(2, "max"), (1, str((1 << 63) - 4096)), (2, "many"), (2, ""), (1, "-")])
def test_what_is_no_limit_does_not_count(tmp_path: Path, free: int, version: int, limit: str) -> None:
    (tmp_path / "own").write_text("4:memory:/\n0::/\n")
    group(tmp_path / "groups" / ("memory" if version == 1 else "."), version, limit, used=5)
    assert available_memory() == free


def test_a_group_that_does_not_say_what_it_caches(tmp_path: Path, free: int) -> None:
    (tmp_path / "own").write_text("0::/\n")
    group(tmp_path / "groups", 2, "1000000", used=400_000)
    (tmp_path / "groups/memory.stat").unlink()
    assert available_memory() == 600_000
    (tmp_path / "own").write_text("nonsense\n")
    assert available_memory() == free

from __future__ import annotations

import os
from pathlib import Path

import pytest

from babysit.data import memory
from babysit.data.memory import available_memory

SIZES = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}


def unknown(name: str) -> int:
    raise ValueError(f"unrecognized configuration name {name}")


def test_memory_is_of_a_plausible_size() -> None:
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

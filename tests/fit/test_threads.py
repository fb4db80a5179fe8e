from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from babysit.errors import InputError
from babysit.fit.threads import available_cores, choose_threads, torch_threads


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> object:
    """A machine of some cores, with some quota and load."""

    def pretend(cores: int, quota: str | None = None, load: float = 0.0) -> None:
        def read(path: Path, *_: object, **__: object) -> str:
            assert str(path).startswith("/sys/fs/cgroup/")
            if quota is None:
                raise FileNotFoundError(path)
            return quota

        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0))
        monkeypatch.setattr(Path, "read_text", read)

    return pretend


@pytest.mark.parametrize(
    ("cores", "quota", "expected"),
    [
        (8, "max 100000\n", 8),
        (8, "200000 100000\n", 2),
        (8, "250000 100000\n", 2),
        (8, "50000 100000\n", 1),
        (2, "1600000 100000\n", 2),
        (8, None, 8),
        (8, "", 8),
        (8, "many 100000", 8),
        (1, "max 100000", 1),
    ],
)
def test_cores_are_those_of_the_affinity_held_to_the_quota(
    cores: int, quota: str | None, expected: int, machine: object
) -> None:
    machine(cores, quota)  # type: ignore[operator]
    assert available_cores() == expected


def test_without_an_affinity_all_cores_count(monkeypatch: pytest.MonkeyPatch, machine: object) -> None:
    machine(3)  # type: ignore[operator]
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(("load", "expected"), [(0.0, 4), (0.4, 4), (0.6, 3), (2.0, 2), (3.9, 1), (50.0, 1)])
def test_busy_cores_are_left_alone(load: float, expected: int, machine: object) -> None:
    machine(4, load=load)  # type: ignore[operator]
    assert choose_threads() == expected


def test_the_number_of_threads_is_restored() -> None:
    before = torch.get_num_threads()
    with torch_threads(before + 2):
        assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("count", [0, -1])
def test_fewer_than_one_thread_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"^threads: expected at least 1, found {count};"), torch_threads(count):
        pass

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from babysit.errors import InputError
from babysit.fit.threads import WORTH_SHARING, available_cores, choose_threads, step_work, torch_threads


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> object:
    """A machine of some cores, with some quota and load."""

    def pretend(cores: int, quota: str | None = None, load: float = 0.0, own_seconds: float = 0.0) -> None:
        def read(path: Path, *_: object, **__: object) -> str:
            assert str(path).startswith("/sys/fs/cgroup/")
            if quota is None:
                raise FileNotFoundError(path)
            return quota

        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(time, "process_time", lambda: own_seconds)
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


@pytest.mark.parametrize(("own_seconds", "expected"), [(0.0, 2), (24.0, 2), (45.0, 3), (60.0, 3), (6000.0, 3)])
def test_a_process_is_not_its_own_competitor(own_seconds: float, expected: int, machine: object) -> None:
    machine(4, load=2.0, own_seconds=own_seconds)  # type: ignore[operator]
    with torch_threads(1):
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


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 5)), 3 * 8 * (200 + 100)),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(4, 2)), math.inf),
        (nn.ReLU(), 0),
    ],
)
def test_the_work_of_a_step_is_three_products_a_weight_and_example(model: nn.Module, expected: float) -> None:
    assert step_work(model, batch_size=8) == expected


@pytest.mark.parametrize(("work", "expected"), [(WORTH_SHARING / 2, 1), (WORTH_SHARING, 4), (math.inf, 4)])
def test_little_work_is_not_shared(work: float, expected: int, machine: object) -> None:
    machine(4)  # type: ignore[operator]
    assert choose_threads(work) == expected

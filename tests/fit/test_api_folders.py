"""Run folders of ``fit``: signals, kills, and going on bit for bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from babysit.errors import Interrupted, RunFolderError
from babysit.fit import FitResult, fit
from babysit.measure.record import read_run

Data = tuple[Tensor, Tensor]
Same = Callable[[object, object], bool]


@pytest.fixture(autouse=True)
def _unchanged(nothing_of_the_caller_changes: None) -> None:
    pass


def other() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(99)
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def quick(data: Any, model: nn.Module | None = None, **options: Any) -> FitResult:
    return fit(model or other(), data, **{"lr": 0.1, "epochs": 3, "batch_size": 50, **options})


class Tap(nn.Module):
    """Passes its inputs on; counts the training steps and does something at one of them."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        super().__init__()
        self.step, self.act, self.steps = step, act, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            if self.steps == self.step:
                self.act()
        return x


def tapped(step: int = 0, act: Callable[[], object] = lambda: None) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(
            Tap(step, act), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )


def left_in(folder: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.name != "checkpoint.pt"}


def term() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [1, 7, 12, 13, 36])
@pytest.mark.parametrize("kind", ["arrays", "loader"])
def test_a_signal_saves_and_the_run_goes_on_bit_for_bit(
    step: int, kind: str, clouds: Data, tmp_path: Path, same: Same
) -> None:
    def go(folder: Path, model: nn.Module, **options: Any) -> FitResult:
        data = clouds if kind == "arrays" else DataLoader(TensorDataset(*clouds), batch_size=50, shuffle=True)
        return quick(data, model, validation=clouds, optimizer="adam", out=folder, **options)

    unbroken = go(tmp_path / "unbroken", tapped())
    with pytest.raises(Interrupted) as raised:
        go(tmp_path / "broken", tapped(step, term))
    assert raised.value.signal_number == signal.SIGTERM
    torch.randn(5)
    resumed = go(tmp_path / "broken", tapped(), resume=True)
    assert same(dict(resumed.model.state_dict()), dict(unbroken.model.state_dict()))
    assert same(resumed.polyak, unbroken.polyak)
    assert resumed.record == unbroken.record
    assert (resumed.best.score, resumed.best.epoch) == (unbroken.best.score, unbroken.best.epoch)
    assert left_in(tmp_path / "broken") == left_in(tmp_path / "unbroken")


class Killed(BaseException):
    pass


def die() -> None:
    raise Killed


def test_a_signal_in_the_last_evaluation_is_not_swallowed(clouds: Data, tmp_path: Path, same: Same) -> None:
    evaluations = 0

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal evaluations
        if not outputs.requires_grad:
            evaluations += 1
            if evaluations == 6:
                term()
        return nn.functional.cross_entropy(outputs, targets)

    options: dict[str, Any] = {"validation": clouds, "loss": loss}
    with pytest.raises(Interrupted):
        quick(clouds, out=tmp_path / "run", **options)
    resumed = quick(clouds, out=tmp_path / "run", resume=True, **options)
    assert evaluations == 6  # nothing was left to do
    assert same(dict(resumed.model.state_dict()), dict(quick(clouds, **options).model.state_dict()))


class Handlers(Dataset[tuple[Tensor, Tensor]]):
    """Its inputs tell whether the process that made them leaves Ctrl-C to another."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        left = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        return torch.full((4,), float(left)), torch.tensor(index % 2)


def test_a_loaders_workers_leave_signals_to_the_training(tmp_path: Path) -> None:
    seen: list[float] = []
    model = nn.Linear(4, 2)
    model.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs[0][:, 0].tolist()))
    quick(DataLoader(Handlers(), batch_size=4, num_workers=1), model, epochs=2, out=tmp_path / "run")
    assert seen == [1.0] * 16


def test_a_run_killed_before_its_first_checkpoint_begins_anew(clouds: Data, tmp_path: Path) -> None:
    quick(clouds, tapped(), out=tmp_path / "unbroken")
    with pytest.raises(Killed):
        quick(clouds, tapped(20, die), out=tmp_path / "broken")
    assert (tmp_path / "broken" / "steps.jsonl").stat().st_size > 0
    assert not (tmp_path / "broken" / "checkpoint.pt").exists()
    quick(clouds, tapped(), out=tmp_path / "broken", resume=True)
    assert left_in(tmp_path / "broken") == left_in(tmp_path / "unbroken")


def test_a_finished_run_that_goes_on_gives_its_result_again(clouds: Data, tmp_path: Path, same: Same) -> None:
    first = quick(clouds, validation=clouds, out=tmp_path / "run")
    before = left_in(tmp_path / "run")
    again = quick(clouds, other(), validation=clouds, out=tmp_path / "run", resume=True)
    assert same(dict(again.model.state_dict()), dict(first.model.state_dict()))
    assert again.record == first.record
    assert left_in(tmp_path / "run") == before


def test_the_folder_holds_the_record(clouds: Data, tmp_path: Path) -> None:
    result = quick(clouds, validation=clouds, out=str(tmp_path / "run"))
    assert read_run(tmp_path / "run") == result.record
    assert result.record.header.settings["lr"] == 0.1
    assert sorted(item.name for item in (tmp_path / "run").iterdir()) == ["checkpoint.pt", "run.json", "steps.jsonl"]


def test_a_run_goes_on_with_the_threads_it_had(clouds: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    count = lambda: seen.append(torch.get_num_threads())  # noqa: E731
    with pytest.raises(Interrupted):
        quick(clouds, tapped(3, term), out=tmp_path / "run", threads=2)
    monkeypatch.setattr("babysit.fit.api.choose_threads", lambda *_: 1)
    quick(clouds, tapped(1, count), out=tmp_path / "run", resume=True)
    assert seen == [2]


def test_a_folder_with_files_in_it_is_refused(clouds: Data, tmp_path: Path) -> None:
    quick(clouds, out=tmp_path / "run")
    with pytest.raises(RunFolderError, match="resume=True"):
        quick(clouds, out=tmp_path / "run")


@pytest.mark.parametrize("change", [{"lr": 0.2}, {"epochs": 4}, {"seed": 1}, {"optimizer": "adam"}], ids=str)
def test_other_settings_do_not_go_on(change: dict[str, Any], clouds: Data, tmp_path: Path) -> None:
    quick(clouds, out=tmp_path / "run")
    (name,) = change
    with pytest.raises(RunFolderError, match=f"expected a run of fit with .*{name} {change[name]}"):
        quick(clouds, out=tmp_path / "run", resume=True, **change)


@pytest.mark.parametrize("part", ["inputs", "targets", "order"])
def test_other_data_do_not_go_on(part: str, clouds: Data, tmp_path: Path) -> None:
    quick(clouds, out=tmp_path / "run")
    x, y = (item.clone() for item in clouds)
    rows = torch.arange(len(x))
    if part == "inputs":
        x[5] += 1.0
    elif part == "targets":
        y[5] = (y[5] + 1) % 3
    else:
        rows = rows.roll(1)
    with pytest.raises(RunFolderError, match="expected the data as they were when it began, found other examples"):
        quick((x[rows], y[rows]), out=tmp_path / "run", resume=True)
    assert len(quick(clouds, out=tmp_path / "run", resume=True).record.losses) == 36


def test_another_model_does_not_go_on(clouds: Data, tmp_path: Path) -> None:
    quick(clouds, out=tmp_path / "run")
    with pytest.raises(RunFolderError, match="expected a checkpoint of this very model"):
        quick(clouds, nn.Linear(4, 3), out=tmp_path / "run", resume=True)


def test_without_a_folder_signals_are_the_callers(clouds: Data) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        assert len(quick(clouds, tapped(5, term)).record.losses) == 36
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]

"""Kills, signals and full disks: the checkpoint and the records are those of a training that nobody disturbed."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import TensorBatches
from babysit.errors import Interrupted, RunFolderError, StorageError
from babysit.fit import training as training_module
from babysit.fit.checkpoint import load_checkpoint
from babysit.fit.evaluation import Examples
from babysit.fit.interrupts import Interrupts
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.recording import LayerRecorder
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer
from babysit.fit.training import Extras, Training
from babysit.measure.record import RecordWriter

Data = tuple[Tensor, Tensor]
Same = Callable[[object, object], bool]
Between = Callable[[Trainer], None]
EPOCHS, STEPS = 4, 20


class Killed(BaseException):
    """Nothing catches it: the process is gone."""


class Runs:
    """Begins the same training again and again, in a folder, as a process that is started anew would."""

    def __init__(self, data: Data, network: Callable[[], nn.Sequential]) -> None:
        self._data, self._network = data, network

    def go(self, folder: Path, between: Between | None = None, model: nn.Module | None = None) -> dict[str, Any]:
        folder.mkdir(exist_ok=True)
        writer = RecordWriter(folder)
        try:
            return self._train(folder, writer, between, model or self._network())
        finally:
            writer.close()

    def _train(self, folder: Path, writer: RecordWriter, between: Between | None, model: nn.Module) -> dict[str, Any]:
        settings = TrainSettings("adam", lr=0.05, l2=1e-3, schedule="plateau", epochs=EPOCHS, batch_size=8, seed=2)
        trainer = Trainer(
            model,
            F.cross_entropy,
            TensorBatches(*self._data, 8, 2),
            settings,
            sampler=LayerRecorder(model, writer.write),
            write_losses=writer.write,
        )
        training = Training(
            trainer,
            CLASSIFICATION,
            {"train": Examples(*self._data), "validation": Examples(self._data[0][:9], self._data[1][:9])},
            extras=Extras(patience=9, snapshots=2, polyak=True),
            writer=writer,
            checkpoint=folder / "checkpoint.pt",
            between=between,
        )
        if not training.resume():
            writer.rewind(0)
        training.run()
        training.save()
        return training.state_dict()


@pytest.fixture
def runs(data: Data, network: Callable[[], nn.Sequential]) -> Runs:
    return Runs(data, network)


@pytest.fixture
def unbroken(runs: Runs, tmp_path: Path) -> tuple[dict[str, Any], bytes]:
    state = runs.go(tmp_path / "unbroken")
    return state, (tmp_path / "unbroken" / "steps.jsonl").read_bytes()


def at(step: int, act: Callable[[], object]) -> Between:
    def between(trainer: Trainer) -> None:
        if trainer.step == step:
            act()

    return between


def stop() -> None:
    raise Interrupted(signal.SIGTERM)


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_an_interrupted_training_goes_on_bit_for_bit(
    step: int, runs: Runs, unbroken: tuple[dict[str, Any], bytes], tmp_path: Path, same: Same
) -> None:
    folder = tmp_path / "broken"
    with pytest.raises(Interrupted):
        runs.go(folder, at(step, stop))
    saved = load_checkpoint(folder / "checkpoint.pt")
    assert saved is not None
    assert saved["trainer"]["step"] == step
    torch.randn(7)
    state = runs.go(folder)
    assert same(state, unbroken[0])
    assert (folder / "steps.jsonl").read_bytes() == unbroken[1]


@pytest.mark.parametrize("gap", [1, 2, 5, 7])
def test_a_killed_training_goes_on_from_its_last_checkpoint(
    gap: int,
    runs: Runs,
    unbroken: tuple[dict[str, Any], bytes],
    tmp_path: Path,
    same: Same,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "killed"
    for step in range(gap, STEPS, gap):
        # a checkpoint a step, but for the last two before the kill: what they wrote has to be written anew
        def between(trainer: Trainer, step: int = step) -> None:
            late = trainer.step >= step - 2
            monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 1e9 if late else -1.0)
            if trainer.step == step:
                raise Killed

        with pytest.raises(Killed):
            runs.go(folder, between)
        with (folder / "steps.jsonl").open("ab") as file:
            file.write(b'{"kind":"losses","first":')
    monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 1e9)
    assert same(runs.go(folder), unbroken[0])
    assert (folder / "steps.jsonl").read_bytes() == unbroken[1]


def test_a_finished_training_that_goes_on_does_nothing(
    runs: Runs, unbroken: tuple[dict[str, Any], bytes], tmp_path: Path, same: Same
) -> None:
    assert same(runs.go(tmp_path / "unbroken", at(1, kill)), unbroken[0])
    assert (tmp_path / "unbroken" / "steps.jsonl").read_bytes() == unbroken[1]


def test_a_second_signal_inside_an_update_cannot_spoil_the_checkpoint(
    runs: Runs, unbroken: tuple[dict[str, Any], bytes], tmp_path: Path, same: Same, network: Callable[[], nn.Sequential]
) -> None:
    """The first signal waits for the end of the step; an impatient second one, inside the step, does not."""
    folder, model = tmp_path / "impatient", network()

    def twice(_grad: Tensor) -> None:
        if counter["backward"] == 13:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        counter["backward"] += 1

    counter = {"backward": 0}
    next(model.parameters()).register_hook(twice)
    with Interrupts() as interrupts, interrupts.deferred(), pytest.raises(Interrupted):
        runs.go(folder, lambda _: interrupts.check(), model)
    assert counter["backward"] >= 13
    assert same(runs.go(folder), unbroken[0])
    assert (folder / "steps.jsonl").read_bytes() == unbroken[1]


def test_a_full_disk_leaves_the_checkpoint_before(
    runs: Runs,
    unbroken: tuple[dict[str, Any], bytes],
    tmp_path: Path,
    same: Same,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "full"
    with pytest.raises(Interrupted):
        runs.go(folder, at(6, stop))
    before = (folder / "checkpoint.pt").read_bytes()

    def half(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr("babysit.storage._fill", half)
        with pytest.raises(StorageError, match=r"no space left on device.*what was written before is intact"):
            runs.go(folder, at(11, stop))
    assert (folder / "checkpoint.pt").read_bytes() == before
    assert sorted(item.name for item in folder.iterdir()) == ["checkpoint.pt", "steps.jsonl"]
    state = load_checkpoint(folder / "checkpoint.pt")
    assert state is not None
    assert state["trainer"]["step"] == 6
    assert same(runs.go(folder), unbroken[0])
    assert (folder / "steps.jsonl").read_bytes() == unbroken[1]


def test_another_models_checkpoint_is_refused(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        runs.go(tmp_path / "run", at(3, stop))
    with pytest.raises(RunFolderError, match=r"expected a checkpoint of this very model and optimizer, found [^\n]+$"):
        runs.go(tmp_path / "run", model=nn.Linear(6, 3))


def test_without_a_file_there_is_nothing_to_save_or_resume(data: Data, network: Callable[[], nn.Sequential]) -> None:
    trainer = Trainer(network(), F.cross_entropy, TensorBatches(*data, 8, 2), TrainSettings(batch_size=8))
    training = Training(trainer, CLASSIFICATION, {}, between=at(2, stop))
    assert not training.resume()
    with pytest.raises(Interrupted):
        training.run()
    assert trainer.step == 2

"""A training that is stopped anywhere and goes on elsewhere is, bit for bit, the training that never stopped."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import LoaderBatches, TensorBatches
from babysit.fit.checkpoint import load_checkpoint, save_checkpoint
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer
from babysit.measure.record import LossBlock

Data = tuple[Tensor, Tensor]
Make = Callable[[list[LossBlock]], Trainer]
Same = Callable[[object, object], bool]
STEPS = 15


@pytest.fixture(params=["sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad"])
def make(request: pytest.FixtureRequest, data: Data, network: Callable[[], nn.Sequential]) -> Make:
    settings = TrainSettings(request.param, lr=0.02, l2=1e-3, epochs=3, batch_size=8, seed=9)

    def build(blocks: list[LossBlock]) -> Trainer:
        return Trainer(
            network(), F.cross_entropy, TensorBatches(*data, 8, 9), settings, kill_ratio=50, write_losses=blocks.append
        )

    return build


def end_of(trainer: Trainer, blocks: list[LossBlock]) -> dict[str, Any]:
    trainer.run(STEPS)
    trainer.flush()
    return {**copy.deepcopy(trainer.state_dict()), "losses": [loss for block in blocks for loss in block.losses]}


def test_every_step_is_a_place_to_go_on_from(make: Make, same: Same, tmp_path: Path) -> None:
    blocks: list[LossBlock] = []
    unbroken = end_of(make(blocks), blocks)
    assert len(unbroken["losses"]) == STEPS
    for stop in range(STEPS + 1):
        blocks = []
        first = make(blocks)
        first.run(stop)
        save_checkpoint(tmp_path / "state.pt", first.state_dict())
        state = load_checkpoint(tmp_path / "state.pt")
        assert state is not None
        torch.randn(stop)  # what the process draws besides does not matter
        second = make(blocks)
        second.load_state_dict(state)
        assert same(end_of(second, blocks), unbroken), f"differs when stopped after {stop} steps"


def test_a_state_taken_between_two_steps_of_a_run_is_as_good(make: Make, same: Same) -> None:
    blocks: list[LossBlock] = []
    states: list[dict[str, Any]] = []
    trainer = make(blocks)
    trainer.run(STEPS, lambda: states.append(copy.deepcopy(trainer.state_dict())))
    unbroken = end_of(trainer, blocks)
    for state in states:
        blocks = []
        second = make(blocks)
        second.load_state_dict(state)
        assert same(end_of(second, blocks), unbroken)


def test_taking_the_state_changes_nothing(make: Make, same: Same) -> None:
    left: list[LossBlock] = []
    right: list[LossBlock] = []
    states: list[dict[str, Any]] = []
    looked_at, left_alone = make(left), make(right)
    looked_at.run(STEPS, lambda: states.append(looked_at.state_dict()))
    assert same(end_of(looked_at, left), end_of(left_alone, right))


def test_an_own_loader_that_shuffles_goes_on_as_well(
    data: Data, network: Callable[[], nn.Sequential], same: Same
) -> None:
    def build() -> Trainer:
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data), batch_size=8, shuffle=True)
        return Trainer(network(), F.cross_entropy, LoaderBatches(loader, 4), TrainSettings(epochs=3, batch_size=8))

    whole = build()
    whole.run(STEPS)
    for stop in (3, 5, 11):
        first, second = build(), build()
        first.run(stop)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        second.run(STEPS)
        assert same(second.state_dict(), whole.state_dict())


def test_a_training_that_was_killed_stays_killed(data: Data, network: Callable[[], nn.Sequential]) -> None:
    def build() -> Trainer:
        settings = TrainSettings("sgd", lr=1e6, batch_size=8)
        return Trainer(network(), F.cross_entropy, TensorBatches(*data, 8, 0), settings, kill_ratio=3)

    first, second = build(), build()
    first.run(50)
    assert first.stopped
    second.load_state_dict(first.state_dict())
    second.run(50)
    assert (second.step, second.stopped) == (first.step, first.stopped)


def test_the_plateau_and_the_initial_loss_travel_along(data: Data, network: Callable[[], nn.Sequential]) -> None:
    def build() -> Trainer:
        settings = TrainSettings("sgd", schedule="plateau", batch_size=8)
        return Trainer(network(), F.cross_entropy, TensorBatches(*data, 8, 0), settings)

    first, second = build(), build()
    assert math.isnan(first.initial_loss)
    first.run(2)
    assert first.plateau is not None
    for _ in range(5):
        first.plateau.observe(0.1)
    second.load_state_dict(first.state_dict())
    assert second.lr == first.lr == 0.005
    assert second.initial_loss == first.initial_loss > 0

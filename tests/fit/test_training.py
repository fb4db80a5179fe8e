from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import TensorBatches
from babysit.errors import Interrupted
from babysit.fit import training as training_module
from babysit.fit.averages import Weights, copy_weights
from babysit.fit.evaluation import Examples, Result, evaluate
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer
from babysit.fit.training import Best, Extras, Training
from babysit.measure.record import Evaluation, LossBlock, MemoryRecords

Data = tuple[Tensor, Tensor]
Make = Callable[..., Training]
Same = Callable[[object, object], bool]
PER_EPOCH = 5


@pytest.fixture
def make(data: Data, network: Callable[[], nn.Sequential]) -> Make:
    """A training of five steps an epoch, at a constant rate so that a shorter one is the beginning of a longer one."""

    def build(
        epochs: int, extras: Extras | None = None, splits: Sequence[str] = ("train", "validation"), **options: Any
    ) -> Training:
        settings = {"schedule": "constant", "lr": 0.1, "batch_size": 8, **options.pop("settings", {})}
        trainer = Trainer(
            options.pop("model", None) or network(),
            F.cross_entropy,
            TensorBatches(*data, 8, 0),
            TrainSettings(epochs=epochs, **settings),
            kill_ratio=options.pop("kill_ratio", math.inf),
            write_losses=options["writer"].write if "writer" in options else None,
        )
        parts = {"train": Examples(*data), "validation": Examples(data[0][:13], data[1][:13])}
        return Training(
            trainer, CLASSIFICATION, {name: parts[name] for name in splits}, extras=extras or Extras(), **options
        )

    return build


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[tuple[float, float]]], None]:
    """Make the evaluations come out as told: (score, loss) of each epoch."""

    def tell(results: Sequence[tuple[float, float]]) -> None:
        numbers = iter(results)

        def scripted(*_: object) -> Result:
            score, loss = next(numbers)
            return Result(loss, score, 13, merit=score)

        monkeypatch.setattr(training_module, "evaluate", scripted)

    return tell


def weights_at_epochs(make: Make, epochs: int) -> list[Weights]:
    """What the weights are after each epoch, from a trainer that does nothing else."""
    trainer = make(epochs).trainer
    weights = [copy_weights(trainer.model)]
    for epoch in range(1, epochs + 1):
        trainer.run(epoch * PER_EPOCH)
        weights.append(copy_weights(trainer.model))
    return weights


# ---- the best weights ---------------------------------------------------------------------------------------------


def test_the_best_weights_are_left_in_the_model(make: Make, told: Callable[..., None], same: Same) -> None:
    told([(0.3, 2.0), (0.7, 1.0), (0.6, 0.5), (0.65, 0.4)])
    training = make(4, splits=("validation",))
    best = training.run()
    assert (best.score, best.loss, best.epoch) == (0.7, 1.0, 2)
    assert same(copy_weights(training.trainer.model), weights_at_epochs(make, 4)[2])


def test_the_best_is_what_its_weights_score(make: Make, data: Data) -> None:
    training = make(6)
    best = training.run()
    judged = evaluate(training.trainer.model, Examples(data[0][:13], data[1][:13]), CLASSIFICATION)
    assert (judged.score, judged.loss) == (best.score, best.loss)
    validation = [item for item in training.evaluations if item.split == "validation"]
    assert best.score == max(item.score for item in validation)


@pytest.mark.parametrize(
    ("results", "epoch"),
    [
        ([(0.5, 1.0), (0.5, 0.9), (0.5, 0.95)], 2),  # as good, at a lower loss
        ([(0.5, 1.0), (0.5, 1.0)], 1),  # nothing better: the earlier
        ([(0.5, 1.0), (0.6, math.nan), (0.55, 1.0)], 3),  # class 0 is all that NaN outputs predict
        ([(math.nan, 1.0), (0.1, 5.0)], 2),
        ([(-math.inf, math.inf), (-3.0, 9.0)], 2),
    ],
)
def test_ties_go_to_the_lower_loss_and_nan_never_wins(
    results: list[tuple[float, float]], epoch: int, make: Make, told: Callable[..., None]
) -> None:
    told(results)
    assert make(len(results), splits=("validation",)).run().epoch == epoch


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.floats(allow_nan=True)), max_size=8))
def test_no_order_of_evaluations_leaves_a_better_one_behind(pairs: list[tuple[float, float]]) -> None:
    best = Best()
    for score, loss in pairs:
        if best.improves(score, loss):
            best = Best(score, loss)
    real = [(score, -loss) for score, loss in pairs if not math.isnan(loss)]
    assert (best.score, -best.loss) == max(real, default=(-math.inf, -math.inf))


def test_the_last_split_decides_also_when_it_is_the_only_one(make: Make) -> None:
    only = make(3, splits=("train",))
    best = only.run()
    assert best.score == max(item.score for item in only.evaluations)
    both = make(3)
    best = both.run()
    assert best.score == max(item.score for item in both.evaluations if item.split == "validation")


def test_without_evaluations_the_last_weights_stay(make: Make, same: Same) -> None:
    training = make(3, Extras(patience=1), splits=())
    best = training.run()
    assert (best.weights, best.epoch, training.epochs_done) == ({}, 0, 3)
    assert same(copy_weights(training.trainer.model), weights_at_epochs(make, 3)[3])


# ---- when it ends -------------------------------------------------------------------------------------------------


def test_it_stops_when_patience_is_over(make: Make, told: Callable[..., None]) -> None:
    told([(0.5, 1.0), (0.6, 1.0), (0.6, 1.0), (0.4, 0.1), (0.9, 0.1)])
    training = make(9, Extras(patience=2), splits=("validation",))
    assert training.run().epoch == 2
    assert (training.epochs_done, training.trainer.step) == (4, 4 * PER_EPOCH)


def test_a_killed_training_is_not_evaluated_where_it_died(make: Make) -> None:
    records = MemoryRecords()
    training = make(4, settings={"lr": 1e8, "optimizer": "sgd"}, kill_ratio=3.0, writer=records)
    assert training.run().weights == {}
    assert training.trainer.stopped
    assert (training.epochs_done, training.evaluations) == (0, [])
    (block,) = (record for record in records.records if isinstance(record, LossBlock))
    assert len(block.losses) == training.trainer.step


def test_the_losses_up_to_a_kill_are_not_lost_when_a_signal_comes_with_it(make: Make, tmp_path: Path) -> None:
    def stop(trainer: Trainer) -> None:
        if trainer.stopped:
            raise Interrupted(15)

    options: dict[str, Any] = {"settings": {"lr": 1e8, "optimizer": "sgd"}, "kill_ratio": 3.0}
    first = make(4, checkpoint=tmp_path / "state.pt", between=stop, writer=MemoryRecords(), **options)
    with pytest.raises(Interrupted):
        first.run()
    records = MemoryRecords()
    second = make(4, checkpoint=tmp_path / "state.pt", writer=records, **options)
    assert second.resume()
    second.run()
    assert second.trainer.stopped == first.trainer.stopped != ""
    (block,) = (record for record in records.records if isinstance(record, LossBlock))
    assert len(block.losses) == second.trainer.step == first.trainer.step


def test_every_step_is_told_and_every_epoch_recorded(make: Make, same: Same) -> None:
    records, steps = MemoryRecords(), []
    training = make(3, writer=records, between=lambda trainer: steps.append(trainer.step))
    training.run()
    assert steps == list(range(1, 16))
    evaluations = [record for record in records.records if isinstance(record, Evaluation)]
    assert [(item.step, item.epoch, item.split, item.examples) for item in evaluations] == [
        (PER_EPOCH * epoch, epoch, split, count)
        for epoch in (1, 2, 3)
        for split, count in (("train", 40), ("validation", 13))
    ]
    assert same(evaluations, training.evaluations)
    blocks = [record for record in records.records if isinstance(record, LossBlock)]
    assert sum(len(block.losses) for block in blocks) == 15


def test_a_plateau_reads_the_evaluations(make: Make, told: Callable[..., None]) -> None:
    told([(0.5, 1.0)] * 6)
    training = make(6, splits=("validation",), settings={"schedule": "plateau"})
    training.run()
    assert training.trainer.plateau is not None
    assert training.trainer.plateau.factor == 0.5


class Sampling(nn.Module):
    """Draws random numbers in evaluation too, as variational networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x)
        return out + torch.randn_like(out)


def test_the_callers_random_numbers_are_left_alone(make: Make) -> None:
    training = make(2, model=Sampling())
    before = torch.get_rng_state()
    training.run()
    assert torch.equal(torch.get_rng_state(), before)


# ---- snapshots and averages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epochs", "wanted", "expected"),
    [(10, 3, [8, 9, 10]), (20, 4, [14, 16, 18, 20]), (9, 1, [9]), (2, 4, [1, 2]), (8, 2, [6, 8]), (3, 0, [])],
)
@pytest.mark.parametrize("splits", [(), ("validation",)])
def test_snapshots_are_the_weights_along_the_second_half(
    epochs: int, wanted: int, expected: list[int], splits: tuple[str, ...], make: Make, same: Same
) -> None:
    training = make(epochs, Extras(snapshots=wanted), splits=splits)
    training.run()
    weights = weights_at_epochs(make, epochs)
    assert same(training.snapshots, [weights[epoch] for epoch in expected])


def test_polyaks_average_is_taken_every_tenth_step(make: Make) -> None:
    reference: dict[str, Tensor] = {}
    updates = 0

    def observe(trainer: Trainer) -> None:
        nonlocal updates
        if trainer.step % 10:
            return
        updates += 1
        keep = min(0.99, (1 + updates) / (10 + updates))
        for name, present in trainer.model.state_dict().items():
            reference[name] = keep * reference[name] + (1 - keep) * present.double()

    training = make(12, Extras(polyak=True), between=observe)
    reference.update({name: tensor.double() for name, tensor in copy_weights(training.trainer.model).items()})
    training.run()
    assert updates == 6
    assert training.polyak is not None
    for name, average in training.polyak.weights.items():
        if average.is_floating_point():
            torch.testing.assert_close(average.double(), reference[name], rtol=1e-5, atol=1e-6)
    assert training.polyak.weights["1.num_batches_tracked"].item() == 60


def test_extras_change_nothing_in_the_training_itself(make: Make, same: Same) -> None:
    plain, extra = make(4), make(4, Extras(patience=9, snapshots=2, polyak=True))
    plain.run()
    extra.run()
    assert same(copy.deepcopy(plain.trainer.state_dict()), copy.deepcopy(extra.trainer.state_dict()))


@pytest.mark.parametrize(("saving", "saves"), [(0.0, 16), (0.25, 16), (2.5, 2), (60.0, 1)])
def test_checkpoints_that_take_long_are_written_less_often(
    saving: float, saves: int, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0
        saves = 0

        def monotonic(self) -> float:
            return self.now

        def save(self, *_: object) -> None:
            self.now += saving
            self.saves += 1

        def step(self, _trainer: Trainer) -> None:
            self.now += 1.0

    clock = Clock()
    monkeypatch.setattr(training_module, "time", clock)
    monkeypatch.setattr(training_module, "save_checkpoint", clock.save)
    make(20, checkpoint=tmp_path / "checkpoint.pt", between=clock.step).run()
    assert clock.saves == saves
    assert clock.saves * saving <= 0.06 * clock.now or clock.saves == 1

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import TensorBatches
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer
from babysit.measure.record import LossBlock
from babysit.measure.sampling import is_sampled

Data = tuple[Tensor, Tensor]
Network = Callable[[], nn.Sequential]


class Scripted:
    """A loss function that gives the losses it is told to, whatever the model says."""

    def __init__(self, losses: Sequence[float]) -> None:
        self._losses = iter(losses)

    def __call__(self, outputs: Tensor, _targets: Tensor) -> Tensor:
        return outputs.sum() * 0 + next(self._losses)


def scripted(losses: Sequence[float], **options: object) -> Trainer:
    batches = TensorBatches(torch.ones(4, 2), torch.zeros(4), batch_size=4, seed=0)
    settings = TrainSettings("sgd", epochs=len(losses))
    return Trainer(nn.Linear(2, 1), Scripted(losses), batches, settings, **options)  # type: ignore[arg-type]


# ---- the same as a loop written by hand ---------------------------------------------------------------------------


def by_hand(model: nn.Module, data: Data, optimizer: torch.optim.Optimizer, rates: Sequence[float]) -> list[float]:
    """The loop everybody writes, with its own random numbers."""
    batches = TensorBatches(*data, batch_size=8, seed=3)
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for step, lr in enumerate(rates):
            for group in optimizer.param_groups:
                group["lr"] = lr
            x, y = batches.batch(step)
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
    return losses


def by_torch(name: str, model: nn.Module) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(model.parameters(), betas=(0.9, 0.999), fused=True)
    return torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9 if name == "momentum" else 0.0, fused=True)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_gives_the_weights_of_a_plain_loop_bit_for_bit(
    name: str, data: Data, network: Network, same: Callable[[object, object], bool]
) -> None:
    model, plain = network(), network()
    blocks: list[LossBlock] = []
    settings = TrainSettings(name, lr=0.05, schedule="exponential", epochs=6, batch_size=8, seed=3)
    trainer = Trainer(model, F.cross_entropy, TensorBatches(*data, 8, 3), settings, write_losses=blocks.append)
    trainer.run(30)
    trainer.flush()
    rates = [0.05 * math.pow(0.01, step / 30) for step in range(30)]
    losses = by_hand(plain, data, by_torch(name, plain), rates)
    assert same(model.state_dict(), plain.state_dict())
    assert [loss for block in blocks for loss in block.losses] == losses


def test_the_seed_decides_dropout_and_order(
    data: Data, network: Network, same: Callable[[object, object], bool]
) -> None:
    def train(seed: int) -> dict[str, Tensor]:
        model = network()
        settings = TrainSettings("sgd", lr=0.1, epochs=1, batch_size=8, seed=seed)
        Trainer(model, F.cross_entropy, TensorBatches(*data, 8, 0), settings).run(5)
        return model.state_dict()

    assert same(train(1), train(1))
    assert not same(train(1), train(2))


def test_the_callers_random_numbers_are_left_alone_also_when_it_is_stopped(data: Data, network: Network) -> None:
    trainer = Trainer(network(), F.cross_entropy, TensorBatches(*data, 8, 0), TrainSettings(batch_size=8))
    before = torch.get_rng_state()

    def stop() -> None:
        if trainer.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.run(20, stop)
    assert trainer.step == 7
    assert torch.equal(torch.get_rng_state(), before)


def test_it_trains_in_training_mode_whatever_mode_the_model_is_in(data: Data, network: Network) -> None:
    model = network().eval()
    Trainer(model, F.cross_entropy, TensorBatches(*data, 8, 0), TrainSettings(batch_size=8)).run(3)
    assert model.state_dict()["1.num_batches_tracked"].item() == 3


# ---- when it stops ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_stops_at_the_very_step_whose_loss_is_not_finite(bad: float) -> None:
    trainer = scripted([2.0, 1.0, 3.0, bad, 1.0, 1.0], kill_ratio=3.0)
    trainer.run(6)
    assert trainer.step == 4
    assert trainer.stopped == f"loss {bad} at step 3"


def test_stops_once_the_loss_is_over_three_times_the_initial_one() -> None:
    trainer = scripted([2.0, 1.0, 6.0, 6.5, 1.0], kill_ratio=3.0)
    trainer.run(5)
    assert trainer.step == 4
    assert trainer.stopped == "loss 6.5 over 3 × the initial 2 at step 3"
    assert trainer.initial_loss == 2.0


def test_an_easy_first_batch_does_not_set_the_limit() -> None:
    trainer = scripted([0.25, 6.5, 7.0, 1.0], kill_ratio=3.0, chance_loss=2.25)
    trainer.run(4)
    assert trainer.stopped == "loss 7 over 3 × the initial 2.25 at step 2"


def test_a_stopped_training_takes_no_further_step() -> None:
    trainer = scripted([1.0, math.nan, 1.0, 1.0], kill_ratio=3.0)
    trainer.run(4)
    trainer.run(4)
    assert trainer.step == 2


def test_without_a_kill_ratio_nothing_stops_it() -> None:
    trainer = scripted([1.0, math.nan, math.inf, 100.0])
    trainer.run(4)
    assert (trainer.step, trainer.stopped) == (4, "")


# ---- what it hands over -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stops", [[1500], [1, 255, 256, 257, 700, 1500], [512, 1500]])
def test_losses_come_in_order_and_each_once(stops: list[int]) -> None:
    blocks: list[LossBlock] = []
    trainer = scripted([float(step) for step in range(1500)], write_losses=blocks.append)
    for until in stops:
        trainer.run(until)
        trainer.flush()
        assert sum(len(block.losses) for block in blocks) == until
    assert all(block.losses for block in blocks)
    assert [loss for block in blocks for loss in block.losses] == list(range(1500))
    assert all(block.first == block.losses[0] for block in blocks)
    trainer.flush()
    assert sum(len(block.losses) for block in blocks) == 1500


def test_long_trainings_hand_over_their_losses_as_they_go() -> None:
    blocks: list[LossBlock] = []
    scripted([1.0] * 600, write_losses=blocks.append).run(600)
    assert sum(len(block.losses) for block in blocks) == 512


def test_losses_that_nobody_wants_are_not_kept() -> None:
    trainer = scripted([1.0] * 300)
    trainer.run(300)
    assert trainer.state_dict()["pending"] == []


class Spy:
    """A sampler that notes what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float, float]] = []

    @contextmanager
    def sampled(self, step: int, lr: float) -> Iterator[Callable[[Tensor], None]]:
        losses: list[Tensor] = []
        yield losses.append
        (loss,) = losses
        self.seen.append((step, lr, loss.item()))


def test_the_sampler_sees_the_sampled_steps_with_their_rate_and_loss() -> None:
    spy = Spy()
    trainer = scripted([float(step) for step in range(400)], sampler=spy, total_steps=800)
    trainer.run(400)
    assert [step for step, _, _ in spy.seen] == [step for step in range(400) if is_sampled(step)]
    for step, lr, loss in spy.seen:
        assert loss == step
        assert lr == pytest.approx(0.01 * 0.5 * (1 + math.cos(math.pi * step / 800)))


def test_the_rate_that_is_told_is_the_rate_that_is_used() -> None:
    trainer = scripted([1.0] * 20)
    rates = []
    for step in range(20):
        told = trainer.lr
        trainer.run(step + 1)
        rates.append(told)
        assert {group["lr"] for group in trainer.optimizer.param_groups} == {told}
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.01


def test_a_plateau_lowers_the_rate(data: Data, network: Network) -> None:
    settings = TrainSettings("sgd", lr=0.4, schedule="plateau", batch_size=8)
    trainer = Trainer(network(), F.cross_entropy, TensorBatches(*data, 8, 0), settings)
    assert trainer.plateau is not None
    for _ in range(5):
        trainer.plateau.observe(0.5)
    assert trainer.lr == 0.2
    trainer.run(1)
    assert trainer.optimizer.param_groups[0]["lr"] == 0.2


def test_no_other_schedule_has_a_plateau() -> None:
    assert scripted([1.0]).plateau is None

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from babysit.diagnose import diagnose
from babysit.fit.recording import LayerRecorder
from babysit.measure.record import LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.measure.sampling import is_sampled
from babysit.rules.upd006_zero_learning_rate import ZeroLearningRate

RULE = ZeroLearningRate()
STEPS = 400


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3))


def trained(
    build: Callable[[], nn.Module],
    schedule: Callable[[torch.optim.Optimizer], LRScheduler],
    optimizer: type[torch.optim.Optimizer] = torch.optim.SGD,
    lr: float = 0.05,
) -> RunRecord:
    """A plain loop with one of torch's schedulers, stepped at every batch."""
    net = build()
    rule = optimizer(net.parameters(), lr=lr)
    scheduler = schedule(rule)
    x = torch.randn(256, 6, generator=torch.Generator().manual_seed(1))
    y = x[:, :3].argmax(dim=1)
    steps: list[StepRecord] = []
    losses: list[float] = []
    recorder = LayerRecorder(net, steps.append)
    for step in range(STEPS):
        rows = torch.arange(step * 16, step * 16 + 16) % 256
        sampled = recorder.sampled(step, scheduler.get_last_lr()[0])
        with sampled as tell_loss:
            loss = functional.cross_entropy(net(x[rows]), y[rows])
            rule.zero_grad()
            loss.backward()
            rule.step()
            tell_loss(loss.detach())
        scheduler.step()
        losses.append(loss.item())
    header = RunHeader(task="classification", chance_loss=1.0986, classes=3, batch_size=16, total_steps=STEPS)
    return RunRecord(header, (LossBlock(0, tuple(losses)),), tuple(item for item in steps if is_sampled(item.step)))


@pytest.mark.parametrize("build", [mlp, convolutional])
@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: lr_scheduler.StepLR(optimizer, 10),  # counted in epochs, stepped at every batch
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
        lambda optimizer: lr_scheduler.PolynomialLR(optimizer, 40),
    ],
    ids=["step", "exponential", "polynomial"],
)
def test_real_trainings_whose_schedule_ends_in_the_first_epoch(build, schedule) -> None:
    run = trained(build, schedule)
    (finding,) = RULE.check(run)
    assert 30 <= finding.first_step <= 100
    assert finding.last_step == STEPS - 1
    assert f"{STEPS} steps" in finding.remedies[0]
    assert {item.code for item in diagnose(run).findings} == {"UPD006"}


@pytest.mark.parametrize("build", [mlp, convolutional])
def test_real_trainings_at_a_rate_of_zero(build) -> None:
    run = trained(build, lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda _: 0.0))
    (finding,) = RULE.check(run)
    assert finding.severity == "error"
    assert "0 at all of 400 steps" in finding.message
    assert [item.code for item in diagnose(run).findings] == ["UPD006"]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS),
        lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 100),
        lambda optimizer: lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS),
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [100, 200, 300]),
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.1, STEPS + 1),
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 300)),
    ],
    ids=["cosine", "restarts", "linear", "steps", "one-cycle", "warm-up"],
)
def test_real_trainings_with_usual_schedules_are_silent(schedule) -> None:
    run = trained(mlp, schedule)
    for end in (10, 60, 100, 105, 200, STEPS):
        steps = tuple(item for item in run.steps if item.step < end)
        assert list(RULE.check(RunRecord(run.header, (LossBlock(0, run.losses[:end]),), steps))) == []


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def made(rates: Sequence[float], *, losses: Sequence[float] = (), updates: Sequence[float] = ()) -> RunRecord:
    losses = losses or [2.3] * 10 + [1.0] * (len(rates) - 10)
    steps = tuple(
        StepRecord(
            step, loss, rate, (LayerStats("a", weight_norm=1.0, update_norm=updates[step] if updates else rate),)
        )
        for step, (rate, loss) in enumerate(zip(rates, losses, strict=True))
    )
    return RunRecord(RunHeader(batch_size=64), (LossBlock(0, tuple(losses)),), steps)


FALLEN = [0.1] * 100 + [1e-8] * 100


def test_each_condition_is_needed() -> None:
    (finding,) = RULE.check(made(FALLEN))
    assert (finding.first_step, finding.last_step, finding.severity) == (100, 199, "warning")
    for silent in (
        made([0.1] * 100 + [1e-4] * 100),  # by a thousand only
        made([0.1] * 190 + [0.0] * 10),
        made([0.1] * 30 + [0.0] * 40),
        made([*FALLEN, 0.1]),  # it came back
        made(FALLEN, losses=[2.3] * 10 + [0.01] * 190),  # nothing is left to learn
        made(FALLEN, updates=[1e-3] * 200),  # other weights have a rate of their own
        made([math.nan] * 200),
        made([0.0] * 200, updates=[1e-3] * 200),
    ):
        assert list(RULE.check(silent)) == []


def test_a_loss_below_zero_has_not_come_to_its_end() -> None:
    """The negative logarithm of a density goes through zero and on."""
    (finding,) = RULE.check(made(FALLEN, losses=[2.3] * 10 + [-0.5] * 190))
    assert (finding.first_step, finding.severity) == (100, "warning")


def test_an_error_where_little_had_been_learnt() -> None:
    (finding,) = RULE.check(made(FALLEN, losses=[2.3] * 10 + [2.0] * 190))
    assert finding.severity == "error"

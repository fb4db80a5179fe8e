from __future__ import annotations

import copy
import dataclasses
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from babysit.diagnose import diagnose
from babysit.fit.recording import LayerRecorder
from babysit.measure.record import Coverage, LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.rules.upd004_no_update import NoUpdate
from babysit.watch import Monitor

RULE = NoUpdate()
STEPS = 220


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


def trained(net: nn.Module, optimizer: torch.optim.Optimizer, *, every: int = 1) -> RunRecord:
    """A plain loop; ``every``: steps between two of the optimizer's, 0 for none."""
    x = torch.randn(256, 6, generator=torch.Generator().manual_seed(1))
    y = x[:, :3].argmax(dim=1)
    steps: list[StepRecord] = []
    recorder = LayerRecorder(net, steps.append)
    for step in range(STEPS):
        rows = torch.arange(step * 32, step * 32 + 32) % 256
        with recorder.sampled(step, optimizer.param_groups[0]["lr"]) as tell_loss:
            if not every or step % every == 0:
                optimizer.zero_grad()
                net.zero_grad()
            loss = functional.cross_entropy(net(x[rows]), y[rows])
            loss.backward()
            if every and step % every == every - 1:
                optimizer.step()
            tell_loss(loss.detach())
    header = RunHeader(task="classification", chance_loss=1.0986, classes=3, batch_size=32)
    return RunRecord(header, (LossBlock(0, tuple(item.loss for item in steps)),), tuple(steps))


def copied(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(copy.deepcopy(net).parameters(), lr=0.1)


@pytest.mark.parametrize("build", [mlp, convolutional])
def test_real_training_whose_optimizer_has_another_model(build) -> None:
    net = build()
    run = trained(net, copied(net))
    (finding,) = RULE.check(run)
    assert "does not have these weights" in finding.message
    assert finding.evidence[1].value == STEPS
    diagnosis = diagnose(run)
    assert [item.code for item in diagnosis.findings] == ["UPD004"]


def test_real_training_whose_step_is_never_taken() -> None:
    net = mlp()
    (finding,) = RULE.check(trained(net, torch.optim.Adam(net.parameters()), every=0))
    assert "optimizer.step()" in finding.remedies[1]


@pytest.mark.parametrize("build", [mlp, convolutional])
def test_real_training_whose_steps_are_lost_in_rounding(build) -> None:
    net = build()
    (finding,) = RULE.check(trained(net, torch.optim.SGD(net.parameters(), lr=1e-12)))
    assert "less than they can hold" in finding.message
    assert "lr 1e-12 → 1e-09" in finding.remedies[0]


@pytest.mark.parametrize("every", [1, 8])
def test_real_trainings_that_move_are_silent(every: int) -> None:
    net = mlp()
    assert list(RULE.check(trained(net, torch.optim.SGD(net.parameters(), lr=0.1), every=every))) == []


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def made(steps: int = 30, *, gradient: float | None = 1.0, update: float = 0.0, lr: float | None = 0.1) -> RunRecord:
    layers = (LayerStats("a", weight_norm=1.0, gradient_norm=gradient, update_norm=update), LayerStats("act"))
    return RunRecord(steps=tuple(StepRecord(step, 2.3, lr, layers) for step in range(steps)))


def test_each_condition_is_needed() -> None:
    assert len(list(RULE.check(made()))) == 1
    assert len(list(RULE.check(made(lr=None)))) == 1
    for silent in (
        made(10),
        made(gradient=0.0),
        made(gradient=None),
        made(gradient=float("nan")),  # a scaler that skips: the gradient is the matter
        made(update=1e-12),
        made(lr=0.0),  # the learning rate is the matter
    ):
        assert list(RULE.check(silent)) == []


def test_a_single_step_that_moved_is_enough() -> None:
    moved = made(1, update=1e-3).steps[0]
    assert list(RULE.check(RunRecord(steps=(*made().steps, moved)))) == []


def watched(left_out: tuple[str, ...] = (), looks: int = 4, trained: tuple[str, ...] = ()) -> RunRecord:
    """As it is watched: the weights of the optimizer alone, which have no gradient."""
    coverage = tuple(Coverage(4**look, trained, ("a",), (), left_out) for look in range(looks))
    return dataclasses.replace(made(gradient=None), coverage=coverage)


def test_an_optimizer_of_other_weights_as_it_is_watched() -> None:
    (finding,) = RULE.check(watched(("Net.0", "Net.2")))
    assert finding.module == "Net.0"
    assert "gradients go to Net.0, Net.2, which no optimizer has" in finding.message
    assert "this very model" in finding.remedies[0]


def test_gradients_that_are_cleared_before_the_step() -> None:
    (finding,) = RULE.check(watched())
    assert finding.module == "a"
    assert "cleared between backward() and step()" in finding.message
    assert "never between the two" in finding.remedies[0]


def test_looks_that_do_not_say_so() -> None:
    assert list(RULE.check(watched(looks=2))) == []
    assert list(RULE.check(watched(trained=("b",)))) == []
    moving = dataclasses.replace(watched(), steps=made(gradient=None, update=0.1).steps)
    assert list(RULE.check(moving)) == []
    nobody = tuple(dataclasses.replace(look, without_gradient=()) for look in watched().coverage)
    assert list(RULE.check(dataclasses.replace(watched(), coverage=nobody))) == []


def of_zeros(
    total: float | None = 0.0, steps: int = 30, lr: float = 0.1, peaks: tuple[float, ...] | None = (0.3, 0.0)
) -> RunRecord:
    run = made(steps, gradient=0.0, lr=lr)
    return RunRecord(
        steps=tuple(dataclasses.replace(step, gradient_norm=total, gradient_peaks=peaks) for step in run.steps)
    )


def test_gradients_that_are_zeros_when_the_step_is_taken() -> None:
    (finding,) = RULE.check(of_zeros())
    assert "every one of them is exactly zero when the step is taken" in finding.message
    assert "never between the two" in finding.remedies[0]
    # a loss that does not depend on the weights makes zeros from the beginning: that is another's
    for silent in (of_zeros(peaks=(0.0, 0.0)), of_zeros(peaks=None), of_zeros(0.1), of_zeros(None)):
        assert list(RULE.check(silent)) == []
    for silent in (of_zeros(steps=15), of_zeros(lr=0.0)):
        assert list(RULE.check(silent)) == []


def restored(*, loss: float = 2.3, noise: float = 0.0, moving: int = 80) -> RunRecord:
    layer = LayerStats("a", gradient_norm=1.0)
    steps = tuple(
        StepRecord(step, loss, 0.1, (replace(layer, weight_norm=1 + noise * step, update_norm=float(step < moving)),))
        for step in range(80)
    )
    return RunRecord(RunHeader(chance_loss=2.303), (LossBlock(0, (loss,) * 80),), steps)


class Factors(nn.Module):
    """A product of two embeddings, as for words or films."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.left, self.right = nn.Embedding(20, 4), nn.Embedding(20, 4)
        nn.init.zeros_(self.left.weight)
        nn.init.normal_(self.right.weight, std=std)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        return (self.left(pairs[:, 0]) * self.right(pairs[:, 1])).sum(dim=1)


@pytest.mark.parametrize("std", [0.0, 0.1])
def test_weights_at_which_every_derivative_is_zero(std: float) -> None:
    torch.manual_seed(0)
    net, pairs = Factors(std), torch.randint(0, 20, (32, 2))
    optimizer = torch.optim.Adam(net.parameters())
    with Monitor() as monitor:
        for _ in range(40):
            optimizer.zero_grad()
            functional.softplus(-net(pairs)).mean().backward()
            optimizer.step()
    found = list(RULE.check(monitor.record))
    assert [item.module for item in found] == ["left"] * (std == 0)
    assert all("the weights of left, right are all zero" in item.message for item in found)


@pytest.mark.parametrize("keeps", [True, False])
def test_an_optimizer_that_stays_with_the_model_of_the_fold_before(keeps: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 6)
    y = x[:, :3].argmax(dim=1)
    with Monitor() as monitor:
        net = mlp()
        optimizer = torch.optim.Adam(net.parameters())
        for fold in range(2):
            if fold:
                net = mlp()
                optimizer = optimizer if keeps else torch.optim.Adam(net.parameters())
            for _ in range(40):
                optimizer.zero_grad()
                functional.cross_entropy(net(x), y).backward()
                optimizer.step()
    found = [finding for run in monitor.records for finding in RULE.check(run)]
    assert [finding.first_step for finding in found] == [40] * keeps
    assert all("make a new optimizer" in finding.remedies[0] for finding in found)


def test_steps_that_are_undone() -> None:
    (finding,) = RULE.check(restored())
    assert "something puts them back" in finding.message
    assert "load the best weights once" in finding.remedies[0]
    # kept at one norm on purpose, and learning; drifting by little; mostly at rest
    for silent in (restored(loss=0.5), restored(noise=1e-9), restored(moving=40)):
        assert list(RULE.check(silent)) == []

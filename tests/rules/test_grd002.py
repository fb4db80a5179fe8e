from __future__ import annotations

import dataclasses
import math
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from babysit.diagnose import diagnose
from babysit.fit import fit
from babysit.measure.record import LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.rules.grd002_exploding_gradient import ExplodingGradient

RULE = ExplodingGradient()
CHANCE = math.log(10)


@cache
def digits() -> tuple[Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)[order], torch.tensor(y)[order]


def net(activation: type[nn.Module], layers: int, std: float | None, convolutional: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Unflatten(1, (1, 8, 8))] if convolutional else []
    for before, after in pairwise([1 if convolutional else 64, *[16 if convolutional else 200] * (layers - 1)]):
        parts += [
            nn.Conv2d(before, after, 3, padding=1) if convolutional else nn.Linear(before, after),
            activation(),
        ]
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10)] if convolutional else [nn.Linear(200, 10)]
    whole = nn.Sequential(*parts, *head)
    for layer in whole:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight) if std is None else nn.init.normal_(layer.weight, std=std)
    return whole


def trained(model: nn.Module, **options: Any) -> RunRecord:
    return fit(model, digits(), threads=1, **{"lr": 0.01, "epochs": 3, "batch_size": 64, **options}).record


@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        (net(nn.Tanh, 10, 1.0), "Xavier"),
        (net(nn.ReLU, 5, 1.0), "He"),
        (net(nn.ReLU, 6, 0.5, convolutional=True), "He"),
    ],
    ids=["tanh-1.0", "relu-1.0", "convolutions-0.5"],
)
def test_real_trainings_with_weights_too_large(model: nn.Module, remedy: str) -> None:
    run = trained(model)
    (finding,) = RULE.check(run)
    assert finding.evidence[0].value > finding.evidence[0].limit
    assert remedy in finding.remedies[0]
    diagnosis = diagnose(run)
    assert {"GRD002", "INI003"} & {item.code for item in diagnosis.findings}  # INI003: activations grow with it
    assert not {"LOS001", "LOS002", "LOS008"} & {item.code for item in diagnosis.findings}


@pytest.mark.parametrize("lr", [1.0, 1e6])
def test_a_learning_rate_too_high_is_anothers(lr: float) -> None:
    run = trained(net(nn.ReLU, 6, None), lr=lr)
    assert list(RULE.check(run)) == []
    assert {"LOS001", "LOS002"} & {item.code for item in diagnose(run).findings}


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ELU, nn.Tanh])
def test_real_trainings_that_learn_are_silent(activation: type[nn.Module]) -> None:
    assert list(RULE.check(trained(net(activation, 7, None)))) == []


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def made(gradient: float, losses: list[float], first: int = 0, loss: float = 5.0) -> RunRecord:
    layers = (LayerStats("low", "Linear", weight_norm=1.0, gradient_norm=gradient), LayerStats("act", "Tanh"))
    return RunRecord(
        RunHeader(task="classification", chance_loss=CHANCE, batch_size=64),
        (LossBlock(0, (loss, *losses)),),
        (StepRecord(first, loss, layers=layers),),
    )


def test_each_condition_is_needed() -> None:
    stuck = [CHANCE] * 60
    (finding,) = RULE.check(made(1e4, stuck))
    assert finding.module == "low"
    assert "no better than 2.3" in finding.message
    for silent in (
        made(100.0, stuck),
        made(1e4, stuck[:10]),  # too early to say that it fails
        made(1e4, [1.0] * 60),  # it learns, as Adam may
        made(1e4, stuck, first=7),  # a learning rate was at work before
        made(math.inf, stuck),
    ):
        assert list(RULE.check(silent)) == []


def test_the_ways_to_fail() -> None:
    assert "not finite at step 1" in next(RULE.check(made(1e4, [math.nan]))).message
    assert "explodes" in next(RULE.check(made(1e4, [100.0, 200.0]))).message


def test_far_beyond_the_limit_half_of_guessing_is_a_failure() -> None:
    for gradient, share, count in ((1e7, 0.6, 1), (1e7, 0.4, 0), (2e4, 0.6, 0)):
        found = list(RULE.check(made(gradient, [share * CHANCE] * 99)))
        assert len(found) == count
        assert all(item.severity == "error" for item in found)


def test_held_against_guessing_not_against_a_first_loss_that_is_large_itself() -> None:
    assert len(list(RULE.check(made(1e5, [CHANCE] * 60, loss=1e4)))) == 1


def plain(gradient: float, losses: list[float], **header: Any) -> RunRecord:
    run = made(gradient, losses)
    return dataclasses.replace(run, header=dataclasses.replace(run.header, **header))


def test_plain_descent_that_came_through_it_is_warned() -> None:
    (finding,) = RULE.check(plain(1e4, [1.0] * 60, optimizer="SGD"))
    assert finding.severity == "warning"
    assert "the training came through it" in finding.message
    run = plain(1e4, [1.0] * 60, optimizer="SGD")
    begin = run.steps[0]
    assert len(list(RULE.check(dataclasses.replace(run, steps=(dataclasses.replace(begin, lr=1e-6),))))) == 1
    large = dataclasses.replace(begin.layers[0], weight_norm=1e5, gradient_norm=0.1)
    for silent in (
        plain(1e4, [1.0] * 60, optimizer="Adam"),
        # large constants among the weights, whose gradient moves nothing far
        dataclasses.replace(run, steps=(dataclasses.replace(begin, lr=0.1, layers=(large,)),)),
        plain(1e4, [1.0] * 60, optimizer=""),
        plain(1e4, [1.0] * 60, optimizer="SGD", progress=False),
        plain(1e4, [-1.0] * 60, optimizer="SGD"),
        plain(1e4, [1.0] * 20, optimizer="SGD"),
    ):
        assert list(RULE.check(silent)) == []


def test_clipped_gradients_are_judged_by_their_size_before_and_by_failure_alone() -> None:
    def clipped(run: RunRecord) -> RunRecord:
        (step,) = run.steps
        cut = dataclasses.replace(step, gradient_norm=1.0, clipped_from=1e5, clip_limit=1.0)
        return dataclasses.replace(run, steps=(cut,))

    assert len(list(RULE.check(clipped(plain(1.0, [CHANCE] * 60))))) == 1
    assert list(RULE.check(clipped(plain(1.0, [1.0] * 60, optimizer="SGD")))) == []


def test_a_loss_that_begins_near_zero_by_its_nature() -> None:
    """A policy's surrogate loss is the mean of centred advantages: about 0 at the first step, whatever the gradient."""
    layers = (LayerStats("low", "Linear", weight_norm=1.0, gradient_norm=1.0),)
    losses = (1e-8, *[0.05, 0.3, 0.1] * 20)
    run = RunRecord(RunHeader(batch_size=64), (LossBlock(0, losses),), (StepRecord(0, losses[0], layers=layers),))
    assert list(RULE.check(run)) == []


def test_guessing_costs_nothing_where_there_is_one_class() -> None:
    run = plain(1.0, [1e-3] * 60, chance_loss=1e-11, optimizer="SGD")
    assert list(RULE.check(run)) == []


def recurrent(jumps: int, kind: str = "LSTM", size: float = 500.0, **changes: Any) -> RunRecord:
    layers = [
        (LayerStats("rnn", kind, weight_norm=1.0, gradient_norm=size if step in range(20, 20 + jumps) else 1.0),)
        for step in range(100)
    ]
    steps = tuple(StepRecord(step, 1.0, layers=item, **changes) for step, item in enumerate(layers))
    return RunRecord(RunHeader(batch_size=64), (LossBlock(0, (1.0,) * 100),), steps)


def test_a_recurrent_gradient_that_jumps_again_and_again() -> None:
    (finding,) = RULE.check(recurrent(8))
    assert finding.severity == "warning"
    assert "the gradient of rnn jumps at 8 of 100 sampled steps" in finding.message
    assert "clip_grad_norm_" in finding.remedies[0]
    for silent in (
        recurrent(4),
        recurrent(8, "Linear"),
        recurrent(8, size=50.0),
        recurrent(8, clip_limit=1.0),
    ):
        assert list(RULE.check(silent)) == []


def test_a_recurrent_layer_needs_less_at_the_start() -> None:
    run = plain(300.0, [1.0] * 60, optimizer="SGD")
    assert list(RULE.check(run)) == []
    (step,) = run.steps
    again = dataclasses.replace(step, layers=(*step.layers, LayerStats("low#2", "Linear")))
    (finding,) = RULE.check(dataclasses.replace(run, steps=(again,)))
    assert finding.evidence[0].limit == 100.0

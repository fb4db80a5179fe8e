from __future__ import annotations

import dataclasses
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
from babysit.rules.grd001_vanishing_gradient import VanishingGradient

RULE = VanishingGradient()


@cache
def digits() -> tuple[Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)[order], torch.tensor(y)[order]


def stack(activation: type[nn.Module], layers: int, std: float | None = None, norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    widths, parts = [64, *[100] * (layers - 1)], []
    for before, after in pairwise(widths):
        parts += [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if norm else []), activation()]
    return initialized(nn.Sequential(*parts, nn.Linear(widths[-1], 10)), std)


def convolutions(activation: type[nn.Module], layers: int) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Unflatten(1, (1, 8, 8))]
    for before, after in pairwise([1, *[8] * layers]):
        parts += [nn.Conv2d(before, after, 3, padding=1), activation()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))


def initialized(net: nn.Sequential, std: float | None) -> nn.Sequential:
    for layer in net:
        if isinstance(layer, nn.Linear) and std is not None:
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
    return net


def trained(net: nn.Module, **options: Any) -> RunRecord:
    return fit(net, digits(), threads=1, **{"lr": 0.01, "epochs": 3, "batch_size": 64, **options}).record


@pytest.mark.parametrize(
    ("net", "remedy"),
    [
        (stack(nn.Tanh, 10, std=0.01), "Xavier"),
        (stack(nn.ReLU, 10, std=0.01), "He"),
        (stack(nn.Sigmoid, 8), "replace Sigmoid by ReLU"),
        (convolutions(nn.Sigmoid, 7), "replace Sigmoid by ReLU"),
        (stack(nn.ReLU, 17), "He"),
    ],
    ids=["tanh-0.01", "relu-0.01", "deep-sigmoid", "convolutions-sigmoid", "too-deep-for-torch-default"],
)
def test_real_trainings_whose_gradient_vanishes(net: nn.Module, remedy: str) -> None:
    run = trained(net)
    (finding,) = RULE.check(run)
    assert finding.module == next(layer.module for layer in run.steps[0].layers if layer.weight_norm is not None)
    assert finding.severity == "error"
    assert finding.evidence[0].value < finding.evidence[0].limit
    assert any(remedy in text for text in finding.remedies)
    diagnosis = diagnose(run)
    assert not {"LOS003", "LOS008", "UPD001"} & {item.code for item in diagnosis.findings}


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (stack(nn.ReLU, 9), {"optimizer": "adam", "lr": 1e-3, "epochs": 6}),  # begins at 2e-3 and grows
        (stack(nn.ReLU, 7), {"lr": 0.05, "epochs": 6}),
        (stack(nn.Tanh, 10, std=0.1), {"lr": 0.03}),  # Xavier
        (stack(nn.Sigmoid, 4), {"optimizer": "adam", "lr": 3e-3, "epochs": 6}),
        (stack(nn.Sigmoid, 10, std=0.01, norm=True), {"lr": 0.03}),
        (stack(nn.Tanh, 3, std=0.01), {"lr": 0.1}),  # the lecture: small weights are fine for small networks
        (convolutions(nn.ReLU, 5), {"optimizer": "adam", "lr": 2e-3}),
    ],
    ids=["relu-9", "relu-7", "xavier", "sigmoid-4", "batch-norm", "small-weights-shallow", "convolutions"],
)
def test_real_trainings_that_learn_are_silent(net: nn.Module, options: dict[str, Any]) -> None:
    run = trained(net, **options)
    assert list(RULE.check(run)) == []
    beginning = RunRecord(run.header, (LossBlock(0, run.losses[:40]),), run.steps[:40])
    assert list(RULE.check(beginning)) == []


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def made(
    sensitivity: float = 1e-7,
    *,
    later: float | None = None,
    loss: float = 2.3,
    weight: float = 1.0,
    layers: int = 5,
    steps: int = 60,
) -> RunRecord:
    """A run whose first layers are at ``sensitivity``, and at ``later`` from step 10 on; the last one is well."""

    def at(step: int) -> StepRecord:
        low = sensitivity if later is None or step < 10 else later
        gradients = [low * 2.3 / weight] * (layers - 1) + [1.0]
        return StepRecord(
            step,
            2.3 if step < 5 else loss,
            0.1,
            tuple(
                LayerStats(str(number), "Linear", weight_norm=weight, gradient_norm=gradient)
                for number, gradient in enumerate(gradients)
            ),
        )

    records = tuple(at(step) for step in range(steps))
    return RunRecord(RunHeader(batch_size=64), (LossBlock(0, tuple(item.loss for item in records)),), records)


def test_each_condition_is_needed() -> None:
    (finding,) = RULE.check(made())
    assert "4 of 5 layers" in finding.message
    for silent in (
        made(1e-3),
        made(loss=1.0),  # it learns
        made(layers=3),
        made(steps=15),
        made(weight=1e-4),  # the gradient is large beside the weights: the targets' scale is at fault
        made(later=0.1),  # it grew by itself
        made(0.1, later=1e-7),  # it was well at first: something else has happened
        made(0.0),  # cut off, or dead from the start
    ):
        assert list(RULE.check(silent)) == []


def test_a_gradient_that_sinks_to_zero_has_vanished_all_the_more() -> None:
    assert len(list(RULE.check(made(later=0.0)))) == 1


def test_a_training_that_got_away_in_the_end_is_a_warning() -> None:
    run = made(steps=100)
    losses = run.losses + (1.0,) * 100
    (finding,) = RULE.check(RunRecord(run.header, (LossBlock(0, losses),), run.steps))
    assert finding.severity == "warning"


def record_of(layers: tuple[LayerStats, ...], steps: int = 60, **header: Any) -> RunRecord:
    records = tuple(StepRecord(step, 2.3, 0.1, layers) for step in range(steps))
    return RunRecord(RunHeader(batch_size=64, **header), (LossBlock(0, (2.3,) * steps),), records)


def weighted(*gradients: float, kinds: str = "", weight: float = 1.0) -> tuple[LayerStats, ...]:
    types = kinds.split() or ["Linear"] * len(gradients)
    return tuple(
        LayerStats(str(place), kind, weight_norm=weight, gradient_norm=2.3 * gradient)
        for place, (kind, gradient) in enumerate(zip(types, gradients, strict=True))
    )


def test_a_gradient_that_fades_layer_by_layer() -> None:
    (finding,) = RULE.check(record_of(weighted(5e-5, 2e-4, 1e-2, 0.1, 1.0)))
    assert "in 2 of 5 layers" in finding.message
    assert list(RULE.check(record_of(weighted(5e-4, 2e-3, 1e-2, 0.1, 1.0)))) == []


def test_nothing_arrives_before_a_recurrent_layer() -> None:
    (finding,) = RULE.check(record_of(weighted(1e-11, 0.3, 0.2, kinds="Linear RNN Linear")))
    assert finding.module == "0"
    assert list(RULE.check(record_of(weighted(1e-6, 0.3, 0.2, kinds="Linear RNN Linear")))) == []
    assert list(RULE.check(record_of(weighted(1e-11, 0.3, 0.2)))) == []


def test_branches_that_get_a_millionth() -> None:
    branches = weighted(0.3, *[1e-6] * 6, 0.3)
    norm = LayerStats("norm", "LayerNorm")
    (finding,) = RULE.check(record_of((*branches, norm)))
    assert "in 6 of 8 layers" in finding.message
    assert list(RULE.check(record_of((*weighted(0.3, *[1e-6] * 3, *[0.1] * 4), norm)))) == []


def test_what_is_not_judged() -> None:
    gone = weighted(*[1e-7] * 4, 1.0)
    assert len(list(RULE.check(record_of(gone)))) == 1
    assert list(RULE.check(record_of(gone, progress=False))) == []  # a GAN, whose losses stay where they are
    assert list(RULE.check(record_of((LayerStats("rnn", "LSTM"),)))) == []  # nothing is known
    zero = LayerStats("B", "Linear", weight_norm=0.0, gradient_norm=1.0)
    assert list(RULE.check(record_of((*gone, zero)))) == []  # LoRA


def test_clipping_is_not_vanishing() -> None:
    run = record_of(weighted(*[1e-7] * 4, 1e-6))
    clipped = tuple(
        dataclasses.replace(step, gradient_norm=1e-6, clipped_from=10.0, clip_limit=1e-6) for step in run.steps
    )
    assert list(RULE.check(dataclasses.replace(run, steps=clipped))) == []

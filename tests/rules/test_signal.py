from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules._signal import good_start, has_learnt_nothing, initial_layers, longest_trend, signal_paths
from babysit.testing import record


def linear(name: str, std: float | None, kind: str = "Linear") -> LayerStats:
    return LayerStats(name, kind, std=std, weight_norm=1.0)


def test_paths_run_between_normalisations_and_leave_the_output_out() -> None:
    layers = [
        linear("a", 1.0),
        LayerStats("act", "ReLU", std=0.6),
        linear("b", 0.5, "Conv2d"),
        LayerStats("bn", "BatchNorm2d", std=1.0),
        linear("c", 0.4),
        linear("unmeasured", None),
        linear("embedding", 1.0, "Embedding"),
        linear("output", 0.01),
    ]
    paths = signal_paths(layers, ("Norm",))
    assert [[layer.module for layer in path] for path in paths] == [["a", "b"], ["c"]]
    assert list(signal_paths([], ("Norm",))) == [[]]


def test_the_longest_trend_and_its_factor() -> None:
    path = [linear(str(place), std) for place, std in enumerate((1.0, 0.5, 2.0, 1.0, 0.5, 0.25, 0.3))]
    trend = longest_trend(path, 0.9)
    assert trend is not None
    assert [layer.module for layer in trend.layers] == ["2", "3", "4", "5"]
    assert trend.factor == 0.5
    assert trend.total == 0.125
    assert trend.ends == (2.0, 0.25)
    growing = longest_trend(path, 1.1)
    assert growing is not None
    assert growing.factor in (4.0, 1.2)


def test_one_odd_layer_makes_no_trend() -> None:
    trend = longest_trend([linear(str(place), std) for place, std in enumerate((1.0, 0.85, 0.7, 0.001))], 0.9)
    assert trend is not None
    assert trend.total > 0.5


@pytest.mark.parametrize("odd", [0.0, math.inf, math.nan])
def test_zeros_and_overflow_are_no_trend(odd: float) -> None:
    assert longest_trend([linear("a", 1.0), linear("b", odd), linear("c", 0.5)], 0.9) is None
    assert longest_trend([linear("a", 1.0), linear("b", odd), linear("c", 5.0)], 1.1) is None
    assert longest_trend([], 0.9) is None


def test_only_the_first_step_is_the_start() -> None:
    step = StepRecord(0, 1.0, 0.1, (linear("a", 1.0),))
    assert initial_layers(RunRecord(steps=(step,))) == step.layers
    assert initial_layers(RunRecord(steps=(StepRecord(7, 1.0, 0.1, step.layers),))) == ()
    assert initial_layers(RunRecord()) == ()


def test_the_start_that_suits_the_activations_keeps_the_signal() -> None:
    # the advice is followed: ten layers of 300 units keep between half and twice of the signal's size
    torch.manual_seed(0)
    for kind, initialise in ((nn.ReLU, nn.init.kaiming_normal_), (nn.Tanh, nn.init.xavier_normal_)):
        x = torch.randn(500, 300)
        stds = []
        for _ in range(10):
            weight = torch.empty(300, 300)
            initialise(weight, nonlinearity="relu") if kind is nn.ReLU else initialise(weight)
            x = kind()(x @ weight.T)
            stds.append(float(x.std()))
        assert initialise.__name__ in good_start([LayerStats("a", kind.__name__)])
        assert stds[-1] > (0.5 if kind is nn.ReLU else 0.3) * stds[0]
    assert "if the activations are rectifiers" in good_start([LayerStats("a", "Linear")])


def test_learnt_nothing_is_at_chance_after_enough_steps() -> None:
    flat = [math.log(10)] * 250
    assert has_learnt_nothing(record(flat, chance_loss=math.log(10)))
    assert not has_learnt_nothing(record(flat[:100], chance_loss=math.log(10)))
    assert not has_learnt_nothing(record(flat))
    assert not has_learnt_nothing(record([*flat, *[1.0] * 100], chance_loss=math.log(10)))

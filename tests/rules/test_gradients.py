from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from babysit.measure.record import LayerStats, StepRecord
from babysit.rules._gradients import arrivals


def one(gradient: float | None, weight: float | None, loss: float = 1.0) -> StepRecord:
    return StepRecord(0, loss, layers=(LayerStats("a", gradient_norm=gradient, weight_norm=weight),))


def test_sensitivity_bounds_what_the_loss_really_gains() -> None:
    # a step of ε·‖W‖ straight along the gradient changes the loss by ε × sensitivity of itself, to first order
    torch.manual_seed(0)
    layer, x, y = nn.Linear(5, 3).double(), torch.randn(40, 5).double(), torch.randint(3, (40,))
    loss = functional.cross_entropy(layer(x), y)
    loss.backward()
    gradient, weight, share = layer.weight.grad, layer.weight.detach(), 1e-6
    step = one(float(gradient.norm()), float(weight.norm()), loss.item())
    moved = weight + share * weight.norm() * gradient / gradient.norm()
    gained = functional.cross_entropy(functional.linear(x, moved, layer.bias), y) - loss
    assert arrivals(step)["a"].sensitivity == pytest.approx(gained.item() / loss.item() / share, rel=1e-4)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_no_scale_of_the_loss_changes_it(gradient: float, weight: float, loss: float, scale: float) -> None:
    plain = arrivals(one(gradient, weight, loss))["a"].sensitivity
    scaled = arrivals(one(gradient * scale, weight, loss * scale))["a"].sensitivity
    assert scaled == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize(
    ("gradient", "weight", "loss"),
    [(None, 1.0, 1.0), (math.nan, 1.0, 1.0), (math.inf, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, None, 1.0)]
    + [(1.0, 1.0, bad) for bad in (0.0, -1.0, math.nan, math.inf)],
)
def test_what_has_no_scale_is_left_out(gradient, weight, loss) -> None:
    assert arrivals(one(gradient, weight, loss)) == {}


def test_held_against_another_level() -> None:
    assert arrivals(one(2.0, 3.0, 100.0), level=2.0)["a"].sensitivity == 3.0

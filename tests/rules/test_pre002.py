from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from babysit.rules.pre002_regularization_without_effect import RegularizationWithoutEffect
from babysit.testing import record

RULE = RegularizationWithoutEffect()


def measured(*, forgotten: bool) -> dict[str, float]:
    """A real optimizer's weight decay; ``forgotten`` makes it hold another network's weights."""
    torch.manual_seed(0)
    net, other = nn.Linear(64, 10), nn.Linear(64, 10)
    strength, lr, loss = 10.0, 1e-3, math.log(10)
    optimizer = torch.optim.SGD((other if forgotten else net).parameters(), lr=lr, weight_decay=strength)
    before = float(net.weight.detach().norm())
    for parameter in [*net.parameters(), *other.parameters()]:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    penalty = strength / 2 * before**2
    return {
        "strength": strength,
        "loss_without": loss,
        "loss_with": loss if forgotten else loss + penalty,
        "penalty": penalty,
        "weight_norm_before": before,
        "weight_norm_after": float(net.weight.detach().norm()),
    }


def check(numbers: dict[str, float]):
    return list(RULE.check(record(probes={"regularization": numbers})))


def test_real_weight_decay_is_silent() -> None:
    assert check(measured(forgotten=False)) == []


def test_real_weight_decay_of_the_wrong_parameters() -> None:
    loss, weights = check(measured(forgotten=True))
    assert "does not reach the loss" in loss.message
    assert "does not reach the weights" in weights.message
    assert weights.evidence[0].value == pytest.approx(weights.evidence[0].limit)


GOOD = measured(forgotten=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"loss_with": GOOD["loss_without"] + 0.6 * GOOD["penalty"]}, 0),
        ({"loss_with": GOOD["loss_without"] + 0.4 * GOOD["penalty"]}, 1),
        ({"loss_with": GOOD["loss_without"] - 1}, 1),
        ({"loss_with": GOOD["loss_without"], "penalty": 0.0}, 1),  # no weights are regularised
        ({"loss_with": GOOD["loss_without"], "penalty": 1e-9}, 0),  # below the loss's precision
        ({"loss_with": math.nan}, 1),
        ({"weight_norm_after": GOOD["weight_norm_before"] * 1.1}, 1),
        ({"strength": 0.0, "weight_norm_after": GOOD["weight_norm_before"]}, 0),
    ],
)
def test_limits(changes: dict[str, float], expected: int) -> None:
    assert len(check({**GOOD, **changes})) == expected


def test_only_what_was_measured_is_judged() -> None:
    assert check({"strength": 1.0}) == []
    assert check({}) == []


def test_a_step_of_decay_beyond_zero_is_told_as_such() -> None:
    """Adam divides by the size of the gradient, here that of the decay alone: each weight moves by the rate."""
    torch.manual_seed(0)
    net = nn.Linear(64, 10)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.5, weight_decay=1e-2)
    before = float(net.weight.detach().norm())
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    after = float(net.weight.detach().norm())
    (finding,) = check({"strength": 1e-2, "weight_norm_before": before, "weight_norm_after": after})
    assert "beyond zero" in finding.message
    assert finding.severity == "warning"
    (finding,) = check({"strength": 1e-2, "weight_norm_before": before, "weight_norm_after": before})
    assert "does not reach the weights" in finding.message
    assert finding.severity == "error"

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from babysit.diagnose import diagnose
from babysit.measure.record import RunRecord
from babysit.rules.ini004_late_start import LateStart
from babysit.testing import record

RULE = LateStart()
Fit = Callable[..., RunRecord]
STEPS = np.arange(600)
SADDLE = 2.3 - 2 / (1 + np.exp(-(STEPS - 250) / 20))


def small(depth: int, activation: type[nn.Module], scale: float) -> nn.Sequential:
    """Weights of ``scale`` times what He's scheme gives."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(64, 64), activation()]
    net = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=scale * (2 / 64) ** 0.5)
            nn.init.zeros_(layer.bias)
    return net


@pytest.mark.parametrize(
    ("depth", "activation", "scale", "lr"), [(2, nn.ReLU, 0.05, 0.03), (3, nn.Tanh, 0.1, 0.05)], ids=["relu", "tanh"]
)
def test_real_training_that_starts_late(
    fit: Fit, depth: int, activation: type[nn.Module], scale: float, lr: float
) -> None:
    run = fit(small(depth, activation, scale), lr=lr, epochs=20, schedule="constant")
    (finding,) = RULE.check(run)
    assert finding.last_step is not None
    assert run.losses[finding.last_step - 30] > 2.2  # flat until then
    assert min(run.losses[finding.last_step :]) < 1.0  # and learnt after all
    diagnosis = diagnose(run)
    assert diagnosis.curve.startswith(f"flat until about step {finding.last_step}, then falls suddenly")
    # the remedy helps: with He's scheme the same training learns from its first steps on
    assert list(RULE.check(fit(small(depth, activation, 1.0), lr=lr, epochs=20, schedule="constant"))) == []


def test_a_deep_stack_of_small_weights_is_the_cause(fit: Fit) -> None:
    run = fit(small(4, nn.ReLU, 0.2), lr=0.1, epochs=25, schedule="constant")
    assert len(list(RULE.check(run))) == 1
    diagnosis = diagnose(run)
    assert diagnosis.findings[0].code == "INI002"
    assert diagnosis.folded["INI004"].code == "INI002"


CURVES = {
    "flat": np.full(600, 2.3),
    "decay": 0.3 + 2 * np.exp(-STEPS / 100),
    "slow decay": 0.3 + 2 * np.exp(-STEPS / 600),
    "straight": 2.3 - 2 * STEPS / 600,
    "bent": 2.3 - 2 * (STEPS / 600) ** 2,
    "hardly falls": 2.3 - 0.2 / (1 + np.exp(-(STEPS - 250) / 20)),
    "plateau later": np.where(STEPS < 50, 2.3 - STEPS * 0.01, 1.8 - 1.5 / (1 + np.exp(-(STEPS - 300) / 20))),
    "early": 2.3 - 2 / (1 + np.exp(-(STEPS - 60) / 10)),
}


def noisy(curve: np.ndarray, relative: float, seed: int) -> list[float]:
    return list(curve * (1 + relative * np.random.default_rng(seed).normal(size=len(curve))))


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("name", CURVES)
def test_other_curves_are_silent(name: str, noise: float) -> None:
    for seed in range(5):
        assert list(RULE.check(record(noisy(CURVES[name], noise, seed), lr=0.1, batch_size=64))) == []


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("batch", [8, 64, 1000])
def test_a_saddle_is_recognised_through_noise(noise: float, batch: int) -> None:
    for seed in range(5):
        run = record(noisy(SADDLE, noise, seed), lr=0.1, batch_size=batch)
        (finding,) = RULE.check(run)
        assert finding.last_step == pytest.approx(250 - 20 * np.log(9), abs=25)  # a tenth of a logistic fall


def test_warm_up_planned_steps_and_unknown_rates_are_silent() -> None:
    losses = list(SADDLE)
    assert list(RULE.check(record(losses, lr=list(np.minimum(1, (STEPS + 1) / 250) * 0.1), batch_size=64))) == []
    assert list(RULE.check(record(losses, batch_size=64))) == []
    assert list(RULE.check(record(losses, lr=0.1, batch_size=64, total_steps=5000))) == []
    assert len(list(RULE.check(record(losses, lr=0.1, batch_size=64, total_steps=600)))) == 1


def test_a_healthy_training_is_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from babysit.measure.record import Probe, RunHeader, RunRecord
from babysit.preflight.overfit import fit_by_heart
from babysit.rules import Severity
from babysit.rules.pre003_unfittable_subset import UnfittableSubset

RULE = UnfittableSubset()


def overfitted(lr: float, *, epochs: int = 200, contradictory: bool = False, frozen: bool = False) -> RunRecord:
    """The lecture's check on real data: twenty digits, no regularisation."""
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    inputs = torch.tensor((x[:20] - x.mean()) / x.std(), dtype=torch.float32)
    labels = torch.tensor(y[:20])
    if contradictory:
        inputs[10:] = inputs[:10]
        labels[10:] = (labels[:10] + 1) % 10
    net = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = torch.optim.SGD(net[2:].parameters() if frozen else net.parameters(), lr=lr, momentum=0.9)
    losses, scores = [], []
    for _ in range(epochs):
        outputs = net(inputs)
        loss = functional.cross_entropy(outputs, labels)
        losses.append(loss.item())
        scores.append(float((outputs.argmax(1) == labels).float().mean()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    numbers = {
        "examples": 20,
        "loss": losses[-1],
        "score": scores[-1],
        "epochs": epochs,
        "lr": lr,
        "target_loss": 0.01,
        "initial_loss": losses[0],
    }
    return RunRecord(probes=(Probe("overfit", numbers, {"losses": tuple(losses), "scores": tuple(scores)}),))


def test_real_network_fits_twenty_digits() -> None:
    run = overfitted(0.1)
    assert run.probes[0].numbers["score"] == 1.0
    assert list(RULE.check(run)) == []


def test_real_contradictory_labels_stall() -> None:
    (finding,) = RULE.check(overfitted(0.1, contradictory=True))
    assert finding.severity is Severity.ERROR
    assert "stalled" in finding.message
    assert any("different labels" in remedy for remedy in finding.remedies)


def test_real_divergence() -> None:
    (finding,) = RULE.check(overfitted(1000.0))
    assert "diverged" in finding.message
    assert finding.remedies[0] == "lower the learning rate: lr 1e+03 → 100"


def test_real_low_rate_is_still_falling() -> None:
    (finding,) = RULE.check(overfitted(3e-3, epochs=60))
    assert finding.severity is Severity.WARNING
    assert "still falling" in finding.message or "not yet for sure" in finding.message


def test_right_but_not_for_sure() -> None:
    (finding,) = RULE.check(overfitted(1e-2, epochs=100))
    assert "not yet for sure" in finding.message
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("loss", [math.nan, math.inf, 2.5])
def test_a_loss_over_the_initial_one_diverged(loss: float) -> None:
    run = overfitted(0.1, epochs=5)
    numbers = {**run.probes[0].numbers, "loss": loss, "initial_loss": 2.3}
    (finding,) = RULE.check(RunRecord(probes=(dataclasses.replace(run.probes[0], numbers=numbers),)))
    assert "diverged" in finding.message


def test_numbers_alone_suffice() -> None:
    (finding,) = RULE.check(RunRecord(probes=(Probe("overfit", {"loss": 1.0, "target_loss": 0.01}),)))
    assert "stalled" in finding.message
    assert list(RULE.check(RunRecord(probes=(Probe("overfit"),)))) == []


def fitted(targets: torch.Tensor, *output: nn.Module, task: str = "regression") -> RunRecord:
    """The check of a regression on twenty examples of one feature."""
    torch.manual_seed(0)
    inputs = torch.linspace(-1, 1, 20)[:, None]
    net = nn.Sequential(nn.Linear(1, 50), nn.ReLU(), nn.Linear(50, 1), *output)
    chance = targets.var(correction=0).item()
    probe = fit_by_heart(
        net, lambda model: (functional.mse_loss(model(inputs), targets), math.nan), 20, chance_loss=chance
    )
    return RunRecord(RunHeader(task=task, loss_name="mse_loss", chance_loss=chance), probes=(probe,))


def parabola(noise: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.linspace(-1, 1, 20)[:, None].square() + noise * torch.randn((20, 1), generator=generator)


def test_real_noise_of_the_targets_is_information() -> None:
    run = fitted(parabola(0.1))
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.INFO
    assert "noise of the targets" in finding.message
    (finding,) = RULE.check(dataclasses.replace(run, header=dataclasses.replace(run.header, task="classification")))
    assert finding.severity is not Severity.INFO
    (finding,) = RULE.check(dataclasses.replace(run, header=RunHeader(task="regression")))
    assert finding.severity is not Severity.INFO


@pytest.mark.parametrize("output", [nn.ReLU(), nn.Sigmoid()], ids=str)
def test_real_outputs_that_cannot_reach_the_targets_are_no_noise(output: nn.Module) -> None:
    targets = torch.randn((20, 1), generator=torch.Generator().manual_seed(0)).sort(0).values
    (finding,) = RULE.check(fitted((targets - targets.mean()) / targets.std(), output))
    assert finding.severity is not Severity.INFO

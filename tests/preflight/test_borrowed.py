"""Trainings that differentiate on the way: checked in full where they can be, and refused by name where not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from babysit.errors import InputError
from babysit.preflight.report import Report
from babysit.rules import Severity
from babysit.testing import check_script

HEAD = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))


def task(k=12):
    x = 10 * torch.rand(2 * k, 1) - 5
    y = (1 + 4 * torch.rand(1)) * torch.sin(x + 3 * torch.rand(1))
    return x[:k], y[:k], x[k:], y[k:]


def train(model, loss_of):
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()

"""
OUTSIDE = """
def loss_of():
    losses = []
    for _ in range(4):
        x, y, others, wanted = task()
        own = dict(net.named_parameters())
        slopes = torch.autograd.grad(F.mse_loss(net(x), y), own.values(), create_graph=True)
        fast = {name: item - 0.01 * slope for (name, item), slope in zip(own.items(), slopes)}
        losses.append(F.mse_loss(functional_call(net, fast, (others,)), wanted))
    return sum(losses) / 4

train(net, loss_of)
"""
FUNCTIONAL = """
def inner(weights, x, y):
    return F.mse_loss(functional_call(net, weights, (x,)), y)

def one(weights, x, y, others, wanted):
    slopes = grad(inner)(weights, x, y)
    return inner({name: weights[name] - 0.01 * slopes[name] for name in weights}, others, wanted)

def loss_of():
    tasks = [torch.stack(parts) for parts in zip(*[task() for _ in range(4)])]
    return vmap(one, in_dims=(None, 0, 0, 0, 0))(dict(net.named_parameters()), *tasks).mean()

train(net, loss_of)
"""
INSIDE = """
class Adapted(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net

    def forward(self, x, y, others):
        own = dict(self.net.named_parameters())
        slopes = torch.autograd.grad(F.mse_loss(self.net(x), y), own.values(), create_graph=True)
        fast = {name: item - 0.01 * slope for (name, item), slope in zip(own.items(), slopes)}
        return functional_call(self.net, fast, (others,))

model = Adapted()

def loss_of():
    losses = []
    for _ in range(4):
        x, y, others, wanted = task()
        losses.append(F.mse_loss(model(x, y, others), wanted))
    return sum(losses) / 4

train(model, loss_of)
"""
BARE = """
def tanh_net(x, w, b, v):
    return torch.tanh(x @ w + b) @ v

weights = [nn.Parameter(item) for item in (torch.randn(1, 32), torch.zeros(32), 0.1 * torch.randn(32, 1))]
holder = nn.ParameterList(weights)

def loss_of():
    x, y, others, wanted = task()
    slopes = torch.autograd.grad(F.mse_loss(tanh_net(x, *weights), y), weights, create_graph=True)
    return F.mse_loss(tanh_net(others, *[item - 0.01 * slope for item, slope in zip(weights, slopes)]), wanted)

train(holder, loss_of)
"""
EQUATION = """
def loss_of():
    x = (3.14159 * torch.rand(64, 1)).requires_grad_()
    u = net(x)
    du = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    d2u = torch.autograd.grad(du.sum(), x, create_graph=True)[0]
    ends = net(torch.tensor([[0.0], [3.14159]]))
    return F.mse_loss(d2u, -torch.sin(x)) + F.mse_loss(ends, torch.zeros_like(ends))

train(net, loss_of)
"""


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[str], object]:
    def check(script: str) -> object:
        (tmp_path / "train.py").write_text(HEAD + script)
        return check_script(tmp_path / "train.py", seconds=2.0)

    return check


@pytest.mark.parametrize("script", [OUTSIDE, FUNCTIONAL])
def test_weights_that_are_computed_are_what_the_refusal_names(checked: Callable[[str], object], script: str) -> None:
    error = checked(script)
    assert isinstance(error, InputError)
    assert "found a Sequential with weights that were computed on the way" in str(error)
    assert "put the inner steps into the forward of an nn.Module" in str(error)


@pytest.mark.parametrize("script", [INSIDE, BARE, EQUATION])
def test_gradients_on_the_way_are_taken_in_every_check(checked: Callable[[str], object], script: str) -> None:
    report = checked(script)
    assert isinstance(report, Report)
    assert [item.message for item in report.findings if item.severity is not Severity.INFO] == []
    assert [item.name for item in report.checks if "grad" in item.measured and "Error" in item.measured] == []
    assert next(item.mark for item in report.checks if item.name == "determinism") == "passed"


def test_each_call_of_a_step_has_a_level_of_its_own(checked: Callable[[str], object]) -> None:
    """Two targets, the first of them small: what guessing loses is the sum of their variances."""
    script = """
first, second = nn.Linear(1, 1), nn.Linear(1, 1)
x = torch.randn(64, 1)
wanted = 0.1 * torch.randn(64, 1), 3 * torch.randn(64, 1)

def loss_of():
    return F.mse_loss(first(x) * 0.01, wanted[0]) + F.mse_loss(second(x) * 0.01, wanted[1])

train(nn.ModuleList([first, second]), loss_of)
"""
    report = checked(script)
    assert isinstance(report, Report)
    probe = report.record.probe("initial-loss")
    assert probe is not None
    assert probe.numbers["expected"] == pytest.approx(0.01 + 9, rel=0.3)
    assert "PRE001" not in {item.code for item in report.findings}

"""The rate that a training is given, beside the rates that were tried before it."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import babysit as bs
from babysit.rules import Finding, Severity

Data = tuple[Tensor, Tensor]
Make = Callable[[list[nn.Parameter], float], torch.optim.Optimizer]

ADAM: Make = torch.optim.AdamW
SGD: Make = functools.partial(torch.optim.SGD, momentum=0.9)


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))


def found(model: nn.Module, data: Data, optimizer: torch.optim.Optimizer) -> dict[str, Finding]:
    x, y = data
    loader = DataLoader(TensorDataset(x / 4, y), batch_size=64, shuffle=True)
    findings = bs.check(model, nn.CrossEntropyLoss(), loader, optimizer).findings
    return {item.code: item for item in findings if "learning rate" in item.message}


@pytest.mark.parametrize(("build", "make", "rate"), [(mlp, SGD, 1e-6), (convolutional, ADAM, 1e-7)])
def test_a_rate_that_is_too_low(build, make: Make, rate: float, digits: Data) -> None:
    model = build()
    (finding,) = found(model, digits, make(list(model.parameters()), rate)).values()
    assert (finding.code, finding.severity) == ("LOS003", Severity.WARNING)
    assert f"the learning rate is too low (lr {rate:.3g})" in finding.message
    # in training it shows, too, and the rate of the remedy does better by far
    wanted = float(finding.remedies[0].rpartition("→")[2])
    assert trained(build(), digits, make, wanted) < 0.5 < 2.0 < trained(build(), digits, make, rate)


@pytest.mark.parametrize(("build", "make", "rate"), [(mlp, SGD, 10.0), (convolutional, ADAM, 3.0)])
def test_a_rate_that_is_too_high(build, make: Make, rate: float, digits: Data) -> None:
    model = build()
    (finding,) = found(model, digits, make(list(model.parameters()), rate)).values()
    assert (finding.code, finding.severity) == ("LOS002", Severity.WARNING)
    assert f"the learning rate is too high (lr {rate:.3g})" in finding.message
    wanted = float(finding.remedies[0].rpartition("→")[2])
    assert trained(build(), digits, make, wanted) < 0.5 < trained(build(), digits, make, rate)


@pytest.mark.parametrize(("build", "make", "rate"), [(mlp, ADAM, 1e-4), (mlp, SGD, 0.1), (convolutional, SGD, 1e-2)])
def test_a_usual_rate(build, make: Make, rate: float, digits: Data) -> None:
    model = build()
    assert not found(model, digits, make(list(model.parameters()), rate))


def trained(model: nn.Module, data: Data, make: Make, rate: float) -> float:
    """The loss after two hundred steps."""
    optimizer = make(list(model.parameters()), rate)
    x, y = data
    for step in range(200):
        rows = torch.arange(step * 64, step * 64 + 64) % len(x)
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows] / 4), y[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        return float(F.cross_entropy(model(x / 4), y))


@pytest.mark.parametrize("kind", ["scheduled", "by hand", "Noam"])
def test_a_warm_up_is_neither_too_low_nor_too_high(kind: str, digits: Data) -> None:
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0 if kind == "Noam" else 1e-3)
    if kind == "scheduled":
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) / 1e5)
    elif kind == "by hand":
        optimizer.param_groups[0]["lr"] = 1e-8
    else:
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 64**-0.5 * (step + 1) * 4000**-1.5)
    assert not found(model, digits, optimizer)


def test_where_gradients_are_clipped_a_high_rate_may_be_meant(digits: Data) -> None:
    def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    model = mlp()
    (finding,) = found(model, digits, SGD(list(model.parameters()), 10.0)).values()
    assert finding.severity is Severity.INFO
    assert "unless clipping" in finding.message


SCRIPT = """
import sys
import torch
from torch import nn
from torch.nn import functional as F

def step(model, optimizer, x, y):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    {clip}
    optimizer.step()

def main():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]))
    x = torch.randn(640, 20)
    y = (x @ torch.randn(20, 5)).argmax(1)
    for start in range(0, 640, 32):
        step(model, optimizer, x[start:start + 32], y[start:start + 32])

main()
"""


@pytest.mark.parametrize(
    ("rate", "clip", "code", "said"),
    [
        ("1e-6", "pass", 1, "warning LOS003"),
        ("30", "nn.utils.clip_grad_norm_(model.parameters(), 0.1)", 0, "info LOS002"),
    ],
)
def test_of_a_script(rate: str, clip: str, code: int, said: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(clip=clip))
    command = [sys.executable, "-m", "babysit", "check", "--fail-on", "warning", str(script), rate]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (code, "")
    assert said in ended.stdout

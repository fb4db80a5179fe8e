from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.measure.record import Probe, RunRecord
from babysit.preflight.batch import Batch
from babysit.preflight.gradient import probe_gradient
from babysit.preflight.subject import Subject, call
from babysit.rules import Severity
from babysit.rules.pre004_gradient_mismatch import GradientMismatch

RULE = GradientMismatch()


class Swish(torch.autograd.Function):
    """x·σ(x) with a backward of its own, times a factor."""

    factor: Any = 1.0

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs)
        return inputs * inputs.sigmoid()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (inputs,) = ctx.saved_tensors
        share = inputs.sigmoid()
        return gradient * Swish.factor * (share + inputs * share * (1 - share))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 6))
        self.head = nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(Swish.apply(self.body(inputs)))


def check(factor: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Swish, "factor", factor)
    torch.manual_seed(0)
    batch = Batch(torch.randn(8, 10), torch.arange(8) % 3, 8)
    subject = Subject(Net(), batch, call, lambda model, some: F.cross_entropy(call(model, some), some.targets))
    return list(RULE.check(RunRecord(probes=(probe_gradient(subject),))))


def test_real_backward_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(1.0, monkeypatch) == []


def test_real_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = check(-1.0, monkeypatch)
    assert finding.severity is Severity.ERROR
    assert "the sign is wrong" in finding.message
    assert "4 of 6 parameters are wrong: body.0.weight, body.0.bias, body.2.weight and 1 more" in finding.message
    assert finding.module.startswith("body.")
    assert finding.evidence[0].value == pytest.approx(2.0, rel=1e-3)


def test_real_missing_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = check(0.5, monkeypatch)
    assert "it is 0.5 times what it should be" in finding.message


def test_real_error_of_one_per_cent_in_one_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = check(torch.tensor([1, 1, 1, 1.01, 1, 1], dtype=torch.float64), monkeypatch)
    assert finding.severity is Severity.ERROR
    assert 0.009 < finding.evidence[0].value < 0.1  # more than 1 % where the terms of a gradient nearly cancel


def test_real_cut_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = check(0.0, monkeypatch)
    assert "no gradient arrives" in finding.message


def probed(error: float, analytic: float = 1.0, numeric: float = 1.0, **texts: str) -> RunRecord:
    numbers = {"error": error, "autograd": analytic, "difference": numeric}
    return RunRecord(probes=(Probe("gradient", numbers, texts={"parameter": "a.bias", "index": "[3]", **texts}),))


@pytest.mark.parametrize(
    ("error", "severity"),
    [(0.0, None), (2e-5, None), (9e-4, None), (1.1e-3, "warning"), (4e-3, "warning"), (9e-3, "error"), (2.0, "error")],
)
def test_limits(error: float, severity: str | None) -> None:
    found = [finding.severity for finding in RULE.check(probed(error))]
    assert found == ([severity] if severity else [])


def test_it_names_the_entry_and_both_values() -> None:
    (finding,) = RULE.check(probed(0.5, 0.123456, 0.246912, when="after 10 steps"))
    assert "a.bias[3] after 10 steps is 0.12346 by autograd, but the loss changes by 0.24691" in finding.message
    assert finding.module == "a"
    assert [item.value for item in finding.evidence] == [0.5, 0.123456, 0.246912]


@pytest.mark.parametrize(("analytic", "numeric"), [(1.0, 0.0), (1e308, 1e-308), (0.0, 1.0)])
def test_any_two_numbers_are_said(analytic: float, numeric: float) -> None:
    (finding,) = RULE.check(probed(1.0, analytic, numeric))
    assert "inf" not in finding.message


def test_a_probe_that_only_says_why_is_not_judged() -> None:
    assert list(RULE.check(RunRecord(probes=(Probe("gradient", texts={"reason": "float32 only"}),)))) == []
    assert not RULE.applies(RunRecord())

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from babysit.measure.record import LossCall, Numbers, RunRecord
from babysit.rules import Severity
from babysit.rules.los002_exploding_loss import ExplodingLoss
from babysit.testing import record
from babysit.watch import Monitor

RULE = ExplodingLoss()


def test_real_training_at_a_rate_far_too_high(train) -> None:
    run = train(lr=100.0)
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.ERROR
    largest = finding.evidence[0]
    assert largest.limit == pytest.approx(3 * max(run.losses[0], math.log(10)), rel=0.01)
    assert largest.value > largest.limit
    assert run.losses[finding.first_step] > largest.limit
    assert finding.remedies[0] == "lower the learning rate: lr 100 → 10"


def test_real_training_that_exploded_and_came_back(train) -> None:
    (finding,) = RULE.check(train(data="friedman", optimizer="adam", lr=0.3, schedule="cosine"))
    assert finding.severity is Severity.INFO
    assert "came back" in finding.message


def test_real_healthy_trainings_are_silent(train) -> None:
    assert list(RULE.check(train(lr=0.1))) == []
    assert list(RULE.check(train(data="friedman", lr=0.01, batch=1, epochs=1))) == []


def noisy(seed: int = 0, steps: int = 400) -> list[float]:
    rng = np.random.default_rng(seed)
    return list(2.3 * 0.98 ** np.arange(steps) * rng.gamma(8, 1 / 8, steps))


def test_one_wild_batch_is_no_explosion() -> None:
    losses = noisy()
    losses[300] = losses[120] = 40.0
    assert list(RULE.check(record(losses, batch_size=64))) == []


def test_a_lucky_first_batch_of_one_example_is_no_explosion() -> None:
    rng = np.random.default_rng(1)
    losses = [0.001, *rng.chisquare(1, 2000)]
    assert list(RULE.check(record(losses, batch_size=1))) == []
    assert list(RULE.check(record(losses, batch_size=1, chance_loss=1.0))) == []


def test_growth_that_stays_is_found_with_its_step() -> None:
    losses = [2.3] * 50 + [2.3 * 1.1**step for step in range(60)]
    (finding,) = RULE.check(record(losses, batch_size=64, lr=[0.1] * 110))
    assert finding.first_step == 50 + math.ceil(math.log(3) / math.log(1.1))
    assert finding.last_step == 109


@pytest.mark.parametrize("losses", [[2.3, 50.0], [2.3, 2.4, 3.0, 8.0], [2.3, 1.9, 1.7, 4.0, 7.5]])
def test_a_training_stopped_while_climbing(losses: list[float]) -> None:
    (finding,) = RULE.check(record(losses, batch_size=200))
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize("losses", [[], [2.3], [900.0], [2.3, 6.8], [0.0, 0.0, 0.0]])
def test_silent_without_evidence(losses: list[float]) -> None:
    assert list(RULE.check(record(losses))) == []


def test_a_loss_below_zero_has_no_scale() -> None:
    assert list(RULE.check(record([0.1, -0.5, 30.0, 40.0, 50.0, 60.0, 70.0]))) == []


def test_the_measured_initial_loss_counts() -> None:
    losses = [1.0] + [4.0] * 20
    assert len(list(RULE.check(record(losses)))) == 1
    probed: RunRecord = record(losses, probes={"initial-loss": {"loss": 2.0}})
    assert list(RULE.check(probed)) == []


class Quantizer(nn.Module):
    """The nearest of 64 codes, with a straight-through gradient; its losses as different people write them."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self.written = written
        self.codes = nn.Embedding(64, 16)
        nn.init.uniform_(self.codes.weight, -1 / 64, 1 / 64)

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        code = self.codes(torch.cdist(z, self.codes.weight).argmin(dim=1))
        if self.written == "by hand":
            loss = 0.25 * ((code.detach() - z) ** 2).mean() + ((code - z.detach()) ** 2).mean()
        elif self.written == "the other way round":
            loss = F.mse_loss(code, z.detach()) + 0.25 * F.mse_loss(code.detach(), z)
        else:
            loss = F.mse_loss(code, z.detach()) + 0.25 * F.mse_loss(z, code.detach())
        return z + (code - z).detach(), loss


def quantized(written: str, *, lr: float = 1e-3, epochs: int = 10) -> tuple[RunRecord, list[float]]:
    """A VQ-VAE of the digits, and what it reconstructs with at each step."""
    torch.manual_seed(0)
    x = torch.tensor(load_digits().data, dtype=torch.float32)
    x = (x - x.mean()) / x.std()
    encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64))
    decoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64))
    quantizer, errors = Quantizer(written), []
    optimizer = torch.optim.Adam([*encoder.parameters(), *quantizer.parameters(), *decoder.parameters()], lr=lr)
    with Monitor() as monitor:
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(64):
                code, own = quantizer(encoder(x[rows]).view(-1, 16))
                error = F.mse_loss(decoder(code.view(-1, 64)), x[rows])
                optimizer.zero_grad()
                (error + own).backward()
                optimizer.step()
                errors.append(error.item())
    (run,) = monitor.records
    return run, errors


@pytest.mark.parametrize("written", ["as usual", "the other way round"])
@pytest.mark.parametrize("epochs", [2, 10])  # stopped while it climbs, and after
def test_codes_and_features_that_grow_together_are_no_explosion(written: str, epochs: int) -> None:
    run, errors = quantized(written, epochs=epochs)
    assert max(run.losses) > 10 * run.losses[0]
    assert max(errors) < 1.2 * errors[0]
    assert errors[-1] < 0.8 * errors[0]
    assert list(RULE.check(run)) == []
    calls = run.called("train")
    assert [call.of_itself for call in calls[:3]] == [True, True, False]
    assert run.header.chance_loss is None  # what the model makes itself is no target that could be guessed


def test_a_part_written_by_hand_that_grew_is_told() -> None:
    run, errors = quantized("by hand")
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.INFO
    assert "another part grew" in finding.message
    assert "learning rate is too high" not in finding.message
    assert finding.evidence[2].value == pytest.approx(max(np.convolve(errors, np.ones(5) / 5, "valid")), rel=0.05)


@pytest.mark.parametrize("written", ["as usual", "by hand"])
def test_a_quantizer_that_explodes_with_all_it_learns(written: str) -> None:
    run, errors = quantized(written, lr=1.0)
    assert max(errors) > 100 * errors[0]
    (finding,) = RULE.check(run)
    assert finding.severity is Severity.ERROR
    assert "the learning rate is too high" in finding.message


def parts(losses: list[float], against_data: list[float], *, of_itself: bool) -> RunRecord:
    """A sum of a part against data and of a rest, which the model makes itself or which no function computes."""
    numbers = Numbers(0.0, 1.0, -1.0, 1.0)
    calls = [
        LossCall(step, "train", "mse_loss", value, (64, 1), (64, 1), numbers, numbers)
        for step, value in enumerate(against_data)
    ]
    if of_itself:
        rest = [whole - part for whole, part in zip(losses, against_data, strict=True)]
        calls += [
            LossCall(step, "train", "mse_loss", value, (64, 8), (64, 8), numbers, numbers, of_itself=True)
            for step, value in enumerate(rest)
        ]
    return dataclasses.replace(record(losses, batch_size=64), calls=tuple(calls))


RISES = [1.1 * 1.1**step for step in range(60)]
FALLS = [0.98**step for step in range(60)]


@pytest.mark.parametrize(
    ("against_data", "of_itself", "severity"),
    [
        (FALLS, True, None),
        (FALLS, False, Severity.WARNING),  # it ends with it
        ([1.0] * 60, True, Severity.ERROR),  # nothing was learnt meanwhile
        ([whole - 0.1 for whole in RISES], True, Severity.ERROR),
        ([1.0] * 8, False, Severity.ERROR),  # hardly looked at
    ],
)
def test_which_part_of_a_sum_grew(against_data: list[float], of_itself: bool, severity: Severity | None) -> None:
    losses = RISES[: len(against_data)] if of_itself else RISES
    run = parts(losses, against_data, of_itself=of_itself)
    assert [finding.severity for finding in RULE.check(run)] == ([] if severity is None else [severity])


def test_a_part_that_is_as_large_as_a_number_can_be_does_not_overflow() -> None:
    run = parts([1.0, *[1e30] * 59], [1.0, *[1e308] * 59], of_itself=False)
    calls = [call for call in run.calls for _ in range(3)]
    (finding,) = RULE.check(dataclasses.replace(run, calls=tuple(calls)))
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("made_by", "label", "peak", "codes"),
    [("div", 0, 6.0, 0), ("div", 0, 9.0, 1), ("addmm", 0, 6.0, 1), ("div", 1, 6.0, 1)],
)
def test_a_contrastive_loss_may_rise_to_that_of_guessing(made_by: str, label: int, peak: float, codes: int) -> None:
    """Of 513 candidates the first is right; ln 513 is 6.24."""
    numbers = Numbers(0.0, 1.0, -1.0, 1.0)
    calls = tuple(
        LossCall(
            step, "train", "cross_entropy", 0.1, (64, 513), (64,), numbers,
            Numbers(0.0, 0.0, 0.0, float(label)), made_by, classes=513,
        )
        for step in range(4)
    )  # fmt: skip
    losses = [0.1] * 10 + [peak] * 90
    assert len(list(ExplodingLoss().check(dataclasses.replace(record(losses), calls=calls)))) == codes

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from babysit.measure.record import Probe, RunHeader, RunRecord
from babysit.rules import Severity
from babysit.rules.pre001_unexpected_initial_loss import UnexpectedInitialLoss

RULE = UnexpectedInitialLoss()


def probed(loss: float, expected: float = math.log(10), spread: float = 0.0, **header) -> RunRecord:
    probe = Probe(
        "initial-loss", {"loss": loss, "expected": expected, "spread": spread}, texts={"loss_name": "cross_entropy"}
    )
    return RunRecord(RunHeader(**header), probes=(probe,))


def measured(scale: float, reduction: str = "mean", leak: bool = False) -> RunRecord:
    """The initial loss of a real network over batches of 64 digits."""
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    inputs = torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)
    labels = torch.tensor(y)
    net = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    with torch.no_grad():
        net[2].weight.mul_(scale)
        outputs = net(inputs) + (3.0 * functional.one_hot(labels) if leak else 0.0)
        losses = torch.stack(
            [
                functional.cross_entropy(output, label, reduction=reduction)
                for output, label in zip(outputs.split(64)[:-1], labels.split(64)[:-1], strict=True)
            ]
        )
    return probed(float(losses.mean()), spread=float(losses.std()), batch_size=64, classes=10, task="classification")


def test_real_network_starts_at_ln_10() -> None:
    assert list(RULE.check(measured(1.0))) == []


def test_real_network_with_a_large_last_layer() -> None:
    (finding,) = RULE.check(measured(40.0))
    assert finding.severity is Severity.ERROR
    assert "outputs are too large" in finding.message
    assert "ln 10" in finding.message
    assert finding.evidence[0].limit == pytest.approx(2.302585)


@pytest.mark.parametrize(("scaled", "severity"), [(2.4, Severity.WARNING), (9.0, Severity.ERROR)])
def test_a_loss_that_scaled_inputs_mend_is_the_inputs(scaled: float, severity: Severity) -> None:
    run = probed(12.0)
    numbers = {**run.probes[0].numbers, "loss_of_scaled": scaled}
    (finding,) = RULE.check(replace(run, probes=(replace(run.probes[0], numbers=numbers),)))
    assert finding.severity is severity
    assert ("scale makes it" in finding.message) is (severity is Severity.WARNING)


@pytest.mark.parametrize(
    ("halved", "severity"),
    [(20.0, "info"), (14.0, "error"), (None, "error")],  # of 20: 2.3 and an excess of 17.7, of which 0.7 is 12.4
)
def test_a_scale_that_the_weights_do_not_make_is_information(halved: float | None, severity: str) -> None:
    run = probed(20.0)
    numbers = run.probes[0].numbers | ({} if halved is None else {"loss_of_halved": halved})
    (finding,) = RULE.check(replace(run, probes=(replace(run.probes[0], numbers=numbers),)))
    assert finding.severity == severity
    assert ("a scale that is fixed in the model" in finding.message) is (severity == "info")
    assert ("smaller weights" in " ".join(finding.remedies)) is (severity == "error")


@pytest.mark.parametrize(
    ("offset", "loss", "said"), [(1.2, 2.5, ""), (5.0, 27.0, "lie 5 of"), (1.2, 9.0, "too large"), (2.0, 2.6, "")]
)
def test_targets_off_zero(offset: float, loss: float, said: str) -> None:
    """Of spread 1: outputs near zero lose 1 + offset²; what is above that is the outputs'."""
    run = probed(loss, 1.0, task="regression")
    numbers = {**run.probes[0].numbers, "target_offset": offset}
    probe = replace(run.probes[0], numbers=numbers, texts={"loss_name": "mse_loss"})
    found = list(RULE.check(replace(run, probes=(probe,))))
    assert [said in item.message for item in found] == [True] * bool(said)
    assert [item.severity for item in found] == [Severity.WARNING if "lie" in said else Severity.ERROR] * bool(said)


def test_real_sum_in_place_of_a_mean() -> None:
    (finding,) = RULE.check(measured(1.0, reduction="sum"))
    assert "sums over the batch" in finding.message
    assert "reduction='mean'" in finding.remedies[0]


def test_real_labels_among_the_inputs() -> None:
    (finding,) = RULE.check(measured(1.0, leak=True))
    assert "lower than guessing" in finding.message
    assert "labels among the inputs" in finding.remedies[0]


@pytest.mark.parametrize(
    ("factor", "severity"),
    [(0.4, "error"), (0.7, "warning"), (0.85, None), (1.0, None), (1.45, None), (1.7, "warning"), (2.1, "error")],
)
def test_limits(factor: float, severity: str | None) -> None:
    found = [finding.severity for finding in RULE.check(probed(factor * math.log(10)))]
    assert found == ([severity] if severity else [])


def test_a_difference_within_the_spread_over_batches_is_silent() -> None:
    assert list(RULE.check(probed(4.0, spread=1.0))) == []
    assert len(list(RULE.check(probed(4.0, spread=0.5)))) == 1


@pytest.mark.parametrize(
    ("nearest", "away", "told"),
    [(5.0, 0.0, True), (4.0, 0.0, False), (30.0, 3.0, False), (50.0, 3.0, True), (50.0, 5.0, True)],
)  # of ln 10, 2 × as much is 4.6; where outputs may begin 3 deviations or further away, 2 × (1 + 9) × is 46
def test_where_every_batch_is_far_too_high_the_spread_over_them_does_not_matter(
    nearest: float, away: float, told: bool
) -> None:
    run = probed(90.0, spread=50.0)
    numbers = {**run.probes[0].numbers, "nearest": nearest, "output_offset": away}
    found = list(RULE.check(replace(run, probes=(replace(run.probes[0], numbers=numbers),))))
    assert [item.severity for item in found] == [Severity.ERROR] * told


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_an_error(loss: float) -> None:
    (finding,) = RULE.check(probed(loss))
    assert finding.severity is Severity.ERROR
    assert "not finite" in finding.message


def test_divided_twice() -> None:
    (finding,) = RULE.check(probed(math.log(10) / 32, batch_size=32))
    assert "divided by the batch size twice" in finding.message


def test_regression_names_the_targets() -> None:
    (finding,) = RULE.check(probed(2.5e4, expected=6e3, task="regression"))
    assert "centre the targets" in finding.remedies[0]


def test_targets_far_beyond_any_scale_do_not_overflow() -> None:
    run = probed(2.5, 1.0, task="regression")
    numbers = {**run.probes[0].numbers, "target_offset": 1e200}
    (finding,) = RULE.check(replace(run, probes=(replace(run.probes[0], numbers=numbers),)))
    assert "standard deviations from zero" in finding.message


@pytest.mark.parametrize("expected", [0.0, -1.0, math.nan, math.inf])
def test_silent_without_an_expectation(expected: float) -> None:
    assert list(RULE.check(probed(2.3, expected=expected))) == []
    assert not RULE.applies(RunRecord())

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from babysit.diagnose import diagnose
from babysit.fit import fit
from babysit.measure.record import LayerStats, LossBlock, Origin, RunHeader, RunRecord, StepRecord
from babysit.rules.grd003_nonfinite_gradient import NonfiniteGradient

RULE = NonfiniteGradient()


class Spread(nn.Module):
    """The root of each map's variance: its value at a constant map is 0, its derivative there is infinity × 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).var(dim=2).sqrt()


class Length(nn.Module):
    """The units and their length, a root of squares: where all are 0, an infinite slope times a slope of 0."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.pow(2).sum(dim=1, keepdim=True).sqrt()], dim=1)


def blank_images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 1, 6, 6, generator=generator)
    x[70] = 0.0  # one image without anything on it
    return x, (x.std(dim=(1, 2, 3)) > 1).long()


def vectors() -> tuple[Tensor, Tensor]:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    x[70] = 0.0
    return x, (x.sum(dim=1) > 0).long()


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 1), nn.ReLU(), Spread(), nn.Linear(8, 2))


def fully_connected() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False), Length(), nn.Linear(5, 2))


@pytest.mark.parametrize(
    ("net", "data", "broken", "above"),
    [(convolutional(), blank_images(), "0", "3"), (fully_connected(), vectors(), "2", "4")],
    ids=["spread-of-a-constant-map", "root-of-zero"],
)
def test_real_trainings_whose_backward_pass_breaks(net, data, broken: str, above: str) -> None:
    run = fit(net, data, lr=0.01, epochs=2, batch_size=20, threads=1).record
    (finding,) = RULE.check(run)
    assert finding.module == broken
    assert f"something between it and layer {above} breaks" in finding.message
    assert math.isfinite(run.losses[finding.first_step])
    diagnosis = diagnose(run)
    assert [item.code for item in diagnosis.findings] == ["GRD003"]
    assert diagnosis.folded["LOS001"].code == "GRD003"


def test_an_explosion_is_the_losses_matter() -> None:
    torch.manual_seed(0)
    run = fit(nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 2)), vectors(), lr=1e9, threads=1).record
    assert list(RULE.check(run)) == []
    assert diagnose(run).findings[0].code in ("LOS001", "LOS002")


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def made(broken: int, steps: int = 200, *, update: float = 0.0, bad: float = math.inf, losses=None) -> RunRecord:
    """The first ``broken`` steps have a gradient that is not finite, and an update of that norm."""
    losses = losses or [2.3] * steps
    return RunRecord(
        RunHeader(batch_size=64),
        (LossBlock(0, tuple(losses)),),
        tuple(
            StepRecord(
                step,
                loss,
                layers=(
                    LayerStats("a", weight_norm=1.0, gradient_norm=bad if step < broken else 1.0, update_norm=update),
                ),
            )
            for step, loss in enumerate(losses)
        ),
    )


def test_the_search_of_a_gradient_scaler_is_no_alarm() -> None:
    assert list(RULE.check(made(16))) == []
    assert list(RULE.check(made(3, steps=3))) == []
    (finding,) = RULE.check(made(60))
    assert finding.severity == "warning"
    assert "skipped" in finding.message


def test_one_that_reached_the_weights_is_an_error() -> None:
    (finding,) = RULE.check(made(1, update=math.nan, bad=math.nan))
    assert finding.severity == "error"
    assert "something between it and the loss breaks" in finding.message


@pytest.mark.parametrize("losses", [[math.nan] * 9, [2.3, 50.0, 50.0], [2.3, math.inf, math.inf]], ids=str)
def test_a_loss_that_went_wrong_before_or_with_it_is_the_cause(losses: list[float]) -> None:
    run = made(len(losses), update=math.nan, bad=math.nan, losses=losses)
    later = RunRecord(run.header, run.blocks, run.steps[1:] or run.steps)
    assert list(RULE.check(later)) == []


def unsampled(losses: list[float], origin: Origin) -> RunRecord:
    """The step at which it broke was not sampled: all that is known are the weights it left."""
    run = made(0, losses=losses)
    return dataclasses.replace(run, steps=run.steps[:2], origins=(origin,))


FALLING = [2.3 * 0.99**step for step in range(40)]


def test_weights_that_are_nan_tell_of_a_gradient_that_nobody_sampled() -> None:
    (finding,) = RULE.check(unsampled([*FALLING, math.nan], Origin(39, "gradient", "fc2", "sqrt")))
    assert finding.severity == "error"
    assert finding.module == "fc2"
    assert finding.first_step == 39
    assert "at step 39, where the loss is 1.55" in finding.message
    assert "(sqrt)" in finding.message
    assert "torch.sqrt(x.clamp_min(0) + 1e-8)" in finding.remedies[0]


def test_it_is_the_cause_of_the_loss_that_follows() -> None:
    diagnosis = diagnose(unsampled([*FALLING, math.nan, math.nan], Origin(39, "gradient", "fc2")))
    assert [finding.code for finding in diagnosis.findings] == ["GRD003"]
    assert diagnosis.folded["LOS001"].code == "GRD003"


@pytest.mark.parametrize(
    ("losses", "origin"),
    [
        ([*FALLING, math.nan], Origin(40, "forward", "fc2")),
        ([*FALLING, math.nan], Origin(39, "weights", "fc2")),
        ([2.3, 50.0, 1e9, math.nan], Origin(2, "gradient", "fc2")),  # it had exploded before
        ([2.3, math.nan, math.nan], Origin(1, "gradient", "fc2")),  # the loss was no number either
        ([2.3, math.nan], Origin(9, "gradient", "fc2")),
    ],
)
def test_other_origins_are_the_losses_matter(losses: list[float], origin: Origin) -> None:
    assert list(RULE.check(unsampled(losses, origin))) == []


def test_a_sampled_gradient_takes_its_operation_from_the_origin() -> None:
    run = made(1, update=math.nan, bad=math.nan)
    (finding,) = RULE.check(dataclasses.replace(run, origins=(Origin(0, "gradient", "b", "acos"),)))
    assert finding.module == "a"
    assert "±(1 − 1e-6)" in finding.remedies[0]

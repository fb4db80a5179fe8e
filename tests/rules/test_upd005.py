from __future__ import annotations

import math
from typing import Any

import pytest

from babysit.measure.record import LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.rules import Severity
from babysit.rules.upd005_decay_dominates import DecayDominates

RULE = DecayDominates()


def run(
    share: float | None = 5.0,
    left: float = 0.05,
    *,
    loss: float = 2.3,
    decay: float | None = 0.1,
    steady: int = 0,
    steps: int = 60,
    grown: float = 1.0,
    **header: Any,
) -> RunRecord:
    """Three layers that shrink to ``left`` of their norm, ``steady`` others that keep it.

    With ``grown``, the first update makes the weights of the three that much larger.
    """

    def layers(step: int) -> tuple[LayerStats, ...]:
        norm = left ** (step / (steps - 1)) * (grown if step else 1.0)
        fading = [
            LayerStats(f"fc{n}", "Linear", weight_norm=norm, decay_norm=decay, decay_share=share) for n in range(3)
        ]
        kept = [
            LayerStats(f"keep{n}", "Linear", weight_norm=1.0, decay_norm=1e-4, decay_share=1e-3) for n in range(steady)
        ]
        return (*fading, *kept)

    losses = (2.3, *[loss] * (steps - 1))
    return RunRecord(
        RunHeader(batch_size=64, **header),
        (LossBlock(0, losses),),
        tuple(StepRecord(step, value, 0.1, layers(step)) for step, value in enumerate(losses)),
    )


def test_weights_that_fade_under_the_decay() -> None:
    (finding,) = RULE.check(run())
    assert finding.severity is Severity.ERROR
    assert finding.module == "fc0"
    assert "weight decay takes 5 times as much as the gradient gives in 3 of 3 layers" in finding.message
    assert "come down to 0.05" in finding.message
    (finding,) = RULE.check(run(loss=1.5))
    assert finding.severity is Severity.WARNING


def test_where_no_gradient_is_left_at_all() -> None:
    (finding,) = RULE.check(run(share=None))
    assert "weight decay takes all of the step in 3 of 3 layers" in finding.message


@pytest.mark.parametrize(
    "silent",
    [
        run(share=0.01),
        run(left=0.8),  # a healthy decay
        run(loss=0.5),  # near the floor of the loss the gradient is small by right
        run(decay=None, share=None),
        run(decay=0.0),
        run(share=math.nan),
        run(steady=4),  # most layers keep their size
        run(steps=15),
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []


def test_weights_that_stand_above_their_start_do_not_fade() -> None:
    assert len(list(RULE.check(run(left=0.2, grown=4.0)))) == 1  # 0.8 of what they were
    assert list(RULE.check(run(left=0.3, grown=4.0))) == []  # the steps have driven them up to 1.2


def test_models_against_each_other_say_nothing_by_their_loss() -> None:
    (finding,) = RULE.check(run(loss=0.5, progress=False))
    assert finding.severity is Severity.WARNING


def test_weights_that_forget_and_keep_their_size() -> None:
    (finding,) = RULE.check(run(share=None, left=0.9, decay=0.2, optimizer="AdamW"))
    assert "off the weights at every step in 3 of 3 layers" in finding.message
    assert finding.severity is Severity.ERROR
    (finding,) = RULE.check(run(left=0.9, decay=0.2, loss=1.5, optimizer="AdamW"))
    assert finding.severity is Severity.WARNING
    for silent in (
        run(left=0.9, decay=0.01, optimizer="AdamW"),
        run(left=0.9, decay=0.025, optimizer="AdamW"),  # λ = 0.25 at a rate of 0.1: the rate is the matter
        run(left=0.9, decay=0.8, grown=4.0, optimizer="AdamW"),  # they have grown all the same: the steps are
        run(left=0.9, decay=0.2, optimizer="SGD"),
        run(left=0.9, decay=0.2, loss=0.5, optimizer="AdamW"),
        run(left=0.9, decay=0.2, optimizer="Adam"),  # divided by the gradient's size: nothing to tell it by
        run(left=0.9, decay=0.2, steady=4, optimizer="AdamW"),
    ):
        assert list(RULE.check(silent)) == []


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []

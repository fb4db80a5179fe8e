from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from babysit.measure.record import LayerStats, LossBlock, RunHeader, RunRecord, StepRecord
from babysit.rules import Severity
from babysit.rules.grd006_over_clipped import OverClipped

RULE = OverClipped()


def run(
    before: float | None = 2.0,
    limit: float | None = 1e-3,
    *,
    ratio: float = 1e-5,
    loss: float = 2.2,
    optimizer: str = "SGD",
    every: int = 1,
    **header: Any,
) -> RunRecord:
    layers = (LayerStats("a", "Linear", weight_norm=1.0, update_norm=ratio),)
    losses = (2.3, *[loss] * 99)
    return RunRecord(
        RunHeader(batch_size=64, optimizer=optimizer, **header),
        (LossBlock(0, losses),),
        tuple(
            StepRecord(step, value, 0.1, layers, clipped_from=before if step % every == 0 else 0.005, clip_limit=limit)
            for step, value in enumerate(losses)
        ),
    )


def test_plain_descent_that_is_stopped() -> None:
    (finding,) = RULE.check(run())
    assert finding.severity is Severity.WARNING
    assert "clipping to 0.001 cuts 100 % of the gradients" in finding.message
    assert "2e+03 × the limit" in finding.message
    assert finding.remedies[0].startswith("raise the limit: 0.001 → 2")
    # 0.1 / (2 / 0.001): what a step of clipped gradients is, in terms of the gradients as they were
    assert finding.remedies[1].endswith("with this limit lr 0.1 takes the steps of lr 5e-05 without one")
    assert not any("lr 0.1 →" in remedy for remedy in finding.remedies)


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "RMSprop", "Adam + AdamW"])
def test_adaptive_steps_do_not_care(optimizer: str) -> None:
    (finding,) = RULE.check(run(optimizer=optimizer))
    assert finding.severity is Severity.INFO
    assert not any("learning rate" in remedy for remedy in finding.remedies)


def test_directions_alone_may_do() -> None:
    (finding,) = RULE.check(run(ratio=1e-3, loss=0.5))
    assert finding.severity is Severity.INFO
    (finding,) = RULE.check(run(ratio=1e-3, loss=2.2))
    assert finding.severity is Severity.WARNING
    (finding,) = RULE.check(run(ratio=1e-3, loss=1.6))
    assert finding.severity is Severity.WARNING
    (finding,) = RULE.check(run(ratio=1e-3, loss=1.6, limit=0.05))  # 40 × the limit
    assert finding.severity is Severity.INFO
    (finding,) = RULE.check(run(ratio=1e-5, loss=0.5))
    assert finding.severity is Severity.WARNING
    (finding,) = RULE.check(run(ratio=1e-3, loss=0.5, optimizer="SGD + Adam", progress=False))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    "silent",
    [
        run(8.0, 1.0),  # a language model
        run(0.5, 1.0),
        run(None, 1.0),
        run(None, None),
        run(2.0, 0.0),
        run(math.nan),
        run(math.inf),
        run(every=2),  # half of them only
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []


def by_hand(peaks: tuple[float, float], norm: float, *, grows: float = 1.0) -> RunRecord:
    """Clipped by the script itself; ``grows``: what the gradient is multiplied by from the first step to the last."""
    steps = tuple(
        dataclasses.replace(
            step,
            clipped_from=None,
            clip_limit=None,
            gradient_norm=norm * grows ** (step.step / 99) if grows < 1 else norm,
            gradient_peaks=(peaks[0], peaks[1] * grows ** (step.step / 99)),
        )
        for step in run().steps
    )
    return dataclasses.replace(run(), steps=steps)


def test_clipping_by_hand() -> None:
    (finding,) = RULE.check(by_hand((0.1, 1e-6), 7e-5))
    assert "clipping to 1e-06 cuts 100 % of the gradients" in finding.message
    (finding,) = RULE.check(by_hand((2.0, 1e-3), 0.01, grows=1.5))  # of one norm
    assert "clipping to 0.01 cuts" in finding.message
    assert list(RULE.check(by_hand((2.0, 1e-3), 0.01, grows=0.5))) == []  # divided by a number
    assert list(RULE.check(by_hand((0.1, 0.1), 0.5))) == []
    assert list(RULE.check(by_hand((0.1, 0.0), 0.0))) == []

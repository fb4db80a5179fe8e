from __future__ import annotations

import dataclasses
import math

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules._jumps import jumps


def run(*gradients: float, kind: str = "GRU", losses: tuple[float, ...] = ()) -> RunRecord:
    return RunRecord(
        steps=tuple(
            StepRecord(
                step,
                losses[step] if losses else 1.0,
                layers=(LayerStats("rnn", kind, weight_norm=2.0, gradient_norm=gradient),),
            )
            for step, gradient in enumerate(gradients)
        )
    )


def test_steps_sizes_and_the_usual_one() -> None:
    (found,) = jumps(run(1.0, 500.0, 1.0, 90.0, math.nan), level=1.0, limit=100.0, exploded=3.0)
    assert (found.module, found.steps, found.seen) == ("rnn", (1, 3), 4)
    assert (found.largest, found.typical) == (1000.0, 91.0)


def test_a_loss_that_has_run_away_ends_it() -> None:
    wild = run(1.0, 500.0, 500.0, losses=(1.0, 9.0, 1.0))
    assert list(jumps(wild, level=1.0, limit=100.0, exploded=3.0)) == []


def test_a_layer_that_one_pass_uses_again_and_again() -> None:
    whole = run(1.0, 500.0, 1.0, kind="Linear")
    again = LayerStats("rnn#2", "Linear")
    steps = tuple(dataclasses.replace(step, layers=(*step.layers, again)) for step in whole.steps)
    (found,) = jumps(RunRecord(steps=steps), level=1.0, limit=100.0, exploded=3.0)
    assert found.module == "rnn"


def test_other_layers_do_not_count() -> None:
    assert list(jumps(run(500.0, kind="Linear"), level=1.0, limit=100.0, exploded=3.0)) == []

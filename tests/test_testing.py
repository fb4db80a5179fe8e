from __future__ import annotations

import pytest

from babysit.testing import record


def test_a_run_from_a_few_numbers() -> None:
    losses = [float(step) for step in range(130)]
    run = record(losses, train=[(1.0, 0.5)] * 2, lr=[0.1] * 130, updates={"fc": [0.5] * 3}, batch_size=32)
    assert run.losses == tuple(losses)
    assert [block.first for block in run.blocks] == [0, 64, 128]
    assert [item.step for item in run.evaluated("train")] == [65, 130]
    assert [step for step, _ in run.layer("fc")] == [0, 1, 2]
    assert next(run.layer("fc"))[1].update_ratio == 0.5
    assert run.header.batch_size == 32


def test_rates_must_match_the_losses() -> None:
    with pytest.raises(ValueError, match="shorter"):
        record([1.0, 2.0], lr=[0.1])


def test_nothing_was_recorded() -> None:
    run = record()
    assert (run.losses, run.steps, run.evaluations, run.probes, run.modules) == ((), (), (), (), ())

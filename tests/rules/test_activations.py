from __future__ import annotations

import math

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules._activations import Share, among, cause, lasting_shares, remedy


def run_of(*values: float | None, lr: float | None = None, every: int = 10) -> RunRecord:
    return RunRecord(
        steps=tuple(
            StepRecord(every * place, 1.0, lr, (LayerStats("a", "ReLU", dead_fraction=value),))
            for place, value in enumerate(values)
        )
    )


def shares_of(*values: float | None, samples: int = 3, skip: int = 0) -> list[Share]:
    return list(
        lasting_shares(run_of(*values), lambda layer: layer.dead_fraction, limit=0.5, samples=samples, skip=skip)
    )


def test_the_median_of_the_last_samples_is_held_against_the_limit() -> None:
    assert shares_of(0.1, 0.2, 0.6, 0.9, 0.4, 0.8) == [Share("a", "ReLU", 0.1, 0.8, since=50, until=50)]
    assert shares_of(0.1, 0.2, 0.6, 0.9, 0.7) == [Share("a", "ReLU", 0.1, 0.7, since=20, until=40)]
    assert shares_of(0.9, 0.9, 0.9, 0.5, 0.5) == []


def test_a_last_step_below_the_limit_is_its_own_beginning() -> None:
    assert shares_of(0.9, 0.9, 0.1)[0].since == 20


def test_too_few_samples_say_nothing() -> None:
    assert shares_of(0.9, 0.9) == []
    assert shares_of(0.9, 0.9, None, math.nan) == []
    assert len(shares_of(0.9, 0.9, 0.9)) == 1
    assert shares_of(0.9, 0.9, 0.9, skip=1) == []


def test_the_start_is_the_first_sample_even_where_it_does_not_count() -> None:
    (share,) = shares_of(0.2, 0.9, 0.9, 0.9, skip=1)
    assert (share.start, share.since) == (0.2, 10)


def test_cause_and_remedy_depend_on_the_start() -> None:
    run = run_of(0.1, 0.9, lr=0.5)
    risen, initial = Share("a", "ReLU", 0.1, 0.9, 10, 10), Share("a", "ReLU", 0.8, 0.9, 0, 10)
    assert not risen.from_the_start
    assert initial.from_the_start
    assert (
        cause(run, risen, start="s", training="t") == ", 10 % at the start: t, the learning rate is too high (lr 0.5)"
    )
    assert cause(run, initial, start="s", training="t") == ", 80 % from the start: s"
    assert remedy(run, risen, start="s") == "lower the learning rate: lr 0.5 → 0.05"
    assert remedy(run, initial, start="s") == "s"
    assert cause(run_of(0.1), risen, start="s", training="t").endswith("too high")


def test_several_layers_are_named() -> None:
    share = Share("a", "ReLU", 0.1, 0.9, 10, 10)
    assert among([share]) == ""
    assert among([share, share]) == " (of 2 such layers: a, a)"

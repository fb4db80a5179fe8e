from __future__ import annotations

import math

import pytest

from babysit.rules.gen001_overfitting import Overfitting
from babysit.testing import record

RULE = Overfitting()


def test_real_training_that_memorises(train) -> None:
    run = train(data="noisy", optimizer="adam", lr=0.01, examples=200, epochs=60)
    (finding,) = RULE.check(run)
    train_score, validation_score = run.evaluated("train")[-1].score, run.evaluated("validation")[-1].score
    assert train_score - validation_score > 0.25
    assert f"{train_score:.3g}" in finding.message
    assert f"{validation_score:.3g}" in finding.message
    assert "stop early" in finding.remedies[0]
    best = min(run.evaluated("validation")[1:], key=lambda item: item.loss)
    assert finding.first_step == best.step


def test_real_healthy_training_is_silent(train) -> None:
    assert list(RULE.check(train(lr=0.1))) == []


FALLING = [(1.0, 0.7), (0.5, 0.85), (0.2, 0.95), (0.1, 0.99)]


def judged(validation, training=FALLING, **header):
    return list(RULE.check(record([1.0] * 400, train=training, validation=validation, task="classification", **header)))


def test_a_moderate_gap_needs_a_rising_validation_loss() -> None:
    rising = [(1.0, 0.7), (0.6, 0.78), (0.9, 0.8), (1.2, 0.79)]
    level = [(1.0, 0.7), (0.7, 0.78), (0.62, 0.8), (0.61, 0.79)]
    (finding,) = judged(rising)
    assert "risen from 0.6 (step 200) to 1.2" in finding.message
    assert "epoch 2" in finding.remedies[0]
    assert judged(level) == []


def test_a_large_gap_needs_nothing_else() -> None:
    (finding,) = judged([(1.0, 0.6), (0.9, 0.6), (0.9, 0.6), (0.9, 0.6)])
    assert not any("early" in remedy for remedy in finding.remedies)


def test_a_rising_validation_loss_with_equal_scores_is_no_gap() -> None:
    assert judged([(1.0, 0.7), (0.1, 0.97), (0.3, 0.97), (0.4, 0.97)]) == []


def test_a_gap_within_the_error_of_few_examples_is_silent() -> None:
    import dataclasses

    run = record([1.0] * 400, train=[(0.1, 0.9)] * 4, validation=[(0.9, 0.6)] * 4, task="classification")
    assert len(list(RULE.check(run))) == 1
    few = tuple(dataclasses.replace(item, examples=15) for item in run.evaluations)
    assert list(RULE.check(dataclasses.replace(run, evaluations=few))) == []


@pytest.mark.parametrize("split", ["train", "validation"])
def test_one_split_alone_is_not_judged(split: str) -> None:
    assert list(RULE.check(record([1.0] * 10, **{split: FALLING}))) == []


def test_nan_evaluations_are_left_out() -> None:
    assert judged([(math.nan, math.nan)] * 4) == []
    assert list(RULE.check(record())) == []

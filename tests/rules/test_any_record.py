"""Whatever a run recorded, no rule fails."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.diagnose import diagnose
from babysit.measure.record import (
    Evaluation,
    LayerStats,
    LossBlock,
    Probe,
    Range,
    RoundRecord,
    RunHeader,
    RunRecord,
    StepRecord,
    TrialRecord,
)
from babysit.storage import json_line
from babysit.testing import record

ANY = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 2.3, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan]))
MAYBE = st.none() | ANY
PROBES = {
    "initial-loss": ("loss", "expected", "spread"),
    "regularization": ("strength", "loss_without", "loss_with", "penalty", "weight_norm_before", "weight_norm_after"),
    "overfit": ("examples", "loss", "score", "epochs", "lr", "target_loss", "initial_loss"),
    "batch-leakage": ("difference", "gradient", "control", "precision"),
    "input-ignored": ("initial_loss", "real_loss", "blank_loss", "variation", "steps"),
    "determinism": ("difference", "repeat", "precision", "per_example", "dropout", "forced"),
    "future-leakage": ("difference", "gradient", "control", "precision", "shifted"),
    "inputs": ("mean", "std", "largest_offset", "largest_shift", "smallest_std", "largest_std"),
    "data": ("nonfinite", "imbalance_ratio", "overlap_train_validation", "examples_validation", "examples_test"),
}


@st.composite
def probes(draw: st.DrawFn) -> Probe:
    name = draw(st.sampled_from(sorted(PROBES)))
    numbers = draw(st.dictionaries(st.sampled_from(PROBES[name]), ANY))
    return Probe(name, numbers, {"losses": tuple(draw(st.lists(ANY, max_size=9)))})


LAYERS = st.builds(
    LayerStats,
    st.sampled_from("abcdefgh"),
    st.sampled_from(["Linear", "ReLU", "Tanh", "Sigmoid"]),
    mean=MAYBE,
    std=MAYBE,
    zero_fraction=MAYBE,
    dead_fraction=MAYBE,
    saturated_fraction=MAYBE,
    weight_norm=MAYBE,
    gradient_norm=MAYBE,
    update_norm=MAYBE,
)
STEPS = st.builds(StepRecord, st.integers(0, 500), ANY, MAYBE, st.lists(LAYERS, max_size=9).map(tuple))
EVALUATIONS = st.builds(
    Evaluation, st.integers(0, 500), ANY, st.sampled_from(["train", "validation"]), ANY, ANY, st.integers(0, 1000)
)
RANGES = st.builds(Range, MAYBE, MAYBE, st.booleans(), hard_low=st.booleans(), hard_high=st.booleans())
ROUNDS = st.builds(
    RoundRecord, st.integers(1, 2), st.just("coarse"), ANY, st.just(9), st.dictionaries(st.just("lr"), RANGES)
)
TRIALS = st.builds(
    TrialRecord,
    st.integers(0, 99),
    st.integers(1, 2),
    st.dictionaries(st.sampled_from(["lr", "width"]), ANY | st.text(max_size=2)),
    st.sampled_from(["complete", "halved", "killed", "failed"]),
    ANY,
    st.integers(0, 9),
    ANY,
    ANY,
    ANY,
)
RUNS = st.builds(
    RunRecord,
    st.builds(
        RunHeader,
        task=st.sampled_from(["classification", "regression", ""]),
        chance_loss=MAYBE,
        batch_size=st.integers(0, 300),
        settings=st.dictionaries(st.just("lr"), ANY | st.text(max_size=2)),
    ),
    st.lists(ANY, max_size=200).map(lambda losses: (LossBlock(0, tuple(losses)),) if losses else ()),
    st.lists(STEPS, max_size=30).map(tuple),
    st.lists(EVALUATIONS, max_size=9).map(tuple),
    st.lists(probes(), max_size=4).map(tuple),
    st.lists(ROUNDS, max_size=2).map(tuple),
    st.lists(TRIALS, max_size=20).map(tuple),
)


@given(RUNS)
def test_no_record_breaks_a_rule(run: RunRecord) -> None:
    diagnosis = diagnose(run)
    assert diagnosis.broken == {}
    json.loads(json_line(diagnosis.to_json("test")), parse_constant=pytest.fail)
    for finding in diagnosis.findings:
        assert finding.evidence
        assert finding.remedies
        assert "\n" not in finding.message


@given(st.lists(ANY, max_size=300), st.integers(0, 300), st.lists(ANY, max_size=20))
def test_no_sequence_of_losses_breaks_a_rule(losses: list[float], batch: int, updates: list[float]) -> None:
    run = record(losses, batch_size=batch, updates={"a": updates}, train=[(loss, loss) for loss in losses[:5]])
    assert diagnose(run).broken == {}

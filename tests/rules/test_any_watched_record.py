"""Whatever was watched, no rule fails."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.diagnose import diagnose
from babysit.measure.record import (
    Coverage,
    Forward,
    Graph,
    LayerStats,
    LinearChain,
    LossBlock,
    LossCall,
    Numbers,
    Origin,
    Replica,
    RunHeader,
    RunRecord,
    StepRecord,
)
from babysit.storage import json_line

ANY = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 2.3, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan]))
MAYBE = st.none() | ANY
STEP = st.integers(0, 300)
MODULES = st.sampled_from(["a", "b.0", "Critic.0", "Critic.0#2", "F.relu", "F.relu#3", "Critic2.F.tanh", ""])
PATHS = st.lists(MODULES, max_size=4).map(tuple)
KINDS = st.sampled_from(["Linear", "Conv2d", "ReLU", "Tanh", "Sigmoid", "LSTM", "LayerNorm", "Embedding", ""])
SHAPES = st.lists(st.integers(0, 9), max_size=3).map(tuple)
NUMBERS = st.builds(Numbers, ANY, ANY, ANY, ANY, ANY)
LAYERS = st.builds(
    LayerStats,
    MODULES,
    KINDS,
    **dict.fromkeys(
        [
            "mean",
            "std",
            "zero_fraction",
            "dead_fraction",
            "saturated_fraction",
            "weight_norm",
            "gradient_norm",
            "update_norm",
            "example_std",
            "nonfinite_fraction",
            "identical_units",
            "decay_norm",
            "decay_share",
        ],
        MAYBE,
    ),
)
STEPS = st.builds(
    StepRecord,
    STEP,
    ANY,
    MAYBE,
    st.lists(LAYERS, max_size=9).map(tuple),
    MAYBE,
    MAYBE,
    MAYBE,
    st.integers(0, 9),
    st.none() | st.booleans(),
    st.integers(0, 9),
    MAYBE,
    st.none() | st.tuples(ANY, ANY) | st.lists(ANY, max_size=3).map(tuple),
)
CALLS = st.builds(
    LossCall,
    STEP,
    st.sampled_from(["train", "evaluation"]),
    st.sampled_from(["cross_entropy", "mse_loss", "kl_div", "binary_cross_entropy"]),
    ANY,
    SHAPES,
    SHAPES,
    NUMBERS,
    NUMBERS,
    st.sampled_from(["", "softmax", "addmm"]),
    MAYBE,
    MAYBE,
    MAYBE,
    st.integers(0, 9),
    st.lists(st.integers(0, 99), max_size=4).map(tuple),
    MAYBE,
)
FORWARDS = st.builds(
    Forward,
    STEP,
    st.sampled_from(["train", "evaluation"]),
    st.sampled_from(["Net", "Critic", ""]),
    st.booleans(),
    SHAPES,
    st.none() | NUMBERS,
)
CHAINS = st.builds(LinearChain, PATHS, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
RUNS = st.builds(
    RunRecord,
    st.builds(
        RunHeader,
        task=st.sampled_from(["classification", "regression", ""]),
        loss_name=st.sampled_from(["cross_entropy", ""]),
        chance_loss=MAYBE,
        batch_size=st.integers(0, 300),
        optimizer=st.sampled_from(["SGD", "Adam", "SGD + Adam", ""]),
        progress=st.booleans(),
    ),
    blocks=st.lists(ANY, max_size=200).map(lambda losses: (LossBlock(0, tuple(losses)),) if losses else ()),
    steps=st.lists(STEPS, max_size=20).map(tuple),
    calls=st.lists(CALLS, max_size=12).map(tuple),
    forwards=st.lists(FORWARDS, max_size=6).map(tuple),
    graphs=st.lists(st.builds(Graph, STEP, STEP, st.lists(CHAINS, max_size=3).map(tuple)), max_size=4).map(tuple),
    coverage=st.lists(st.builds(Coverage, STEP, PATHS, PATHS, PATHS, PATHS, PATHS), max_size=5).map(tuple),
    replicas=st.lists(
        st.builds(
            Replica,
            st.integers(0, 4),
            st.integers(0, 2),
            st.integers(0, 3),
            st.booleans(),
            st.lists(ANY, max_size=3).map(tuple),
            st.lists(st.integers(0, 9), max_size=5).map(tuple),
        ),
        max_size=12,
    ).map(tuple),
    origins=st.lists(
        st.builds(
            Origin, STEP, st.sampled_from(["forward", "gradient", "weights", "input", "?"]), MODULES, KINDS, st.text()
        ),
        max_size=2,
    ).map(tuple),
)


def check(run: RunRecord) -> None:
    diagnosis = diagnose(run)
    assert diagnosis.broken == {}
    json.loads(json_line(diagnosis.to_json("test")), parse_constant=pytest.fail)
    for finding in diagnosis.findings:
        assert finding.evidence
        assert finding.remedies
        assert "\n" not in finding.message


@given(RUNS)
def test_no_record_breaks_a_rule(run: RunRecord) -> None:
    check(run)


@given(RUNS, LAYERS, CALLS, st.integers(20, 80))
def test_no_long_run_of_one_kind_breaks_a_rule(run: RunRecord, layer: LayerStats, call: LossCall, length: int) -> None:
    """As most rules ask for many samples."""
    steps = tuple(StepRecord(step, 2.3, 0.1, (layer,), 1.0, 9.0, 1.0, 1, False) for step in range(length))
    check(
        replace(
            run,
            blocks=(LossBlock(0, (2.3,) * length),),
            steps=steps,
            calls=tuple(replace(call, step=step) for step in range(length)),
            coverage=tuple(Coverage(step, ("a",), ("b.0",), (), ("Critic.0",), ("F.relu",)) for step in (0, 1, 4, 16)),
        )
    )

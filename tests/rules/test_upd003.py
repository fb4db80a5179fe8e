from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from babysit.measure.record import Coverage, Forward, LayerStats, Numbers, RunHeader, RunRecord, StepRecord
from babysit.rules.upd003_parameter_not_optimized import ParameterNotOptimized
from babysit.watch import Monitor

RULE = ParameterNotOptimized()
LOOKS = (0, 1, 4, 16)


def run(looks: tuple[int, ...] = LOOKS, models: tuple[tuple[str, bool], ...] = (), **modules: Any) -> RunRecord:
    usual = {"trained": ("head",), **modules}
    return RunRecord(
        coverage=tuple(Coverage(step, **usual) for step in looks),
        forwards=tuple(Forward(0, "train", model, training=training) for model, training in models),
    )


def test_layers_that_were_left_out() -> None:
    (finding,) = RULE.check(run(not_optimized=("body.0", "body.2")))
    assert finding.severity == "warning"
    assert finding.module == "body.0"
    assert "2 modules (body.0, body.2) get a gradient at every step, and are in no optimizer" in finding.message
    assert "model.parameters()" in finding.remedies[0]


class Listed(nn.Module):
    """A model with layers in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(6, 6) for _ in range(2)]
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)


def test_layers_in_a_list_that_the_model_does_not_know_of() -> None:
    torch.manual_seed(0)
    model, x, y = Listed(), torch.randn(32, 6), torch.randint(0, 3, (32,))
    optimizer = torch.optim.Adam(model.parameters())
    with Monitor() as monitor:
        for _ in range(20):
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    (finding,) = RULE.check(monitor.record)
    assert "4 modules (parameter 0" in finding.message
    assert "nn.ModuleList" in finding.remedies[0]
    assert "beside model.parameters()" in finding.remedies[1]


def test_layers_frozen_at_their_random_start() -> None:
    (finding,) = RULE.check(run(frozen_initial=("body.0",)))
    assert "random initial weights" in finding.message
    assert "requires_grad_(True)" in finding.remedies[0]


def test_a_whole_model_that_was_left_out() -> None:
    models = (("Decoder", True), ("Encoder", True))
    assert len(list(RULE.check(run(models=models, not_optimized=("Encoder.rnn",))))) == 1


def test_a_teacher_whose_gradients_are_left_from_its_own_training() -> None:
    whole = run(trained=("Student.0",), not_optimized=("0", "2"), models=(("Student", True),))
    assert len(list(RULE.check(whole))) == 1
    layers = (LayerStats("Student.0", "Linear", weight_norm=1.0), LayerStats("F.relu", "ReLU"))
    assert list(RULE.check(dataclasses.replace(whole, steps=(StepRecord(0, 2.3, layers=layers),)))) == []


@pytest.mark.parametrize(
    "silent",
    [
        run(),
        run(looks=(0, 1, 4), not_optimized=("body",)),  # the second optimizer may not have stepped yet
        run(trained=(), not_optimized=("body",)),  # UPD004's matter
        run(models=(("Net", True), ("VGG", False)), not_optimized=("VGG.0",)),  # a perceptual loss
        run(trained=("0", "2"), models=(("Q", True), ("Q", True)), frozen_initial=("Q.0", "Q.2")),  # a target network
        run(trained=("online.0",), frozen_initial=("target.0",)),  # beside the other in one model
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []


def called(step: int, mean: float | None, model: str = "Q") -> Forward:
    inputs = None if mean is None else Numbers(mean, 1.0, -3.0, 3.0)
    return Forward(step, "train", model, training=True, shape=(32, 4), inputs=inputs)


def twins(left_out: tuple[str, ...], *inputs: float | None, trained: tuple[str, ...] = ("0", "2")) -> RunRecord:
    """A trained network and one of its class that is in no optimizer, each called with the inputs in every step."""
    forwards = tuple(called(step, mean) for step in LOOKS for mean in inputs)
    return dataclasses.replace(run(trained=trained, not_optimized=left_out), forwards=forwards)


def test_a_target_network_that_was_not_detached_is_a_remark() -> None:
    (finding,) = RULE.check(twins(("Q.0", "Q.2"), 0.1, 0.2))
    assert finding.severity == "info"
    assert "looks like a target network" in finding.message
    assert "no_grad" in finding.remedies[0]


@pytest.mark.parametrize(
    "sick",
    [
        twins(("Q.2",), 0.1, 0.2),  # a part of it alone
        twins(("Q.0", "Q.2"), 0.1, 0.2, trained=("0", "2", "Q.4")),
        twins(("Q.0", "Q.2"), 0.1, 0.1),  # two critics, of which one was forgotten
        twins(("Q.0", "Q.2"), None, None),
        run(trained=("decoder.0", "decoder.2"), not_optimized=("encoder.0", "encoder.2")),
        run(trained=("0", "2"), not_optimized=("Q.0", "Q.2"), models=(("Other", True), ("Q", True))),
    ],
)
def test_a_network_that_was_forgotten_is_no_target_network(sick: RunRecord) -> None:
    (finding,) = RULE.check(sick)
    assert finding.severity == "warning"


def test_two_copies_of_one_network() -> None:
    whole = dataclasses.replace(
        twins((), 0.1, 0.2), coverage=run(trained=("0",), not_optimized=("Q.0", "Q2.0")).coverage
    )
    assert [item.severity for item in RULE.check(whole)] == ["info"]
    against = dataclasses.replace(whole, header=RunHeader(progress=False))
    assert [item.severity for item in RULE.check(against)] == ["warning"]


def test_what_is_taken_over_later_is_no_alarm() -> None:
    whole = run(not_optimized=("other",))
    later = dataclasses.replace(whole.coverage[-1], not_optimized=(), trained=("head", "other"))
    assert list(RULE.check(dataclasses.replace(whole, coverage=(*whole.coverage[:-1], later)))) == []
    first = dataclasses.replace(run().coverage[0], not_optimized=("other",))
    assert list(RULE.check(dataclasses.replace(run(), coverage=(first, *run().coverage[1:])))) == []
    assert not RULE.applies(RunRecord())

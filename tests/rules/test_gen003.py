from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from babysit.measure.record import Coverage, Forward, LossCall, Numbers, RunHeader, RunRecord
from babysit.rules.gen003_wrong_mode import WrongMode
from babysit.testing import Watched, watch_script

RULE = WrongMode()

SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
x, model = torch.randn(640, 6), nn.Sequential(nn.Linear(6, 8), {layer}, nn.ReLU(), nn.Linear(8, 1))
held_out = torch.randn(64, 6)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
{before}
for epoch in range(3):
    {train}
    for rows in x.split(32):
        loss = nn.functional.mse_loss(model(rows), rows[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    {evaluate}
    with torch.no_grad():
        print(nn.functional.mse_loss(model(held_out), held_out[:, :1]).item())
"""
NORM, DROPOUT = "nn.BatchNorm1d(8)", "nn.Dropout(0.5)"


def called(step: int, phase: str, training: bool, **fields: Any) -> Forward:
    on = {"norms": 1, "norms_training": int(training), "dropouts": 1, "dropouts_training": int(training)}
    forward = Forward(step, phase, "Net", training, (32, 6), gradient=phase == "train")
    return dataclasses.replace(forward, **{**on, **fields})


def recorded(trained: list[Forward], evaluated: list[Forward]) -> RunRecord:
    return RunRecord(coverage=(Coverage(0, ("0", "3")),), forwards=(*trained, *evaluated))


TRAINED = [called(step, "train", True) for step in range(40)]
EVALUATED = [called(step, "evaluation", False) for step in (10, 20, 30, 40)]
IN_TRAINING_MODE = [called(step, "evaluation", True) for step in (10, 20, 30, 40)]


@pytest.mark.parametrize(
    ("layer", "before", "train", "evaluate", "severity", "words"),
    [
        (NORM, "", "", "", "error", "3 of 3 evaluation passes ran in training mode"),
        (DROPOUT, "", "", "", "warning", "3 of 3 evaluation passes ran in training mode"),
        (NORM, "", "", "model.eval()", "error", "from step 20 on, after an evaluation"),
        (DROPOUT, "", "", "model.eval()", "warning", "from step 20 on, after an evaluation"),
        (NORM, "model.eval()", "", "", "error", "no batch has ever updated"),
        (DROPOUT, "model.eval()", "", "", "warning", "from the start"),
        (NORM, "", "model.train()", "model.eval()", None, ""),
        (DROPOUT, "", "model.train()", "model.eval()", None, ""),
    ],
)
def test_trainings(
    tmp_path: pathlib.Path, layer: str, before: str, train: str, evaluate: str, severity: str | None, words: str
) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(layer=layer, before=before, train=train or "pass", evaluate=evaluate or "pass"))
    watched = watch_script(script)
    assert watched.error is None
    found = [finding for run in watched.records for finding in RULE.check(run)]
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(words in finding.message for finding in found)


@pytest.mark.parametrize("name", ["finetune_frozen", "distillation", "mlp_dropout", "resnet_small"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []


GRAPH = """
import torch
from torch import nn
torch.manual_seed(0)
nodes, edges, layer = torch.randn(90, 6), torch.rand(90, 90), nn.Linear(6, 3)
classes = (nodes[:, 0] > 0).long() + (nodes[:, 1] > 0)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.drop = nn.Linear(6, 8), nn.Linear(8, 3), nn.Dropout(0.5)

    def forward(self, x, edges):
        return edges @ self.second(self.drop(torch.relu(edges @ self.first(x))))

model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
train, held_out = torch.arange(60), torch.arange(60, 90)
nodes, edges = {given}
def loss_of(rows):
    return nn.functional.cross_entropy(model(nodes, edges)[rows], classes[rows])
for epoch in range(20):
    model.train()
    optimizer.zero_grad()
    loss_of(train).backward()
    optimizer.step()
    with torch.no_grad():
        {watched}
        {evaluate}
        {scored}
"""
DENSE = "nodes, torch.eye(90) + edges / 90"
SPARSE = "nodes.to_sparse(), (torch.eye(90) + edges / 90).to_sparse()"


@pytest.mark.parametrize("given", [DENSE, SPARSE])
@pytest.mark.parametrize(
    ("watched", "evaluate", "scored", "count"),
    [
        ("loss_of(train)", "pass", "loss_of(held_out)", 1),
        ("pass", "pass", "loss_of(held_out)", 1),
        ("loss_of(train)", "model.eval()", "loss_of(held_out)", 0),
        ("model.eval()", "pass", "loss_of(held_out)", 0),
        ("loss_of(train)", "pass", "pass", 0),  # training examples only
    ],
)
def test_a_whole_graph(
    tmp_path: pathlib.Path, given: str, watched: str, evaluate: str, scored: str, count: int
) -> None:
    script = tmp_path / "train.py"
    script.write_text(GRAPH.format(given=given, watched=watched, evaluate=evaluate, scored=scored))
    seen = watch_script(script)
    assert seen.error is None
    found = [finding for run in seen.records for finding in RULE.check(run)]
    assert [finding.severity for finding in found] == ["warning"] * count
    assert all("evaluation passes ran in training mode" in finding.message for finding in found)


def test_other_targets_of_batches_tell_nothing() -> None:
    """Batches have other targets at every step, and calls without gradients at nearly every step may be anything."""
    rollouts = [called(step, "evaluation", True) for step in range(40)]
    whole = recorded(TRAINED, rollouts)

    def loss(step: int, phase: str, mean: float) -> LossCall:
        numbers = Numbers(mean, 1.0, 0.0, 2.0)
        return LossCall(step, phase, "mse_loss", 1.0, (32, 1), (32, 1), numbers, numbers)

    scored = [loss(step, "evaluation", -1.0) for step in range(40)]
    for change, count in ((0.1, 0), (0.0, 1)):
        trained = [loss(step, "train", step * change) for step in range(40)]
        assert len(list(RULE.check(dataclasses.replace(whole, calls=(*trained, *scored))))) == count


def test_evaluation_in_training_mode() -> None:
    assert list(RULE.check(recorded(TRAINED, EVALUATED))) == []
    (finding,) = RULE.check(recorded(TRAINED, IN_TRAINING_MODE))
    assert finding.severity == "error"
    assert list(RULE.check(recorded(TRAINED, [*EVALUATED[:2], *IN_TRAINING_MODE[2:]]))) == []  # in half of them
    rollouts = [called(step, "evaluation", True) for step in range(40)]
    assert list(RULE.check(recorded(TRAINED, rollouts))) == []
    other = [dataclasses.replace(item, model="Other") for item in IN_TRAINING_MODE]
    assert list(RULE.check(recorded(TRAINED, other))) == []
    over_training = [dataclasses.replace(item, examples=32, seen=32) for item in IN_TRAINING_MODE]
    assert list(RULE.check(recorded(TRAINED, over_training))) == []
    adversaries = dataclasses.replace(recorded(TRAINED, IN_TRAINING_MODE), header=RunHeader(progress=False))
    assert list(RULE.check(adversaries)) == []
    nothing_inside = [dataclasses.replace(item, norms_training=0, dropouts_training=0) for item in IN_TRAINING_MODE]
    assert list(RULE.check(recorded(TRAINED, nothing_inside))) == []


def test_training_in_evaluation_mode() -> None:
    idle = [called(step, "train", step < 10) for step in range(40)]
    (finding,) = RULE.check(recorded(idle, EVALUATED))
    assert finding.first_step == 10
    assert len(list(RULE.check(recorded(idle[:17], EVALUATED[:1])))) == 0  # too few steps after it
    frozen = [called(step, "train", False, dropouts=0) for step in range(40)]
    assert list(RULE.check(recorded(frozen, EVALUATED))) == []  # statistics of a loaded network
    only_norms = [called(step, "train", True, norms_training=0) for step in range(40)]
    assert list(RULE.check(recorded(only_norms, EVALUATED))) == []


def test_a_network_that_is_not_trained_may_be_in_evaluation_mode() -> None:
    perceptual = [called(step, "train", False, model="Features") for step in range(40)]
    both = [item for pair in zip(TRAINED, perceptual, strict=True) for item in pair]
    assert list(RULE.check(recorded(both, EVALUATED))) == []


def test_statistics_that_were_never_updated() -> None:
    fresh = [called(step, "train", True, norms_training=0, norms_fresh=1) for step in range(40)]
    (finding,) = RULE.check(recorded(fresh, EVALUATED))
    assert finding.severity == "error"
    assert "no batch has ever updated" in finding.message
    assert list(RULE.check(recorded([*TRAINED[:30], *fresh[30:]], EVALUATED))) == []

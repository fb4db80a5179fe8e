"""Section E: the walk from the first loss to the first good learning rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from babysit.lab import Bench, Verdict, claims
from babysit.lab.asking import ask
from babysit.lab.babysitting import first_loss, order, rates, walk
from babysit.lab.running import run_claim
from babysit.testing import record

QUICK = Bench(quick=True, seeds=(0,))


@pytest.fixture(scope="module")
def images() -> walk.Pixels:
    return walk.pixels(QUICK)


def test_digits_are_as_long_as_images_of_cifar10(images: walk.Pixels) -> None:
    x = images.x.double().numpy().reshape(len(images.x), -1)
    assert np.sqrt((x**2).sum(axis=1).mean()) == pytest.approx(3502, rel=1e-4)
    assert np.abs(x.mean(axis=0)).max() < 1e-3
    assert "Digits stand in" in images.note


def test_twenty_examples_are_two_of_each_class(images: walk.Pixels) -> None:
    assert torch.bincount(images.few[1]).tolist() == [2] * 10


def test_the_net_is_the_lectures(images: walk.Pixels) -> None:
    network = walk.network(images.shape, 0)
    weights = torch.cat([p.detach().flatten() for p in network.parameters() if p.dim() > 1]).double().numpy()
    assert len(weights) == 64 * 50 + 50 * 10
    assert weights.std() == pytest.approx(1e-4, rel=0.05)
    assert all(not p.detach().any() for p in network.parameters() if p.dim() == 1)


def test_the_first_loss_against_numpy(images: walk.Pixels) -> None:
    network = walk.network(images.shape, 3, std=0.02)
    weights = [p.detach().double().numpy() for p in network.parameters() if p.dim() > 1]
    losses = []
    for x, y in images.batches(8, 3):
        scores = np.maximum(x.double().numpy().reshape(len(x), -1) @ weights[0].T, 0) @ weights[1].T
        scores -= scores.max(axis=1, keepdims=True)
        losses.append((np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(y)), y.numpy()]).mean())
    probe = first_loss.initial_loss(images, 3, 0.02)
    assert probe.numbers["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert probe.numbers["expected"] == pytest.approx(-math.log(1 / 10))


def test_the_first_scores_are_as_large_as_told(images: walk.Pixels) -> None:
    scores = [walk.network(images.shape, seed)(images.x).std().item() for seed in range(8)]
    assert np.mean(scores) == pytest.approx(walk.SCORES, rel=0.2)


@pytest.mark.parametrize("strength", [10.0, 1e3])
def test_the_penalty_against_numpy(images: walk.Pixels, strength: float) -> None:
    weights = [p.detach().double().numpy() for p in walk.network(images.shape, 1).parameters() if p.dim() > 1]
    numbers = first_loss.penalised(images, 1, strength).numbers
    penalty = 0.5 * strength * sum((weight**2).sum() for weight in weights)
    assert numbers["loss_with"] - numbers["loss_without"] == pytest.approx(penalty, rel=1e-4)


def test_cifar10s_weights_give_the_lectures_loss() -> None:
    count = sum(p.numel() for p in walk.network((3, 32, 32), 0).parameters() if p.dim() > 1)
    assert round(math.log(10) + 0.5 * 1e3 * 1e-8 * count, 2) == 3.07


def test_one_rule_is_asked_alone() -> None:
    run = record([2.3, 90.0, 900.0, float("nan")], lr=1e6)
    assert [finding.code for finding in ask("LOS002", run)] == ["LOS002"]
    assert ask("LOS003", run) == []


def test_beliefs_are_the_softmax(images: walk.Pixels) -> None:
    network = walk.network(images.shape, 0, std=0.02)
    found = rates.beliefs(network, images)
    scores = network(images.x).detach().double().numpy()
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    y = images.y.numpy()
    np.testing.assert_allclose(found.largest.numpy(), probabilities.max(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found.right.numpy(), probabilities[np.arange(len(y)), y], rtol=1e-3, atol=1e-7)
    assert found.accuracy == pytest.approx((probabilities.argmax(axis=1) == y).mean())
    assert found.loss == pytest.approx(-np.log(probabilities[np.arange(len(y)), y]).mean(), rel=1e-4)


@pytest.mark.parametrize("id_", ["E1", "E2", "E4", "E5"])
def test_rows(id_: str) -> None:
    (claim,) = claims([id_])
    row = run_claim(claim, QUICK)
    assert row.verdict is Verdict.HOLDS, row
    named = {"E1": "PRE001", "E2": "", "E4": "LOS003", "E5": "LOS001"}[id_]
    assert row.pictures[0].finding[:6] == named


def test_the_order_is_read_from_the_run() -> None:
    timetable = order.Timetable()
    timetable.begin(4, "Initial loss")
    timetable.end(order.StepResult(4, "initial-loss", "Initial loss", "2.3", "2.3"), ())
    assert [step.name for step in timetable.steps] == ["initial-loss"]
    ((began, ended),) = timetable.times
    assert 0 <= began <= ended


@pytest.mark.slow
def test_every_row_of_the_section() -> None:
    for claim in claims(["E"]):
        row = run_claim(claim, Bench(quick=True, seeds=(0, 1)))
        assert row.verdict in (Verdict.HOLDS, Verdict.SUBTLE), row

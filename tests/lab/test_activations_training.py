"""What section A trains, and the comparisons of A3, A5 and A13."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from babysit.data import read
from babysit.lab import Bench, Verdict, claims, run_claims
from babysit.lab.activations import choosing, cost, speed
from babysit.lab.activations.trainings import (
    accuracy,
    descend,
    digits,
    images,
    layer_outputs,
    mlp,
)

QUICK = Bench(quick=True, seeds=(0,))
CIFAR10 = Path("/work/shared/data/cifar10-jpeg.zip")


def test_digits_lose_the_mean_image_and_are_divided_by_one_number():
    data, raw = digits(), read("digits").inputs("train").astype(np.float64)
    centred = raw - raw.mean(axis=0)
    wanted = (centred / centred.std()).reshape(len(raw), -1)
    np.testing.assert_allclose(data.train[0].double().numpy(), wanted, atol=1e-5)
    assert (data.features, data.steps) == (64, len(raw) // 64)
    assert images(QUICK, 100) is data


def test_a_loop_sees_every_example_once_before_it_sees_one_again():
    x = torch.arange(10.0)[:, None]
    seen: list[float] = []

    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 2)

        def forward(self, batch):
            seen.extend(batch.flatten().tolist())
            return self.linear(batch)

    model = Looks()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    steps = [step for step, _ in descend(model, optimizer, (x, x[:, 0].long() % 2), steps=4, seed=0, batch=5)]
    assert steps == [1, 2, 3, 4]
    assert sorted(seen[:10]) == sorted(seen[10:]) == x.flatten().tolist()
    assert seen[:10] != seen[10:]


def test_a_loop_takes_the_steps_of_gradient_descent():
    x, y = torch.randn(8, 3), torch.arange(8) % 2
    model = nn.Linear(3, 2)
    weight, bias = (parameter.detach().double().numpy() for parameter in model.parameters())
    ((_, loss),) = descend(model, torch.optim.SGD(model.parameters(), lr=0.5), (x, y), steps=1, seed=0, batch=8)
    scores = x.double().numpy() @ weight.T + bias
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-np.log(shares[np.arange(8), y]).mean(), rel=1e-5)
    upstream = (shares - np.eye(2)[y]) / 8
    np.testing.assert_allclose(model.weight.detach(), weight - 0.5 * upstream.T @ x.double().numpy(), atol=1e-6)


def test_layers_are_those_of_the_network():
    model, x = mlp(digits(), "tanh", (20,), 0), digits().train[0][:5]
    given = layer_outputs(model, x)
    assert list(given) == ["flatten", "fc1", "act1", "output"]
    torch.testing.assert_close(given["act1"], given["fc1"].tanh())
    torch.testing.assert_close(given["output"], model(x).detach())
    right = (model(digits().test[0]).argmax(1) == digits().test[1]).double().mean().item()
    assert accuracy(model, digits().test) == pytest.approx(right)


def test_a3_the_fastest_turn_counts(monkeypatch):
    # two calls in turns, each timed from one tick to the next: 3 and 5, then 2 and 7
    ticks = iter(itertools.accumulate([0, 3, 0, 5, 0, 2, 0, 7]))
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(ticks))
    assert cost._fastest({"a": lambda: None, "b": lambda: None}, rounds=2) == {"a": 2, "b": 5}


def test_a5_epochs_end_at_the_target_or_never():
    data = digits()
    way = speed._train(data, "relu", 0.03, 0, 0.5, steps=200)
    assert way.arrived
    assert way.losses[-1] < 0.5 <= way.losses[-2]
    assert way.epochs == len(way.losses) / data.steps
    never = speed._train(data, "sigmoid", 0.001, 0, 0.5, steps=30)
    assert never.epochs == math.inf
    assert speed._ratios([never.epochs], [way.epochs], 10.0) == [10.0 / way.epochs]
    assert speed._in_words([math.inf], 10.0) == "more than 10"
    assert speed._ratio_in_words([math.inf], [3.14]) == "more than 3.1"


def test_a5_losses_are_means_of_the_last_steps():
    data = digits()
    way = speed._train(data, "relu", 0.03, 0, 0.0, steps=40)
    model = mlp(data, "relu", speed._HIDDEN, 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    losses = [loss for _, loss in descend(model, optimizer, data.train, steps=40, seed=0)]
    last = speed._SMOOTHING
    wanted = [np.mean(losses[max(0, step - last) : step]) for step in range(1, 41)]
    np.testing.assert_allclose(way.losses, wanted, rtol=1e-4)


def test_a13_a_deep_stack_of_sigmoids_is_named_and_one_of_relus_is_not():
    sigmoid, relu = (choosing._train(QUICK, name, 0.03, 0) for name in ("sigmoid", "relu"))
    assert "ACT003" in [finding.code for finding in sigmoid[0].findings]
    assert not relu[0].findings
    assert sigmoid[1] < 0.3 < 0.9 < relu[1]


def test_a13_has_the_lectures_seven():
    assert set(choosing.NAMES) == {"relu", "leaky_relu", "prelu", "elu", "maxout", "tanh", "sigmoid"}


@pytest.mark.slow
def test_every_claim_holds_or_says_why_not():
    rows = run_claims(claims(["A"]), Bench(quick=True, seeds=(0, 1)), processes=1)
    assert [row.id for row in rows] == [f"A{number}" for number in range(1, 14)]
    assert not [row.id for row in rows if row.verdict in (Verdict.FAILS, Verdict.BROKEN)]
    assert {row.id: {f.code for f in row.findings} for row in rows if row.findings} == {
        "A1": {"ACT002"},
        "A4": {"ACT002"},
        "A7": {"ACT001"},
        "A13": {"ACT003"},
    }
    assert all(row.pictures for row in rows)


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR10.exists(), reason="CIFAR-10 is not here")
def test_a5_runs_on_cifar10():
    (row,) = run_claims(claims(["A5"]), Bench(quick=True, seeds=(0,), cifar10=CIFAR10), processes=1)
    assert row.verdict is Verdict.SUBTLE
    assert "training images of cifar10" in row.remark

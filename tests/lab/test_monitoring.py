"""Section G: what is recorded and found, against NumPy in float64 and torch itself."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from babysit.diagnose import Diagnosis
from babysit.lab import Bench, Verdict, claims
from babysit.lab.monitoring import gaps, late_start, layers, rates, script, updates, watched
from babysit.lab.monitoring.script import Settings
from babysit.lab.running import run_claim
from babysit.testing import record

BENCH = Bench(quick=True, seeds=(0,))
SHORT = Settings(depth=2, width=16, epochs=2, batch_size=64, lr=0.05)


@pytest.mark.parametrize("id_", ["G3", "G5", "G6"])
def test_fast_experiments_hold(id_: str) -> None:
    (claim,) = claims([id_])
    outcome = claim.run(BENCH)
    assert outcome.verdict is Verdict.HOLDS, outcome.measures
    assert outcome.findings
    assert outcome.drawings[0].finding is not None


@pytest.mark.slow
@pytest.mark.parametrize("claim", claims(["G"]), ids=lambda claim: claim.id)
def test_every_claim_in_quick_mode(claim) -> None:
    row = run_claim(claim, Bench(quick=True, seeds=(0, 1)))
    assert row.verdict in (Verdict.HOLDS, Verdict.SUBTLE), row
    assert row.pictures


@pytest.mark.slow
def test_the_script_by_itself_is_named_as_the_training_that_was_watched() -> None:
    seen = watched.watch(watched.digits(), dataclasses.replace(rates.NETWORK, lr=rates.TOO_LOW))
    assert seen.codes == ["LOS003"]
    assert watched.same_as_script(watched.digits(), seen).values == (1.0, 1.0)


def test_the_script_knows_nothing_of_babysit() -> None:
    tree = ast.parse(Path(script.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported == {"__future__", "argparse", "collections", "dataclasses", "itertools", "typing", "numpy", "torch"}


def test_watching_changes_nothing() -> None:
    alone = script.train(watched.digits(), SHORT)
    seen = watched.watch(watched.digits(), SHORT)
    for ours, theirs in zip(seen.model.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_losses_and_scores_are_those_of_the_model() -> None:
    x, y, x_validation, y_validation = watched.digits()
    seen = watched.watch(watched.digits(), SHORT)
    torch.manual_seed(SHORT.seed)
    model = script.network(64, 10, SHORT)
    first = torch.split(torch.randperm(len(x)), 64)[0]
    assert seen.losses[0] == pytest.approx(F.cross_entropy(model(x[first]), y[first]).item(), rel=1e-5)
    accuracy = (seen.model(x_validation).argmax(1) == y_validation).double().mean().item()
    assert seen.scores[-1] == pytest.approx(accuracy)
    assert len(seen.scores) == SHORT.epochs


def test_update_ratios_are_those_of_plain_gradient_descent() -> None:
    settings = dataclasses.replace(SHORT, momentum=0.0)
    x, y, *_ = watched.digits()
    seen = watched.watch(watched.digits(), settings)
    torch.manual_seed(settings.seed)
    model = script.network(64, 10, settings).double()
    first = torch.split(torch.randperm(len(x)), 64)[0]
    F.cross_entropy(model(x[first].double()), y[first]).backward()
    (_, recorded), *_ = seen.record.layer("0")
    weight = model[0].weight
    expected = settings.lr * np.linalg.norm(weight.grad.numpy()) / np.linalg.norm(weight.detach().numpy())
    assert recorded.update_ratio == pytest.approx(expected, rel=1e-4)
    assert recorded.gradient_norm == pytest.approx(np.linalg.norm(weight.grad.numpy()), rel=1e-4)


def forward(model: torch.nn.Sequential, x: torch.Tensor, function) -> list[np.ndarray]:
    """The outputs of each hidden layer, in NumPy."""
    found, values = [], x.double().numpy()
    linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    for layer in linear[:-1]:
        weight, bias = (part.detach().double().numpy() for part in (layer.weight, layer.bias))
        values = function(values @ weight.T + bias)
        found.append(values)
    return found


def test_dead_and_saturated_shares_are_those_of_numpy() -> None:
    x = watched.digits()[0]
    torch.manual_seed(0)
    dead = script.network(64, 10, dataclasses.replace(SHORT, activation="ReLU"))
    with torch.no_grad():
        dead[0].bias[:5] = -1e3
    outputs = forward(dead, x, lambda values: np.maximum(values, 0))
    assert layers.dead_now(dead, x) == pytest.approx([(of == 0).all(axis=0).mean() for of in outputs])
    assert layers.dead_now(dead, x)[0] >= 5 / 16
    saturated = script.network(64, 10, dataclasses.replace(SHORT, init=1.0))
    outputs = forward(saturated, x, np.tanh)
    expected = [(np.abs(of) > 0.98).mean() for of in outputs]
    assert layers.saturated_now(saturated, x) == pytest.approx(expected, abs=1e-4)


def test_smooth_is_a_running_mean_that_begins_with_the_curve() -> None:
    losses = np.random.default_rng(0).normal(2, 1, 50)
    smooth = watched.smooth(losses, 5)
    np.testing.assert_allclose(smooth[5:-5], np.convolve(losses, np.full(11, 1 / 11), "valid"))
    assert (smooth[0], smooth[-1]) == pytest.approx((losses[0], losses[-6:].mean()))


def test_the_bend_of_a_line_is_a_half_and_of_a_decay_far_less() -> None:
    assert rates._bend(np.linspace(2.3, 2.0, 10)) == pytest.approx(0.5)
    assert rates._bend(2.3 * 0.3 ** np.arange(10.0)) < 0.01


def test_labels_are_wrong_in_training_alone_and_as_often_as_said() -> None:
    x, y, x_validation, y_validation = gaps.mislabelled(3)
    right = watched.digits()
    assert torch.equal(x, right[0])
    assert torch.equal(x_validation, right[2])
    assert torch.equal(y_validation, right[3])
    share, n = 0.9 * gaps.RELABELLED, len(y)
    assert (y != right[1]).double().mean().item() == pytest.approx(share, abs=4 * (share * (1 - share) / n) ** 0.5)


def test_departure_is_where_a_tenth_of_the_fall_is_done() -> None:
    flat = np.concatenate([np.full(300, 2.3), np.linspace(2.3, 0.3, 201)])
    seen = watched.Watched(SHORT, record(flat.tolist()), Diagnosis(), torch.nn.Sequential())
    assert abs(late_start.departure(seen) - 320) <= watched.SMOOTH


def test_the_middle_ratio_is_the_median_over_steps_and_layers() -> None:
    seen = watched.watch(watched.digits(), dataclasses.replace(updates.TINY, epochs=1))
    late = [step for step in seen.record.steps if step.step >= 20]
    by_layer = [
        np.median(
            [layer.update_norm / layer.weight_norm for step in late for layer in step.layers if layer.module == name]
        )
        for name in ("0", "2", "4")
    ]
    assert updates.ratio(seen) == pytest.approx(np.median(by_layer))

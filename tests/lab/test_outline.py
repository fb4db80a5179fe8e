"""Section H, each number beside one that something else computes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data import read
from babysit.fit import Ensemble
from babysit.fit.optimizers import OPTIMIZERS
from babysit.fit.schedules import SCHEDULES
from babysit.lab import Bench, Row, Verdict, claims, sections
from babysit.lab.outline import averaging, decay, ensembles, evaluation, gradient_check, regularizing, update_rules
from babysit.lab.outline.formulas import FORMULAS, State
from babysit.lab.outline.sample import draw, few, hard
from babysit.lab.running import run_claim

BENCH = Bench(quick=True, seeds=(0,))


def row(id_: str) -> Row:
    (claim,) = claims([id_])
    return run_claim(claim, BENCH)


def values(row: Row) -> dict[str, float]:
    return {measure.name: measure.median for measure in row.measures}


def test_nine_claims() -> None:
    (section,) = (section for section in sections() if section.letter == "H")
    assert [claim.id for claim in section.claims] == [f"H{number}" for number in range(1, 10)]


@pytest.mark.slow
@pytest.mark.parametrize("id_", [f"H{number}" for number in range(1, 10)])
def test_every_claim_holds_or_says_why_not(id_: str) -> None:
    (claim,) = claims([id_])
    found = run_claim(claim, Bench(quick=True, seeds=(0, 1)))
    # a rate that falls early learns less, whatever is said of decay
    assert found.verdict is (Verdict.SUBTLE if id_ == "H5" else Verdict.HOLDS), found.to_json()
    assert found.pictures


# ---- what is trained on -------------------------------------------------------------------------------------------


def test_a_sample_is_divided_and_scaled_by_what_is_trained_on() -> None:
    digits = read("digits")
    sample = draw(digits, 3, train=200, held_out=500)
    raw = digits.x.astype(np.float64)
    inputs = [torch.as_tensor(part.x).double().numpy() for part in (sample.train, sample.held_out)]
    assert [len(part) for part in inputs] == [200, 500]
    np.testing.assert_allclose(inputs[0].mean(axis=0), 0, atol=1e-5)
    assert inputs[0].std() == pytest.approx(1, abs=1e-4)
    # undo the scaling, and every example is one of the raw ones, none of them in both
    rows = np.random.default_rng(3).permutation(len(raw))[:700]
    train, held_out = np.sort(rows[:200]), np.sort(rows[200:])
    centred = raw[train] - raw[train].mean(axis=0)
    np.testing.assert_allclose(inputs[0], centred / centred.std(), atol=1e-5)
    np.testing.assert_allclose(inputs[1], (raw[held_out] - raw[train].mean(axis=0)) / centred.std(), atol=1e-5)
    np.testing.assert_array_equal(sample.held_out.y.numpy(), digits.y[held_out])
    np.testing.assert_array_equal(sample.train.y.numpy(), digits.y[train])


def test_labels_are_made_wrong_where_that_is_asked_for() -> None:
    right, wrong = few(1), few(1, noisy=True)
    assert torch.equal(torch.as_tensor(right.train.x), torch.as_tensor(wrong.train.x))
    assert (right.train.y != wrong.train.y).float().mean().item() == pytest.approx(0.2)
    assert torch.equal(right.held_out.y, wrong.held_out.y)
    assert set(wrong.train.y.tolist()) == set(range(10))
    assert "20" in wrong.note
    assert "wrong" not in right.note
    assert len(hard(1).train) == 1000


# ---- H1 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_the_planted_backward_is_wrong_by_the_factor_alone(factor: float) -> None:
    x = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    gradient_check.WithOwnTanh(factor)(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), factor / np.cosh(x.detach().numpy()) ** 2, rtol=1e-12)


def test_errors_of_differences_are_those_of_taylors_series() -> None:
    steps = np.array([1e-3, 1e-2])
    found = gradient_check.step_errors(0, torch.float64, steps)
    # of the third and of the second derivative, with h² and h
    assert found.centred[1] / found.centred[0] == pytest.approx(100, rel=0.01)
    assert found.one_sided[1] / found.one_sided[0] == pytest.approx(10, rel=0.05)
    assert gradient_check.slope(np.array([1e-3, 1e-2, 1e-1]), np.array([3e-6, 3e-4, 3e-2])) == pytest.approx(2)


def test_h1_finds_one_per_cent_in_the_parameters_below_it() -> None:
    report = gradient_check.checked(gradient_check.with_own_tanh(0, 1.01), (20,), 0)
    assert gradient_check.found_error(report) == pytest.approx(0.01 / 1.01, abs=2e-5)
    (finding,) = report.findings
    assert (finding.code, finding.module) == ("PRE004", "fc1")


# ---- H2, H3 -------------------------------------------------------------------------------------------------------


def test_the_weights_norm_is_that_of_the_weights() -> None:
    sample = few(0)
    network = sample.network(0)
    start = math.sqrt(sum(float(w.detach().double().square().sum()) for w in network.parameters() if w.ndim > 1))
    result = regularizing.trained(sample, Bench(quick=True, seeds=(0,)), 0)
    first = result.record.steps[0]
    assert math.sqrt(sum((layer.weight_norm or 0) ** 2 for layer in first.layers)) == pytest.approx(start, rel=1e-5)
    assert regularizing.weight_norm(result.record) > start
    assert regularizing.gap(result) == pytest.approx(
        result.record.evaluated("validation")[-1].loss - result.record.evaluated("train")[-1].loss
    )


def test_the_mean_over_masks_is_told_in_standard_errors() -> None:
    draws = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    found = regularizing.standard_errors(draws, torch.tensor([[0.0, 0.0, 1.0]]))
    assert found[:2].abs().max() < 4
    assert found[2] == pytest.approx(-math.sqrt(4000), rel=0.1)


def test_h3_keeps_the_mean_of_every_unit_and_drops_half() -> None:
    sample = few(0)
    network = sample.network(0, dropout=regularizing.DROPPED)
    masked, still = regularizing.asked_often(network, sample)
    # by hand: half of the hidden units, doubled; mean and variance over the masks are sums over the units
    inputs = sample.held_out_pair[0][:1].flatten(1).double()
    weights = {name: tensor.double() for name, tensor in network.state_dict().items()}
    hidden = (inputs @ weights["fc1.weight"].T + weights["fc1.bias"]).clamp_min(0)
    mean = hidden @ weights["output.weight"].T + weights["output.bias"]
    variance = (hidden**2) @ (weights["output.weight"].T ** 2)
    np.testing.assert_allclose(still[0].numpy(), mean[0].numpy(), rtol=1e-4, atol=1e-6)
    assert torch.equal(still[0], still[1])
    np.testing.assert_allclose(masked.double().var(dim=0).numpy(), variance[0].numpy(), rtol=0.15)
    assert ((masked.double().mean(dim=0) - mean[0]).abs() < 4.5 * (variance[0] / len(masked)).sqrt()).all()


# ---- H4 -----------------------------------------------------------------------------------------------------------

TORCH = {
    "sgd": lambda w: torch.optim.SGD(w, lr=0.02),
    "momentum": lambda w: torch.optim.SGD(w, lr=0.02, momentum=0.9),
    "nesterov": lambda w: torch.optim.SGD(w, lr=0.02, momentum=0.9, nesterov=True),
    "adagrad": lambda w: torch.optim.Adagrad(w, lr=0.02),
    "rmsprop": lambda w: torch.optim.RMSprop(w, lr=0.02),
    "adam": lambda w: torch.optim.Adam(w, lr=0.02),
    "adamw": lambda w: torch.optim.AdamW(w, lr=0.02, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_formulas_are_torchs_update_rules(name: str) -> None:
    weights = nn.Parameter(torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64))
    optimizer = TORCH[name]([weights])
    state = State(weights.detach().numpy().copy(), 0.02, 0.1)
    random = np.random.default_rng(0)
    for state.step in range(1, 31):
        gradient = random.normal(size=3)
        weights.grad = torch.from_numpy(gradient)
        optimizer.step()
        FORMULAS[name](state, gradient)
        np.testing.assert_allclose(weights.detach().numpy(), state.weights, rtol=1e-12)


@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_the_ravine_is_the_quadratic_it_says(degrees: float) -> None:
    ravine = update_rules.Ravine(degrees)
    flat, steep = np.linalg.eigvalsh(ravine.curvature)
    assert (flat, steep) == (pytest.approx(1), pytest.approx(update_rules.STEEP))
    start = ravine.start - update_rules.LOWEST
    assert np.linalg.norm(start) == pytest.approx(np.linalg.norm(update_rules.START))
    weights = torch.from_numpy(ravine.start).requires_grad_()
    loss = ravine.loss(weights)
    assert loss.item() == pytest.approx(0.5 * start @ ravine.curvature @ start)
    (gradient,) = torch.autograd.grad(loss, weights)
    np.testing.assert_allclose(gradient.numpy(), ravine.gradient(ravine.start), rtol=1e-12)


def test_arrival_is_the_step_from_which_on_it_stays() -> None:
    columns = np.array([[1, 1, 1], [1e-4, 0.5, 1e-4], [0.5, 1e-4, np.nan], [1e-4, 1e-4, np.inf]])
    assert update_rules.arrival(columns).tolist() == [3, 2, 4]


def test_h4_every_step_is_its_formula_and_sgd_as_fast_as_theory_says() -> None:
    found = row("H4")
    assert found.verdict is Verdict.HOLDS
    errors = [value for name, value in values(found).items() if "formula" in name]
    assert len(errors) == 1 + len(OPTIMIZERS)
    assert max(errors) < 1e-12
    # of a quadratic each direction shrinks by the factor |1 − lr · curvature| a step
    rates, steps = np.logspace(-3, 0.5, 141), np.arange(update_rules.STEPS + 1)[:, None]
    with np.errstate(over="ignore"):
        losses = sum(
            0.5 * curvature * away**2 * np.abs(1 - rates * curvature) ** (2 * steps)
            for curvature, away in zip((1.0, update_rules.STEEP), update_rules.START, strict=True)
        )
    arrived = [int(np.argmax(column <= update_rules.NEAR * column[0])) for column in losses.T if column[-1] < column[0]]
    sgd = [value for name, value in values(found).items() if name.startswith("steps") and "SGD (lr" in name]
    assert sgd == [min(count for count in arrived if count)] * 2


# ---- H5 -----------------------------------------------------------------------------------------------------------


def test_the_rates_of_a_training_are_those_of_its_schedule() -> None:
    sample, bench = hard(0), Bench(quick=True, seeds=(0,))
    record = decay.trained(sample, bench, 0, "cosine").record
    total = record.header.total_steps
    first = decay.RATE * sample.lr
    for step in record.steps:
        assert step.lr == pytest.approx(0.5 * first * (1 + math.cos(math.pi * step.step / total)))


def test_what_falls_too_early_is_told() -> None:
    assert decay.tenth("1/t") == pytest.approx(9 / 99, abs=2e-3)
    assert decay.tenth("exponential") == pytest.approx(0.5, abs=2e-3)
    assert decay.tenth("cosine") == pytest.approx(math.acos(-0.8) / math.pi, abs=2e-3)
    assert decay.too_early({"cosine": np.array([0.5, 0.9])}) == ""
    said = decay.too_early({"1/t": np.array([1.5, 1.7, 1.6]), "cosine": np.array([0.5, 0.5, 0.5])})
    assert "1/t decay, whose rate is a tenth after 9 % of the steps, ends at 1.6 times" in said
    assert "cosine" not in said
    assert set(decay.DECAYED) | {"constant"} == set(SCHEDULES)


# ---- H6 -----------------------------------------------------------------------------------------------------------


def test_the_optimism_of_coins_is_that_of_the_largest_of_normal_numbers() -> None:
    right = np.random.default_rng(0).random((32, 4_000)) < 0.5
    chosen = evaluation.choose(right, 0, divisions=300)
    means, errors = chosen.excess(chosen.validation)
    largest = np.random.default_rng(1).normal(size=(20_000, 32)).max(axis=1).mean()
    assert means[-1] == pytest.approx(largest * 0.5 / math.sqrt(evaluation.HELD), rel=0.1)
    assert abs(means[0]) < 4 * errors[0]
    test, errors = chosen.excess(chosen.test)
    assert (np.abs(test) < 4.5 * errors).all()


def test_the_best_so_far_is_the_first_of_the_best() -> None:
    right = np.random.default_rng(0).random((7, 300)) < 0.9
    chosen = evaluation.choose(right, 5, divisions=3)
    random = np.random.default_rng(5)
    for division in range(3):
        rows, columns = random.permutation(7), random.permutation(300)
        validation = right[rows][:, columns[: evaluation.HELD]].mean(axis=1)
        rest = right[rows][:, columns[2 * evaluation.HELD :]].mean(axis=1)
        for count in range(1, 8):
            best = int(np.argmax(validation[:count]))
            assert chosen.validation[division, count - 1] == validation[best]
            assert chosen.rest[division, count - 1] == rest[best]


# ---- H7, H8, H9 ---------------------------------------------------------------------------------------------------


def cross_entropy_of_mean(outputs: list[Tensor], targets: Tensor) -> tuple[float, float]:
    """Loss and accuracy of the mean probabilities, in NumPy."""
    logits = torch.stack(outputs).double().numpy()
    exponentials = np.exp(logits - logits.max(axis=2, keepdims=True))
    mean = (exponentials / exponentials.sum(axis=2, keepdims=True)).mean(axis=0)
    y = targets.numpy()
    return float(-np.log(mean[np.arange(len(y)), y]).mean()), float((mean.argmax(axis=1) == y).mean())


def test_growing_ensembles_end_with_all_members() -> None:
    sample = few(0)
    outputs = [torch.randn(len(sample.held_out), 10, generator=Bench.generator(seed)) for seed in range(3)]
    grown = ensembles.growing(outputs, sample)
    loss, accuracy = cross_entropy_of_mean(outputs, sample.held_out.y)
    assert (grown[-1].loss, grown[-1].score) == (pytest.approx(loss, rel=1e-5), pytest.approx(accuracy))
    singles = [F.cross_entropy(one, sample.held_out.y).item() for one in outputs]
    assert grown[0].loss == pytest.approx(np.mean(singles), rel=1e-5)
    assert len(grown) == 3


def test_snapshots_and_averages_are_those_of_the_training() -> None:
    bench = Bench(quick=True, seeds=(0,))
    one = averaging.run(bench, 0, few(0), (20,))
    present = [weights["output.weight"] for weights, _ in one.path]
    epochs = len(one.path)
    assert torch.equal(one.snapshots[-1]["output.weight"], present[-1])
    assert torch.equal(one.snapshots[0]["output.weight"], present[epochs - len(one.snapshots)])
    assert torch.equal(one.model.state_dict()["output.weight"], present[-1])
    loss, accuracy = cross_entropy_of_mean([_outputs(one, weights) for weights in one.snapshots], one.sample.held_out.y)
    assert (one.vote.loss, one.vote.score) == (pytest.approx(loss, rel=1e-4), pytest.approx(accuracy))
    assert not torch.equal(one.polyak["output.weight"], present[-1])
    loss, _ = cross_entropy_of_mean([_outputs(one, one.polyak)], one.sample.held_out.y)
    assert one.averaged.loss == pytest.approx(loss, rel=1e-4)


def _outputs(one: averaging.Run, weights: dict[str, Tensor]) -> Tensor:
    hidden = F.relu(F.linear(one.sample.held_out_pair[0].flatten(1), weights["fc1.weight"], weights["fc1.bias"]))
    return F.linear(hidden, weights["output.weight"], weights["output.bias"])


def test_members_differ() -> None:
    bench = Bench(quick=True, seeds=(0,))
    sample = draw(read("digits"), 0, train=60, held_out=100)
    first, second, *_ = ensembles.members(sample, bench, 0)
    assert not torch.equal(first.get_parameter("fc1.weight"), second.get_parameter("fc1.weight"))
    assert sample.judge(Ensemble([first, second])).loss < max(sample.judge(first).loss, sample.judge(second).loss)

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import nn

from babysit.data import read
from babysit.lab import Bench, Verdict, claims
from babysit.lab.preprocessing.centring import centredness, deep, layer_inputs, linears
from babysit.lab.preprocessing.examples import photographs, prepared
from babysit.lab.preprocessing.images import mean_of, sample_errors
from babysit.lab.preprocessing.loops import accuracy, train_watched
from babysit.lab.preprocessing.scaling import covariance, transformed
from babysit.lab.preprocessing.splits import same_statistics, spoilt
from babysit.lab.running import run_claim
from babysit.lab.subsets import fewer
from babysit.nn.models import MLPConfig, build

BENCH = Bench(quick=True, seeds=(0,))


def outcome(id_: str):
    (claim,) = claims([id_])
    return claim.run(BENCH)


def measured(id_: str) -> dict[str, float]:
    return {measure.name: measure.values[0] for measure in outcome(id_).measures}


def test_standardised_wines_are_those_of_scikit_learn():
    wine = read("wine")
    expected = StandardScaler().fit_transform(wine.inputs("train").astype(np.float64))
    np.testing.assert_allclose(transformed("standardize", wine).numpy(), expected, atol=1e-5)
    raw = wine.inputs("train").astype(np.float64)
    found = measured("B1")
    assert found["that share before"] == pytest.approx(raw.var(0).max() / raw.var(0).sum(), rel=1e-6)
    assert found["largest deviation / smallest, before"] == pytest.approx(raw.std(0).max() / raw.std(0).min(), rel=1e-6)


def test_principal_axes_are_those_of_scikit_learn():
    wine = read("wine")
    scaled = StandardScaler().fit_transform(wine.inputs("train").astype(np.float64))
    reference = PCA().fit(scaled)
    turned = transformed("standardize,pca:13", wine)
    np.testing.assert_allclose(turned.abs().numpy(), np.abs(reference.transform(scaled)), atol=1e-4)
    # scikit-learn divides by n − 1
    variances = reference.explained_variance_ * (len(scaled) - 1) / len(scaled)
    np.testing.assert_allclose(covariance(turned).numpy(), np.diag(variances), atol=1e-4)
    white = np.diag(variances / (variances + 1e-5 * variances[0]))
    np.testing.assert_allclose(covariance(transformed("standardize,whiten", wine)).numpy(), white, atol=1e-4)


def test_means_of_images():
    digits = read("digits")
    x = digits.inputs("train").astype(np.float64)
    np.testing.assert_allclose(mean_of("mean-image", digits).numpy(), x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(mean_of("channel-mean", digits).numpy().ravel(), x.mean((0, 2, 3)), rtol=1e-6)


def test_error_of_the_mean_of_samples():
    digits = read("digits")
    x = digits.inputs("train").astype(np.float64)
    found = sample_errors("mean-image", digits, [50], [0])
    draws = [fewer(digits, 50, seed=draw).inputs("train").mean(0) for draw in range(20)]
    assert found.measured[0][0] == pytest.approx(np.sqrt(np.mean((np.array(draws) - x.mean(0)) ** 2)) / x.std())
    by_formula = np.sqrt(x.var(0).mean() / 50 * (len(x) - 50) / (len(x) - 1)) / x.std()
    assert found.expected[0] == pytest.approx(by_formula)
    by_channel = sample_errors("channel-mean", digits, [50], [0])
    assert by_channel.expected[0] == pytest.approx(
        np.sqrt(x.mean((2, 3)).var() / 50 * (len(x) - 50) / (len(x) - 1)) / x.std()
    )


def test_fewer_examples_are_of_all_classes():
    digits = read("digits")
    by_class = np.argsort(digits.y, kind="stable")
    digits = dataclasses.replace(digits, x=digits.x[by_class], y=digits.y[by_class])
    some = fewer(digits, 200, validation=100)
    assert len(set(some.targets("train"))) == len(set(some.targets("validation"))) == 10
    assert set(some.splits.train) <= set(digits.splits.train)
    assert set(some.splits.validation) <= set(digits.splits.validation)


def test_only_the_training_split_is_read():
    digits = read("digits")
    changed = spoilt(digits)
    assert np.abs(changed.inputs("validation") - digits.inputs("validation")).min() > 1e5
    assert same_statistics(digits, changed)
    x = digits.x.astype(np.float32)
    x[digits.splits.train[0]] += 1
    assert not same_statistics(digits, dataclasses.replace(digits, x=x))


def test_photographs_are_far_from_zero():
    x = photographs(Bench()).inputs("train").astype(np.float64)
    assert 1.5 < x.mean() / x.std() < 2.5
    assert x.min() == 0
    assert x.max() == 255


def test_what_layers_are_given():
    network = build(MLPConfig((4,), 3, hidden=(5, 6), activation="sigmoid", init="xavier"), 0)
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    values = x.double().numpy()
    for given, layer in zip(layer_inputs(network, x), linears(network), strict=True):
        np.testing.assert_allclose(given.numpy(), values, atol=1e-5)
        sums = values @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        values = 1 / (1 + np.exp(-sums))


def test_gradients_of_positive_inputs_have_one_sign():
    digits = prepared("scale", read("digits"))[0]
    network = deep("sigmoid", digits, 0)
    found = centredness(network, *digits)
    # a weight's gradient is its input times the unit's error, so signs are those of the inputs
    assert found.one_sign == pytest.approx([1.0] * 6)
    centred = centredness(network, *prepared("mean-image,scale", read("digits"))[0])
    assert centred.one_sign[0] == 0
    hidden = [np.asarray(values) for values in layer_inputs(network, digits[0])]
    assert found.offset == pytest.approx([values.mean() / values.std() for values in hidden], rel=1e-3)


def test_watched_loop_is_gradient_descent_with_momentum():
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    models = [nn.Linear(4, 2) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    train_watched(models[0], (x, y), lr=0.1, epochs=2, batch_size=60, seed=3)
    order = torch.Generator().manual_seed(3)
    weight, bias = (parameter.detach().double().numpy() for parameter in models[1].parameters())
    velocity = [np.zeros_like(weight), np.zeros_like(bias)]
    for _ in range(2):
        rows = torch.randperm(64, generator=order)[:60].numpy()  # four are left over
        inputs, targets = x.double().numpy()[rows], np.eye(2)[y.numpy()[rows]]
        scores = np.exp(inputs @ weight.T + bias)
        error = (scores / scores.sum(1, keepdims=True) - targets) / 60
        velocity = [0.9 * v + g for v, g in zip(velocity, (error.T @ inputs, error.sum(0)), strict=True)]
        weight, bias = weight - 0.1 * velocity[0], bias - 0.1 * velocity[1]
    np.testing.assert_allclose(models[0].weight.detach().numpy(), weight, atol=1e-6)
    np.testing.assert_allclose(models[0].bias.detach().numpy(), bias, atol=1e-6)


def test_watched_loop_ends_after_steps_and_evaluates_in_any_mode():
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    modes = []

    def evaluate(model: nn.Module) -> float:
        modes.append(model.training)
        return accuracy(model, x, (x[:, 0] > 0).long())

    watched = train_watched(
        nn.Linear(4, 2), (x, (x[:, 0] > 0).long()), {"a": evaluate}, lr=0.1, epochs=9, batch_size=16, steps=6
    )
    assert len(watched.losses) == len(watched.scores["a"]) == 2
    assert modes == [True, True]
    assert watched.finding("LOS001") is None


@pytest.mark.parametrize("id_", ["B1", "B2", "B5"])
def test_quick_experiments_hold(id_):
    row = run_claim(claims([id_])[0], BENCH)
    assert row.verdict is Verdict.HOLDS, [measure for measure in row.measures if measure.holds is False]


@pytest.mark.slow
@pytest.mark.parametrize("claim", claims(["B"]), ids=lambda claim: claim.id)
def test_every_claim_holds_or_says_why_not(claim):
    row = run_claim(claim, Bench(quick=True, seeds=(0, 1)))
    assert row.verdict in (Verdict.HOLDS, Verdict.SUBTLE), (row.remark, row.measures)
    assert row.pictures

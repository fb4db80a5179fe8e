import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from babysit.lab import Bench, Verdict, claims
from babysit.lab.normalization.batches import estimates
from babysit.lab.normalization.depth import OF_UNIT_GAUSSIANS, network_of, signal
from babysit.lab.normalization.evaluation import convergence, distance_from_running_formula
from babysit.lab.normalization.formula import layer_of, undone, uneven, written_out
from babysit.lab.normalization.jitter import jitter, outputs_beside_others
from babysit.lab.normalization.networks import two_layers
from babysit.lab.normalization.ranges import Grid, Maps, accuracies
from babysit.lab.normalization.shape import excess_kurtosis, skew
from babysit.lab.running import run_claim

BENCH = Bench(quick=True, seeds=(0,))


def forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows are values, columns are features: normalised, and what the backward pass needs."""
    std = np.sqrt(((x - x.mean(0)) ** 2).mean(0) + eps)
    normal = (x - x.mean(0)) / std
    return normal * gamma + beta, normal, std


def backward(above: np.ndarray, normal: np.ndarray, gamma: np.ndarray, std: np.ndarray):
    """Ioffe and Szegedy 2015, section 3, put together."""
    error = above * gamma
    inputs = (error - error.mean(0) - normal * (error * normal).mean(0)) / std
    return inputs, (above * normal).sum(0), above.sum(0)


@pytest.mark.parametrize("shape", [(16, 7), (4, 3, 5, 6)])
@pytest.mark.parametrize("written", [False, True])
def test_layer_and_formula_against_the_paper(shape, written):
    generator = torch.Generator().manual_seed(1)
    x = uneven(shape, generator).requires_grad_()
    reference = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](shape[1]).double()
    with torch.no_grad():
        reference.weight.uniform_(0.5, 1.5, generator=generator)
        reference.bias.normal_(generator=generator)
    above = torch.randn(shape, generator=generator, dtype=torch.float64)
    gamma, beta = reference.weight, reference.bias
    out = written_out(x, gamma, beta, reference.eps) if written else reference(x)
    found = torch.autograd.grad(out, (x, gamma, beta), above)

    def rows(values: torch.Tensor) -> np.ndarray:
        return values.detach().movedim(1, -1).reshape(-1, shape[1]).numpy()

    expected, normal, std = forward(rows(x), gamma.detach().numpy(), beta.detach().numpy(), reference.eps)
    np.testing.assert_allclose(rows(out), expected, atol=1e-12)
    gradients = backward(rows(above), normal, gamma.detach().numpy(), std)
    np.testing.assert_allclose(rows(found[0]), gradients[0], atol=1e-12)
    np.testing.assert_allclose(found[1].numpy(), gradients[1], atol=1e-11)
    np.testing.assert_allclose(found[2].numpy(), gradients[2], atol=1e-11)


def test_networks_have_torch_s_layers_over_features_and_over_maps():
    assert type(layer_of("mlp", 6)) is nn.BatchNorm1d
    assert type(layer_of("cnn", 6)) is nn.BatchNorm2d
    assert layer_of("mlp", 6).num_features == layer_of("cnn", 6).num_features == 6


@pytest.mark.parametrize("shape", [(64, 20), (8, 5, 6, 6)])
def test_undone(shape):
    assert undone(uneven(shape, torch.Generator().manual_seed(0)).float()) < 1e-5
    assert undone(uneven(shape, torch.Generator().manual_seed(0))) < 1e-12


def test_deviations_of_activations_of_unit_gaussians():
    # Gauss–Hermite quadrature
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    assert OF_UNIT_GAUSSIANS["tanh"] == pytest.approx(math.sqrt((weights * np.tanh(points) ** 2).sum()), abs=1e-4)
    assert OF_UNIT_GAUSSIANS["relu"] == pytest.approx(math.sqrt(0.5 - 1 / (2 * math.pi)))


def test_signal_of_ten_layers():
    network = network_of("normal:0.01", "tanh", 3, batch_norm=True)
    found = signal(network, 3, examples=200)
    generator = torch.Generator().manual_seed(1003)
    values = torch.randn(200, 500, generator=generator).double().numpy()
    for layer, (normal, activation) in enumerate(zip(found.normal, found.activations, strict=True), start=1):
        weight = network.get_submodule(f"fc{layer}").weight.detach().double().numpy()
        sums, _, _ = forward(values @ weight.T, np.ones(500), np.zeros(500), 1e-5)
        values = np.tanh(sums)
        assert normal == pytest.approx(sums.std(), rel=1e-4)
        assert activation == pytest.approx(values.std(), rel=1e-4)
    assert len(found.gradients) == 10


def test_maps_of_rates_and_scales():
    grid = Grid((0.1, 1e4), (1e-3, 1.0), 4)
    maps = Maps(*(accuracies(grid, 0, batch_norm=norm) for norm in (False, True)))
    assert maps.plain.shape == (2, 2)
    assert maps.plain[0, 0] < 0.3  # of a tiny start nothing comes
    assert maps.normalised[0, 0] > 0.6  # batch norm hardly minds
    assert maps.plain[0, 1] > 0.6
    assert not maps.normalised[1].max() > 0.8  # a rate of 10 000 is too much for both
    assert maps.area(np.array([[maps.enough, np.nan], [0.0, 1.0]])) == 0.5
    assert maps.span(np.array([[1.0, np.nan], [0.0, 1.0]]), 1, (1e-3, 1.0)) == pytest.approx(3)


def test_an_example_jitters_with_its_batch():
    network = two_layers((6,), 0, hidden=(5,))
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    outputs = outputs_beside_others(network, x[0], x[1:], 4, training=True, draws=30)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert jitter(outputs) == pytest.approx(math.sqrt(outputs.double().numpy().var(0).mean()), rel=1e-4)
    generator = torch.Generator().manual_seed(0)
    rest = x[1:][torch.randint(49, (3,), generator=generator)]
    sums = np.vstack([x[:1], rest]).astype(np.float64) @ network.get_submodule("fc1").weight.detach().double().numpy().T
    hidden = np.maximum(forward(sums, np.ones(5), np.zeros(5), 1e-5)[0], 0)
    output = network.get_submodule("output")
    expected = hidden[0] @ output.weight.detach().double().numpy().T + output.bias.detach().double().numpy()
    np.testing.assert_allclose(outputs[0].numpy(), expected, atol=1e-5)


def test_running_mean():
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) + 2
    found = convergence(x, 1)
    weight = two_layers((6,), 1).get_submodule("fc1").weight.detach().double().numpy()
    sums = x.double().numpy() @ weight.T
    generator, running = torch.Generator().manual_seed(1), np.zeros(50)
    for error in found.errors[:20]:
        batch = sums[torch.randint(500, (64,), generator=generator).numpy()]
        running = 0.9 * running + 0.1 * batch.mean(0)
        expected = np.sqrt(np.mean(((running - sums.mean(0)) / sums.std(0)) ** 2))
        assert error == pytest.approx(expected, rel=1e-3)
    # the sum of 0.1·0.9ᵗ of independent means of 64
    assert found.floor == pytest.approx(math.sqrt(sum((0.1 * 0.9**t) ** 2 for t in range(400)) / 64))


def test_evaluation_takes_the_running_averages():
    network = two_layers((6,), 0)
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0)) + 1
    network.train()(x)
    assert distance_from_running_formula(network, x) < 1e-5
    assert network.training


@pytest.mark.parametrize("size", [2, 8, 64])
def test_error_of_a_batch_s_statistics(size):
    found = estimates(size, 0, 100)
    draws = np.random.default_rng(0).standard_normal((40_000, size))
    assert found.variance == pytest.approx(np.sqrt(((draws.var(1, ddof=1) - 1) ** 2).mean()), rel=0.12)
    assert found.mean == pytest.approx(np.sqrt((draws.mean(1) ** 2).mean()), rel=0.06)


def test_moments_are_those_of_scipy():
    x = torch.rand(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 2
    np.testing.assert_allclose(skew(x).numpy(), stats.skew(x.numpy()), rtol=1e-10)
    np.testing.assert_allclose(excess_kurtosis(x).numpy(), stats.kurtosis(x.numpy()), rtol=1e-10)


@pytest.mark.parametrize("id_", ["D1", "D8"])
def test_quick_experiments_hold(id_):
    row = run_claim(claims([id_])[0], BENCH)
    assert row.verdict is Verdict.HOLDS, [measure for measure in row.measures if measure.holds is False]


@pytest.mark.slow
@pytest.mark.parametrize("claim", claims(["D"]), ids=lambda claim: claim.id)
def test_every_claim_holds_or_says_why_not(claim):
    row = run_claim(claim, Bench(quick=True, seeds=(0, 1)))
    assert row.verdict in (Verdict.HOLDS, Verdict.SUBTLE), (row.remark, row.measures)
    assert row.pictures

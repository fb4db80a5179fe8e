"""Section A beside NumPy in float64, torch's own layers and the formulas."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from babysit.lab import Bench, Verdict, claims
from babysit.lab.activations import biases, dying, elu, learned_slope, maxout, zigzag
from babysit.lab.activations.cloud import dead_units, train_cloud
from babysit.lab.activations.maxout import function_of
from babysit.lab.activations.shapes import outputs, slopes
from babysit.lab.running import run_claim
from babysit.nn import Maxout

QUICK = Bench(quick=True, seeds=(0,))


def run(id_: str):
    return run_claim(claims([id_])[0], QUICK)


def values(row, name: str) -> tuple[float, ...]:
    return next(measure.values for measure in row.measures if measure.name == name)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


FORMULAS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_outputs_and_slopes_are_those_of_the_formula(name):
    z = np.linspace(-9.95, 9.95, 200)  # without zero, where some have two slopes
    formula, step = FORMULAS[name], 1e-6
    torch.testing.assert_close(outputs(name, torch.from_numpy(z)).numpy(), formula(z), rtol=1e-6, atol=1e-9)
    wanted = (formula(z + step) - formula(z - step)) / (2 * step)
    np.testing.assert_allclose(slopes(name, torch.from_numpy(z)).numpy(), wanted, rtol=1e-5, atol=1e-8)


def test_a1_the_sigmoid_is_the_formula_and_the_saturated_network_is_named():
    row = run("A1")
    assert row.verdict is Verdict.HOLDS
    at_ten = sigmoid(10.0) * (1 - sigmoid(10.0))
    assert values(row, "σ′(10)") == pytest.approx((at_ten,))
    assert values(row, "σ′(−10)") == pytest.approx((at_ten,))
    assert {finding.code for finding in row.findings} >= {"ACT002"}
    assert any(picture.finding.startswith("ACT002") for picture in row.pictures)


def test_a2_signs_are_counted_neuron_by_neuron():
    gradients = torch.tensor([[[1.0, 2.0], [-1.0, 2.0], [0.0, 0.0]], [[-1.0, 0.0], [-1.0, -3.0], [0.0, 5.0]]])
    assert zigzag._one_sign_share(gradients) == pytest.approx(4 / 5)


def test_a2_gradients_of_single_examples_are_the_outer_products():
    model = nn.Sequential(nn.Linear(3, 2))
    x, y = torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    found = zigzag._per_example(model, "0.weight", (x, y))
    upstream = (model(x).softmax(1) - nn.functional.one_hot(y, 2)).detach()
    torch.testing.assert_close(found, upstream[:, :, None] * x[:, None, :])


def test_a2_a_batch_of_all_examples_takes_as_many_steps_as_the_eigenvalues_say():
    inputs = zigzag._inputs(0, centred=False)
    moments = inputs.numpy().T @ inputs.numpy() / len(inputs)
    eigenvalues, vectors = np.linalg.eigh(moments)
    away = vectors.T @ (np.array(zigzag._START) - np.array(zigzag._OPTIMUM))

    def steps(rate):
        if np.abs(1 - rate * eigenvalues).max() >= 1:
            return 500
        for step in range(500):
            if np.linalg.norm((1 - rate * eigenvalues) ** step * away) < zigzag._NEAR * np.linalg.norm(away):
                return step
        return 500

    assert zigzag._steps_on_all(inputs) == min(map(steps, zigzag._FINE_RATES.tolist()))


def test_a2_the_way_ends_at_the_optimum_and_moves_both_weights_one_way():
    descent = zigzag._descend(zigzag._inputs(1, centred=False), 1)
    away = (descent.path - torch.tensor(zigzag._OPTIMUM)).norm(dim=1).numpy()
    assert away[-1] < zigzag._NEAR * away[0] <= away[-2]
    assert descent.one_sign == 1
    assert descent.steps > zigzag._descend(zigzag._inputs(1, centred=True), 1).steps
    # each step is lr · error · x for one of the examples
    moves = descent.path.diff(dim=0)
    ratios = moves[:, 1] / moves[:, 0]
    of_examples = descent.inputs[:, 1] / descent.inputs[:, 0]
    assert (ratios[:, None] - of_examples).abs().amin(dim=1).max() < 1e-9


def test_a2_and_its_remark():
    row = run("A2")
    assert row.verdict is Verdict.SUBTLE
    assert all(measure.holds is not False for measure in row.measures)
    assert "0 % of the neurons have one sign in one gradient of 64 examples" in row.remark


def test_a4_tanh_is_the_formula_and_the_saturated_network_is_named():
    row = run("A4")
    assert row.verdict is Verdict.HOLDS
    assert values(row, "tanh′(10)") == pytest.approx((1 - np.tanh(10.0) ** 2,), rel=1e-6)
    z = np.random.default_rng(0).standard_normal(10**6)
    assert np.tanh(z).std() == pytest.approx(0.628, abs=0.002)  # what the tolerance of the mean is made of
    assert {finding.code for finding in row.findings} >= {"ACT002"}


def test_a6_relu_is_as_the_lecture_says():
    row = run("A6")
    assert row.verdict is Verdict.HOLDS
    z, step = np.linspace(-12, 12, 200_001, retstep=True)
    mean = np.sum(np.maximum(z, 0) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)) * step
    assert values(row, "mean of ReLU, z ~ N(0, 1)") == pytest.approx((mean,), abs=0.01)
    assert [values(row, f"gradient at {point}") for point in ("−10", "0", "10")] == [(0,), (0,), (1,)]


@pytest.fixture(scope="module")
def cloud():
    return train_cloud(0)


def test_a7_dead_units_of_the_cloud_are_those_that_no_example_reaches(cloud):
    for layer, share in ((cloud.before, cloud.dead_before), (cloud.after, cloud.dead_after)):
        weight, bias = (part.double().numpy() for part in layer)
        highest = (cloud.x.double().numpy() @ weight.T + bias).max(axis=0)
        dead = dead_units(layer, cloud.x).numpy()
        clear = np.abs(highest) > 1e-5  # float32 may decide the others
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(dead[clear], highest[clear] <= 0)
        assert share == dead.mean()


def test_a7_too_large_steps_kill_and_the_dead_stay_dead(cloud):
    assert cloud.dead_before == 0
    assert cloud.dead_after > 0.7
    assert cloud.stays_dead
    assert cloud.finding is not None
    assert "they died in training" in cloud.finding.message


def test_a7_biases_far_below_zero_are_named_as_an_unlucky_start():
    (finding,) = (finding for finding in dying._unlucky(0) if finding.code == "ACT001")
    assert "from the start" in finding.message


def test_a7_and_a9_high_rates_kill_relus_and_leaky_ones_come_back():
    low, high = (dying._train("relu", rate, 0) for rate in (1e-3, 1e-1))
    assert torch.equal(high.off, high.dead)
    assert low.share < 0.05 < 0.3 < high.share
    leaky = dying._train("leaky_relu", 1e-1, 0)
    assert not leaky.dead.any()
    assert leaky.off.any()
    assert leaky.came_back > high.came_back


def test_a8_the_same_weights_fire_more_with_a_bias():
    data = biases.digits()
    model = biases.mlp(data, "relu", biases._HIDDEN, 0)
    weight = model.get_parameter("fc1.weight").detach().double().numpy()
    z = data.train[0].double().numpy() @ weight.T
    for bias in (0.0, 0.01):
        assert biases._firing(bias, 0)[0] == pytest.approx((z + bias > 0).mean(), abs=1e-5)
    assert np.mean(biases._firing(0.01, 0)) > np.mean(biases._firing(0.0, 0))


def test_a10_slopes_begin_at_torchs_value_and_move():
    one = learned_slope._train(0, 60)
    assert one.slopes[0] == (nn.PReLU().weight.item(),) * 3
    assert len(one.slopes) == 61
    assert one.moved > 0.01
    assert not one.findings


def test_a11_the_mean_of_elu_is_the_integral():
    z, step = np.linspace(-12, 12, 200_001, retstep=True)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * step
    elus = np.where(z > 0, z, np.expm1(z))
    mean = (elus * weight).sum()
    spread = math.sqrt((elus**2 * weight).sum() - mean**2)
    expected, error = elu._elu_mean()
    assert expected == pytest.approx(mean, abs=1e-6)
    assert error == pytest.approx(4 * spread / math.sqrt(elu._DRAWS), rel=1e-4)
    assert abs(expected) < 1 / math.sqrt(2 * math.pi)


def test_a11_noise_is_passed_as_the_formula_says():
    for z in (-10.0, -4.0):
        noise = torch.randn(elu._DRAWS, generator=Bench.generator(0), dtype=torch.float64).numpy()
        inputs = z + noise
        for name in ("elu", "leaky_relu"):
            assert elu._noise_through(name, 0, z) == pytest.approx(FORMULAS[name](inputs).std(ddof=1), rel=1e-6)


def test_a12_maxout_is_the_maximum_of_its_pieces():
    row = run("A12")
    assert row.verdict is Verdict.HOLDS
    x = np.linspace(-5, 5, 101)
    weights, offsets = [1.0, -0.5, 0.25], [0.0, 1.0, -2.0]
    wanted = np.max(np.outer(weights, x) + np.array(offsets)[:, None], axis=0)
    found = function_of(weights, offsets)(torch.from_numpy(x).float()).detach()
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("pieces", [2, 3, 4])
def test_a12_parameters_are_as_many_times_a_linear_layers(pieces):
    inputs, units = 64, 50
    assert maxout._parameters(Maxout(inputs, units, pieces)) == pieces * (inputs * units + units)


def test_a12_relu_and_leaky_relu_come_out_exactly():
    x, linear = maxout._binary_fractions(*maxout._random_layer(3))
    z = x.numpy() @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    np.testing.assert_array_equal(maxout._as_maxout(linear, 0.0)(x).detach().numpy(), np.maximum(z, 0))
    leaky = maxout._as_maxout(linear, 0.25)(x).detach().numpy()
    np.testing.assert_array_equal(leaky, np.where(z > 0, z, 0.25 * z))
    assert (z < 0).any()

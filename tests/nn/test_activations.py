from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from babysit.errors import InputError
from babysit.nn.activations import ACTIVATIONS, BOUNDS, Maxout, MaxoutConv2d, activation, gain, maxout_pieces

ELEMENTWISE = [name for name in ACTIVATIONS if name != "maxout"]
X = torch.linspace(-6, 6, 1201, dtype=torch.float64)

# written out independently of torch's modules
FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "tanh": lambda x: 2 / (1 + np.exp(-2 * x)) - 1,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "gelu": lambda x: x * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(x),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activation_is_its_formula(name: str) -> None:
    found = activation(name).double()(X).detach().numpy()
    np.testing.assert_allclose(found, FORMULAS[name](X.numpy()), atol=1e-12)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_bounds_are_those_of_the_function(name: str) -> None:
    far = torch.tensor([-1e4, 1e4], dtype=torch.float64)
    low, high = activation(name).double()(far).tolist()
    bounded = max(abs(low), abs(high)) <= 1
    assert bounded == (name in BOUNDS)
    if bounded:
        assert (low, high) == pytest.approx(BOUNDS[name])


def test_gradients_of_the_lecture() -> None:
    def slopes(name: str, *points: float) -> list[float]:
        x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(activation(name).double()(x).sum(), x)[0].tolist()

    left, middle, right = slopes("sigmoid", -10, 0, 10)  # A1
    assert left < 5e-5
    assert right < 5e-5
    assert middle == 0.25
    assert max(slopes("tanh", -10, 10)) < 1e-7  # A4
    assert slopes("relu", -10, 0, 10) == [0, 0, 1]  # A6
    assert slopes("leaky_relu", -10) == [0.01]  # A9
    assert activation("elu")(torch.tensor(-50.0)).item() == pytest.approx(-1)  # A11


def test_each_call_gives_a_module_of_its_own() -> None:
    assert activation("prelu") is not activation("prelu")


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"found 'rleu'; did you mean 'relu' or 'prelu'\?"):
        activation("rleu")


def test_maxout_is_no_elementwise_module() -> None:
    with pytest.raises(InputError, match="in place of the linear layer"):
        activation("maxout")


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "maxout"])
def test_gain_keeps_the_second_moment(name: str) -> None:
    z = np.random.default_rng(0).standard_normal((2, 1_000_000))
    outputs = z.max(axis=0) if name == "maxout" else FORMULAS[name](z[0])
    assert gain(name) ** 2 * np.mean(outputs**2) == pytest.approx(1, abs=0.01)


def test_gain_of_more_maxout_pieces() -> None:
    z = np.random.default_rng(0).standard_normal((4, 500_000))
    assert gain("maxout", pieces=4) ** 2 * np.mean(z.max(axis=0) ** 2) == pytest.approx(1, abs=0.01)


def test_gains_that_torch_has() -> None:
    assert gain("relu") == math.sqrt(2)
    assert gain("tanh") == 5 / 3
    assert gain("sigmoid") == 1
    assert gain("leaky_relu", negative_slope=0.3) == nn.init.calculate_gain("leaky_relu", 0.3)
    assert gain("prelu") == nn.init.calculate_gain("leaky_relu", 0.25)


def test_maxout_equals_separate_linear_layers() -> None:
    maxout = Maxout(5, 4, pieces=3).double()
    x = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = maxout.linear.weight.detach().numpy().reshape(3, 4, 5)
    biases = maxout.linear.bias.detach().numpy().reshape(3, 4)
    expected = (np.einsum("koi,ni->nko", weights, x.numpy()) + biases).max(axis=1)
    np.testing.assert_allclose(maxout(x).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("slope", "reference"), [(0.0, nn.ReLU()), (0.1, nn.LeakyReLU(0.1))])
def test_maxout_reproduces_relu_and_leaky_relu(slope: float, reference: nn.Module) -> None:
    linear, maxout = nn.Linear(6, 4).double(), Maxout(6, 4).double()
    with torch.no_grad():
        maxout.linear.weight.copy_(torch.cat([linear.weight, slope * linear.weight]))
        maxout.linear.bias.copy_(torch.cat([linear.bias, slope * linear.bias]))
    x = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(maxout(x), reference(linear(x)), rtol=1e-14, atol=1e-15)


def test_maxout_convolution_reproduces_relu() -> None:
    conv, maxout = nn.Conv2d(3, 4, 3, padding=1), MaxoutConv2d(3, 4, 3, padding=1)
    with torch.no_grad():
        maxout.linear.weight.copy_(torch.cat([conv.weight, torch.zeros_like(conv.weight)]))
        maxout.linear.bias.copy_(torch.cat([conv.bias, torch.zeros_like(conv.bias)]))
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(maxout(x), conv(x).relu())
    torch.testing.assert_close(maxout(x[0]), conv(x[0]).relu())


@pytest.mark.parametrize("pieces", [2, 5])
def test_maxout_has_k_times_the_parameters(pieces: int) -> None:
    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert count(Maxout(7, 3, pieces)) == pieces * count(nn.Linear(7, 3))
    assert count(MaxoutConv2d(2, 3, 5, pieces)) == pieces * count(nn.Conv2d(2, 3, 5))


def test_maxout_gradient_against_differences() -> None:
    x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(Maxout(3, 2, pieces=3).double(), (x,))


def test_maxout_gives_the_gradient_to_one_piece_on_a_tie() -> None:
    maxout = Maxout(1, 1)
    nn.init.zeros_(maxout.linear.weight)
    nn.init.zeros_(maxout.linear.bias)
    maxout(torch.ones(1, 1)).sum().backward()
    assert sorted(maxout.linear.bias.grad.tolist()) == [0, 1]


def test_maxout_normalises_its_pieces_before_the_maximum() -> None:
    maxout = Maxout(6, 4, batch_norm=True).double()
    x = torch.randn(64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z = maxout.linear(x).detach().numpy()
    normalised = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)
    expected = np.maximum(normalised[:, :4], normalised[:, 4:])
    np.testing.assert_allclose(maxout(x).detach().numpy(), expected, atol=1e-10)


def test_maxout_takes_any_leading_dimensions() -> None:
    maxout = Maxout(5, 2)
    x = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(maxout(x), maxout(x.flatten(0, 1)).view(3, 4, 2))


@pytest.mark.parametrize("pieces", [1, 0, 2.5])
def test_maxout_needs_two_pieces(pieces: int) -> None:
    with pytest.raises(InputError, match="at least 2"):
        Maxout(3, 3, pieces)


def test_maxout_pieces_finds_the_wide_layers() -> None:
    model = nn.Sequential(Maxout(4, 3, 3), nn.Linear(3, 2))
    assert maxout_pieces(model) == {model[0].linear: 3}

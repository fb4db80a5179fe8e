from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from babysit.errors import InputError
from babysit.fit.optimizers import OPTIMIZERS, make_optimizer

Array = np.ndarray
LR, L2, MOMENTUM = 0.03, 0.2, 0.8


class Rule:
    """One parameter under one update rule, in float64 and as the textbooks write it."""

    def __init__(self, weights: Array, decay: float) -> None:
        self.weights, self.decay = weights.copy(), decay
        self.first = np.zeros_like(weights)
        self.second = np.zeros_like(weights)
        self.steps = 0

    def step(self, name: str, gradient: Array, lr: float) -> None:
        self.steps += 1
        getattr(self, name)(gradient + self.decay * self.weights, gradient, lr)

    def sgd(self, g: Array, _: Array, lr: float) -> None:
        self.weights -= lr * g

    def momentum(self, g: Array, _: Array, lr: float) -> None:
        self.first = MOMENTUM * self.first + g
        self.weights -= lr * self.first

    def nesterov(self, g: Array, _: Array, lr: float) -> None:
        self.first = MOMENTUM * self.first + g
        self.weights -= lr * (g + MOMENTUM * self.first)

    def adagrad(self, g: Array, _: Array, lr: float) -> None:
        self.second += g**2
        self.weights -= lr * g / (np.sqrt(self.second) + 1e-10)

    def rmsprop(self, g: Array, _: Array, lr: float) -> None:
        self.second = 0.99 * self.second + 0.01 * g**2
        self.weights -= lr * g / (np.sqrt(self.second) + 1e-8)

    def adam(self, g: Array, _: Array, lr: float) -> None:
        self.first = MOMENTUM * self.first + (1 - MOMENTUM) * g
        self.second = 0.999 * self.second + 0.001 * g**2
        mean = self.first / (1 - MOMENTUM**self.steps)
        square = self.second / (1 - 0.999**self.steps)
        self.weights -= lr * mean / (np.sqrt(square) + 1e-8)

    def adamw(self, _: Array, bare: Array, lr: float) -> None:
        self.weights *= 1 - lr * self.decay
        self.adam(bare, bare, lr)


@pytest.fixture
def layer() -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(4, 3).double()


@pytest.mark.parametrize("l2", [L2, 0.0])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_rule_follows_its_formula_with_a_changing_rate(name: str, l2: float, layer: nn.Linear) -> None:
    rng = np.random.default_rng(1)
    weight, bias = Rule(layer.weight.detach().numpy(), l2), Rule(layer.bias.detach().numpy(), 0.0)
    optimizer = make_optimizer(name, layer, lr=LR, l2=l2, momentum=MOMENTUM)
    for step in range(12):
        lr = LR / (1 + step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        for parameter, rule in ((layer.weight, weight), (layer.bias, bias)):
            gradient = rng.normal(size=parameter.shape)
            parameter.grad = torch.from_numpy(gradient.copy())
            rule.step(name, gradient, lr)
        optimizer.step()
    np.testing.assert_allclose(layer.weight.detach().numpy(), weight.weights, rtol=1e-10)
    np.testing.assert_allclose(layer.bias.detach().numpy(), bias.weights, rtol=1e-10)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_rule_goes_downhill_in_float32(name: str) -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 5.0)
    optimizer = make_optimizer(name, layer, lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        layer(torch.ones(1, 1)).square().sum().backward()
        optimizer.step()
    assert abs(layer.weight.item()) < 4.9


@pytest.mark.parametrize(
    ("name", "todo"), [("adma", r"did you mean 'adam'"), ("lbfgs-of-some-kind", "choose one of these names")]
)
def test_an_unknown_rule_is_refused_with_the_nearest_name(name: str, todo: str, layer: nn.Linear) -> None:
    with pytest.raises(InputError, match=f"^optimizer: expected one of sgd, .* found '{name}'; {todo}"):
        make_optimizer(name, layer, lr=0.1)


@pytest.mark.parametrize("model", [lambda: nn.ReLU(), lambda: nn.Linear(2, 2).requires_grad_(False)])
def test_a_model_with_nothing_to_train_is_refused(model: Callable[[], nn.Sequential]) -> None:
    with pytest.raises(InputError, match=r"^model: .*found none; unfreeze"):
        make_optimizer("sgd", model(), lr=0.1)


def test_a_frozen_layer_beside_a_trainable_one_stays_as_it_is() -> None:
    frozen = nn.Linear(3, 3).requires_grad_(False)
    model = nn.Sequential(frozen, nn.Linear(3, 1))
    before = frozen.weight.clone()
    optimizer = make_optimizer("adam", model, lr=0.1, l2=0.5)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    assert torch.equal(frozen.weight, before)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_has_momentum(name: str, dtype: torch.dtype) -> None:
    model = nn.Linear(1, 1, bias=False).to(dtype)
    nn.init.zeros_(model.weight)
    optimizer = make_optimizer(name, model, lr=LR, momentum=MOMENTUM)
    rule = Rule(np.zeros((1, 1)), 0.0)
    for _ in range(8):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
        rule.step(name, np.ones((1, 1)), LR)
    assert model.weight.item() == pytest.approx(rule.weights.item(), rel=0.03)

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.watch.graph import (
    compared_shapes,
    first_input,
    linear_chains,
    made_by,
    operation,
    parameters_of,
    picked_classes,
    read_graph,
)


def chains(model: nn.Module, x: Tensor) -> list[tuple[str, ...]]:
    names = {id(parameter): name.rpartition(".")[0] for name, parameter in model.named_parameters()}
    out = model(x)
    view = read_graph((out if isinstance(out, Tensor) else out[0]).sum())
    assert view is not None
    return [chain.modules for chain in linear_chains(view, lambda parameter: names[id(parameter)])]


class Functional(nn.Module):
    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(6, 8))
        self.second = nn.Linear(8, 5)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.between(x @ self.first))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x))
        return self.c(x + self.b(x))


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        (nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3)), (4, 6), [("0", "1")]),
        (nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), (4, 6), []),
        (nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)), (4, 6), []),
        (
            nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 7), nn.Linear(7, 3)),
            (4, 6),
            [("0", "3", "4")],
        ),
        (nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3)), (2, 5, 6), [("0", "1")]),
        (
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)),
            (2, 1, 8, 8),
            [("0", "1", "4")],
        ),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)), (2, 1, 8, 8), []),
        # half of a separable convolution
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1)), (2, 4, 8, 8), []),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8), []),
        (nn.LSTM(6, 8, batch_first=True), (2, 5, 6), []),
        (Functional(lambda h: h), (4, 6), [("", "second")]),
        (Functional(lambda h: h * 0.5 + 1), (4, 6), [("", "second")]),
        (Functional(torch.tanh), (4, 6), []),
        (Residual(), (4, 6), []),
    ],
)
def test_layers_with_nothing_nonlinear_between(
    model: nn.Module, shape: tuple[int, ...], expected: list[tuple[str, ...]]
) -> None:
    assert chains(model, torch.randn(shape)) == expected


def test_a_chain_that_narrows_between_its_ends_says_so() -> None:
    model = nn.Sequential(nn.Linear(20, 3), nn.Linear(3, 10))
    view = read_graph(model(torch.randn(4, 20)).sum())
    assert view is not None
    (chain,) = linear_chains(view, lambda parameter: str(tuple(parameter.shape)))
    assert (chain.inputs, chain.width, chain.outputs) == (20, 3, 10)


def test_mixed_precision_hides_nothing() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert chains(nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3)), torch.randn(4, 6)) == [("0", "1")]


def test_the_operation_that_made_a_tensor() -> None:
    x = torch.randn(4, 6, requires_grad=True)
    assert made_by(x.softmax(dim=1)) == "softmax"
    assert made_by(torch.sigmoid(x).reshape(6, 4).t()) == "sigmoid"
    assert made_by(nn.Linear(6, 3)(x)) == "addmm"
    assert made_by(x) == made_by(torch.zeros(2)) == ""
    assert operation(F.log_softmax(x, 1).grad_fn) == "logsoftmax"


def test_parameters_are_the_leaves() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    view = read_graph(model(torch.randn(4, 6)).sum())
    assert view is not None
    assert {id(item) for item in parameters_of(view)} == {id(item) for item in model.parameters()}
    assert read_graph(torch.zeros(())) is None


def test_a_very_long_graph_is_left_alone() -> None:
    x = torch.ones(1, requires_grad=True)
    for _ in range(20_001):
        x = x + 1.0
    assert read_graph(x) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (lambda p, y: ((p - y) ** 2).mean(), ((8, 1), (8, 8))),
        (lambda p, y: (y - p).abs().mean() * 0.5, ((8, 1), (8, 8))),
        (lambda p, y: (p.squeeze(1) - y[:, None]).square().mean().sqrt(), ((8,), (8, 8))),
        (lambda p, y: ((p - y) * (p - y)).mean(), ((), ())),  # a product of two is not followed
        (lambda p, y: ((p - y) ** 2).mean() + 0.1 * (p**2).mean(), ((8, 1), (8, 8))),
        (lambda p, y: ((p.squeeze(1) - y) ** 2).mean(), ((8,), (8,))),
        (lambda p, _: ((p - p.t()) ** 2).mean(), ((), ())),  # pairs, on purpose
        (lambda p, y: torch.exp(-((p - y) ** 2)).mean(), ((), ())),  # a kernel
        (lambda p, y: F.mse_loss(p.squeeze(1), y), ((), ())),
        (lambda p, _: p.detach().sum(), ((), ())),
    ],
)
def test_shapes_that_a_hand_written_error_compares(
    error: Callable[[Tensor, Tensor], Tensor], expected: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    assert compared_shapes(error(nn.Linear(3, 1)(torch.randn(8, 3)), torch.randn(8))) == expected


def test_a_bare_parameter_is_a_prediction_too() -> None:
    assert compared_shapes(((torch.zeros(5, 1, requires_grad=True) - torch.ones(5)) ** 2).sum()) == ((5, 1), (5, 5))


SCORES = nn.Linear(3, 4)(torch.randn(6, 3))
TARGETS = torch.tensor([0, 3, 1, 1, 2, 0])


@pytest.mark.parametrize(
    "loss",
    [
        -SCORES.log_softmax(1)[torch.arange(6), TARGETS].mean(),
        -(SCORES - SCORES.exp().sum(1, keepdim=True).log())[torch.arange(6), TARGETS].sum() / 6,
        -1 * SCORES.softmax(1).log().gather(1, TARGETS[:, None]).mean(),
        -SCORES.log_softmax(-1).gather(-1, TARGETS[:, None]).squeeze(1).mean(),
        -torch.distributions.Categorical(logits=SCORES).log_prob(TARGETS).mean(),
    ],
)
def test_classes_that_a_hand_written_loss_picks(loss: Tensor) -> None:
    found = picked_classes(loss)
    assert found is not None
    assert torch.equal(found[0], TARGETS)
    assert found[1] == 4


@pytest.mark.parametrize(
    "loss",
    [
        -(SCORES.log_softmax(1)[torch.arange(6), TARGETS] * torch.arange(6)).mean(),  # weighted, as by what was earned
        -SCORES[torch.arange(6), TARGETS].mean(),  # no probabilities
        -SCORES.log_softmax(1)[TARGETS.argsort(), TARGETS].mean(),
        -SCORES.log_softmax(1)[TARGETS].mean(),
        -SCORES.log_softmax(1)[SCORES > 0].mean(),
        (SCORES**2).mean(),
        SCORES.detach().mean(),
    ],
)
def test_what_picks_no_classes(loss: Tensor) -> None:
    assert picked_classes(loss) is None


def test_the_data_of_a_linear_model() -> None:
    x, w = torch.randn(5, 3), torch.randn(3, requires_grad=True)
    view = read_graph((x @ w).sum())
    assert view is not None
    given = first_input(view)
    assert given is not None
    assert torch.equal(given, x)
    view = read_graph((nn.Linear(3, 3)(x) @ w).sum())
    assert view is not None
    assert first_input(view) is not None

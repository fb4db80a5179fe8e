from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import babysit as bs
from babysit.errors import InputError
from babysit.fit.ensemble import Ensemble, together
from babysit.fit.evaluation import Examples, evaluate
from babysit.fit.losses import CLASSIFICATION, REGRESSION

Network = Callable[[], nn.Sequential]
Data = tuple[Tensor, Tensor]


def softmax(logits: np.ndarray, axis: int) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("shape", [(7, 3), (5, 4, 2, 2)])
def test_probabilities_are_the_mean_of_the_softmaxes(shape: tuple[int, ...]) -> None:
    logits = np.random.default_rng(0).normal(scale=4, size=(5, *shape))
    found = together([torch.from_numpy(one) for one in logits], CLASSIFICATION)
    np.testing.assert_allclose(found.numpy(), np.log(softmax(logits, axis=2).mean(axis=0)), rtol=1e-10)
    np.testing.assert_allclose(found.softmax(dim=1).numpy(), softmax(logits, axis=2).mean(axis=0), rtol=1e-10)


def test_cross_entropy_can_be_applied(network: Network, data: Data) -> None:
    x, y = data
    members = [network() for _ in range(3)]
    for number, member in enumerate(members):
        with torch.no_grad():
            member[0].weight += number
        member.eval()
    with torch.no_grad():
        probabilities = np.mean([softmax(member(x).double().numpy(), axis=1) for member in members], axis=0)
        loss = F.cross_entropy(Ensemble(members)(x), y).item()
    assert loss == pytest.approx(-np.log(probabilities[np.arange(len(y)), y]).mean(), rel=1e-5)


def test_values_are_averaged() -> None:
    outputs = torch.randn(4, 6, 1, dtype=torch.float64)
    np.testing.assert_allclose(together(list(outputs), REGRESSION).numpy(), outputs.numpy().mean(axis=0), rtol=1e-12)


def test_one_member_says_what_it_says(network: Network, data: Data) -> None:
    model = network()
    known = Examples(*data)
    alone, same = evaluate(model, known, CLASSIFICATION), evaluate(Ensemble([model]), known, CLASSIFICATION)
    assert same.score == alone.score
    assert same.loss == pytest.approx(alone.loss, rel=1e-6)


def test_the_loss_of_the_mean_is_never_above_the_mean_of_the_losses(data: Data) -> None:
    x, y = data
    for seed in range(20):
        torch.manual_seed(seed)
        members = [nn.Linear(6, 3) for _ in range(4)]
        with torch.no_grad():
            losses = [F.cross_entropy(member(x), y).item() for member in members]
            assert F.cross_entropy(Ensemble(members)(x), y).item() <= np.mean(losses) + 1e-6


def test_impossible_classes_stay_finite() -> None:
    found = together([torch.tensor([[0.0, -1e4]]), torch.tensor([[0.0, -2e4]])], CLASSIFICATION)
    assert torch.isfinite(found).all()
    assert found.argmax().item() == 0
    assert found[0, 1].item() == pytest.approx(-1e4 - np.log(2))


def test_members_follow_in_mode_weights_and_gradient(network: Network, data: Data) -> None:
    together_ = Ensemble([network(), network()])
    together_.eval()
    assert not any(module.training for module in together_.modules())
    assert len(list(together_.parameters())) == 2 * len(list(network().parameters()))
    F.cross_entropy(together_(data[0]), data[1]).backward()
    assert all(parameter.grad is not None for parameter in together_.parameters())


def test_no_members_are_refused() -> None:
    with pytest.raises(InputError, match="at least one model"):
        Ensemble([])


def test_it_is_found_beside_fit() -> None:
    assert bs.fit.Ensemble is Ensemble

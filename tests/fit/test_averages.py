from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from babysit.fit.averages import PolyakAverage, copy_weights, load_weights, with_weights

Network = Callable[[], nn.Sequential]
Same = Callable[[object, object], bool]


def test_copies_do_not_follow_the_model(network: Network, same: Same) -> None:
    model = network()
    copied = copy_weights(model)
    assert same(copied, dict(model.state_dict()))
    model(torch.randn(7, 6)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert not same(copied, dict(model.state_dict()))
    load_weights(model, copied)
    assert same(copied, dict(model.state_dict()))
    with torch.no_grad():
        next(model.parameters()).zero_()
    assert copied["0.weight"].abs().sum() > 0


def test_the_average_of_weights_that_stand_still_is_those_weights(network: Network) -> None:
    model = network()
    average = PolyakAverage(model)
    for _ in range(50):
        average.update(model)
    torch.testing.assert_close(average.weights, copy_weights(model))


def test_the_average_forgets_where_it_began(network: Network) -> None:
    model = network()
    average = PolyakAverage(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    left = 1.0
    for updates in range(1, 2001):
        average.update(model)
        left *= min(0.99, (1 + updates) / (10 + updates))
        if updates == 30:
            expected = torch.lerp(torch.ones(8, 6), next(network().parameters()), left)
            torch.testing.assert_close(average.weights["0.weight"], expected.detach())
    torch.testing.assert_close(average.weights["0.weight"], torch.ones(8, 6), rtol=1e-4, atol=0)


def test_it_goes_on_from_where_it_was(network: Network, same: Same) -> None:
    def train(model: nn.Module, steps: int) -> None:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.9**steps)

    whole_model, model = network(), network()
    whole, first = PolyakAverage(whole_model), PolyakAverage(model)
    for steps in (1, 2):
        train(whole_model, steps)
        whole.update(whole_model)
        train(model, steps)
        first.update(model)
    second = PolyakAverage(model, first.weights, first.updates)
    train(whole_model, 3)
    whole.update(whole_model)
    train(model, 3)
    second.update(model)
    assert same(second.weights, whole.weights)
    assert second.updates == whole.updates == 3


def test_an_average_of_another_model_is_refused(network: Network) -> None:
    with pytest.raises(RuntimeError):
        PolyakAverage(network(), {"0.weight": torch.zeros(3, 3)})


def test_a_copy_with_other_weights_leaves_the_model_as_it_is(network: Network, same: Same) -> None:
    model = network().eval()
    weights = {name: tensor + 1 for name, tensor in copy_weights(model).items()}
    before = copy_weights(model)
    copied = with_weights(model, weights)
    assert same(dict(copied.state_dict()), weights)
    assert same(copy_weights(model), before)
    assert not copied.training
    with pytest.raises(RuntimeError):
        with_weights(model, {"0.weight": torch.zeros(3, 3)})

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from babysit.preflight.api import check
from babysit.preflight.modes import set_training


class Agent(nn.Sequential):
    """Has a method to be trained."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))

    def train(self) -> None:
        raise RuntimeError("there is nothing to learn from yet")


class Trainable(Agent):
    """Whose method takes something that is no mode."""

    def train(self, data: Any, epochs: int = 1) -> None:
        raise RuntimeError(f"{epochs} epochs of {data}")


class Frozen(nn.Sequential):
    """Keeps its batch normalisation in evaluation mode."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 3))

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        self[1].train(False)
        return self


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


@pytest.mark.parametrize("agent", [Agent, Trainable])
@pytest.mark.parametrize("mode", [True, False])
def test_a_method_of_another_meaning_is_not_called(agent: type[nn.Module], mode: bool) -> None:
    model = nn.ModuleList([agent(), Frozen()])
    set_training(model, not mode)
    set_training(model, mode)
    frozen = [mode, mode, False, mode]
    assert modes(model) == [mode] * 6 + frozen


def test_what_a_model_does_of_its_own_it_does() -> None:
    model = Frozen()
    set_training(model, True)
    assert modes(model) == [True, True, False, True]


def test_an_attribute_in_the_place_of_the_method() -> None:
    model = nn.Sequential(nn.Dropout())
    model.train = [torch.zeros(3)]
    set_training(model, False)
    assert modes(model) == [False, False]


@pytest.mark.parametrize("agent", [Agent, Trainable])
def test_a_model_with_such_a_method_is_checked_as_any_other(agent: type[nn.Module]) -> None:
    torch.manual_seed(0)
    centers = torch.randn(3, 4)
    y = torch.arange(48) % 3

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets)

    model = agent()
    report = check(model, loss_of, (centers[y] + 0.3 * torch.randn(48, 4), y))
    assert [item for item in report.checks if "nothing to learn" in item.measured or "epochs of" in item.measured] == []
    assert {"determinism", "overfit", "gradient"} <= {item.name for item in report.checks if item.mark == "passed"}
    assert modes(model) == [True] * 5

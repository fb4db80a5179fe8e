"""A script's step that adds to tensors in place, taken again: each time to zeros that nothing was added to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.preflight.test_capture import captured
from torch import Tensor, nn

from babysit.preflight.isolation import isolated


def added(x: Tensor, parts: list[nn.Module]) -> Tensor:
    out = x.new_zeros(len(x), 1)
    for part in parts:
        out += part(x)
    return out


def added_by_name(x: Tensor, parts: list[nn.Module]) -> Tensor:
    out = torch.zeros(len(x), 1)
    for part in parts:
        out.add_(part(x))
    return out


def assigned(x: Tensor, parts: list[nn.Module]) -> Tensor:
    out = torch.zeros(len(x), len(parts))
    for place, part in enumerate(parts):
        out[:, place] = part(x)[:, 0]
    return out


def added_to_columns(x: Tensor, parts: list[nn.Module]) -> Tensor:
    out = torch.zeros(len(x), len(parts))
    for place, part in enumerate(parts):
        out[:, place] += part(x)[:, 0]
    return out


@pytest.mark.parametrize("outputs_of", [added, added_by_name, assigned, added_to_columns])
def test_what_is_written_to_is_as_it_was_each_time(outputs_of: Callable[[Tensor, list[nn.Module]], Tensor]) -> None:
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Linear(4, 1), nn.Linear(4, 1)]
    weights = [item for part in parts for item in part.parameters()]
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    optimizer = torch.optim.SGD(weights, 0.1)

    def loss() -> Tensor:
        return ((outputs_of(x, parts) - y) ** 2).mean()

    def train() -> None:
        loss().backward()
        optimizer.step()

    subject = captured(train)
    expected = torch.autograd.grad(loss(), weights)
    with isolated(subject.model) as model:
        for _ in range(3):
            found = torch.autograd.grad(subject.loss(model, subject.batch), list(model.parameters()))
            torch.testing.assert_close(found, expected)

from __future__ import annotations

import threading
from collections import deque
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from tests.preflight.test_capture import captured
from torch import Tensor, nn

from babysit.preflight.copies import copy_of


class Action(NamedTuple):
    log_prob: Tensor
    value: Tensor


class Agent(nn.Module):
    """Keeps what it did until it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.saved: Any = []

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).log_softmax(-1)


@pytest.mark.parametrize(
    "keep",
    [
        lambda item: item,
        lambda item: [Action(item, item * 2)],
        lambda item: {"last": ({"answers": item},)},
        lambda item: deque([SimpleNamespace(logits=item)]),
    ],
    ids=["alone", "named", "nested", "of an object"],
)
def test_tensors_with_a_graph_are_data_in_the_copy(keep: Any) -> None:
    agent = Agent()
    given = agent(torch.randn(2, 4))
    agent.saved = keep(given)
    copied = copy_of(agent)
    agent.saved = None
    copied(torch.randn(2, 4)).sum().backward()
    assert "grad_fn" not in repr(copied.saved)
    assert f"{given[0, 0].item():.4f}" in repr(copied.saved)
    assert copied.layer.weight.grad is not None
    assert agent.layer.weight.grad is None
    given.sum().backward()
    assert agent.layer.weight.grad is not None


def test_a_tensor_that_is_kept_twice_is_the_same_in_the_copy() -> None:
    agent = Agent()
    given = agent(torch.randn(2, 4))
    agent.saved = [given, [given, agent]]
    copied = copy_of(agent)
    assert copied.saved[0] is copied.saved[1][0]
    assert copied.saved[1][1] is copied


def test_what_cannot_be_copied_at_all_still_raises() -> None:
    agent = Agent()
    agent.saved = [agent(torch.randn(2, 4)), threading.Lock()]
    with pytest.raises(TypeError, match="lock"):
        copy_of(agent)


def test_an_agent_that_keeps_what_it_did_is_captured() -> None:
    torch.manual_seed(0)
    agent = Agent()
    optimizer = torch.optim.SGD(agent.parameters(), 0.1)
    x, rewards = torch.randn(6, 4), torch.randn(6)

    def loss() -> Tensor:
        agent.saved = [agent(row).max() for row in x]
        return -(torch.stack(agent.saved) * rewards).sum()

    def train() -> None:
        loss().backward()
        optimizer.step()

    subject = captured(train)
    assert subject.model is agent
    assert subject.loss(copy_of(agent), subject.batch).item() == pytest.approx(loss().item())

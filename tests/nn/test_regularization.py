from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from babysit.nn.regularization import decay_groups, l2_penalty


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.PReLU(), nn.LayerNorm([3, 4, 4]), nn.Flatten(), nn.Linear(48, 2)
    )


def test_penalty_is_half_the_squared_weights() -> None:
    net = model()
    weights = np.concatenate([net[i].weight.detach().double().numpy().ravel() for i in (0, 5)])
    assert l2_penalty(net, 0.3).item() == pytest.approx(0.5 * 0.3 * np.sum(weights**2), rel=1e-6)


def test_penalty_and_decay_groups_step_alike() -> None:
    by_loss, by_optimizer = model(), model()
    x = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    (by_loss(x).square().mean() + l2_penalty(by_loss, 0.1)).backward()
    by_optimizer(x).square().mean().backward()
    torch.optim.SGD(by_loss.parameters(), lr=0.5).step()
    torch.optim.SGD(decay_groups(by_optimizer, 0.1), lr=0.5).step()
    for left, right in zip(by_loss.parameters(), by_optimizer.parameters(), strict=True):
        torch.testing.assert_close(left, right)


def test_only_weights_are_decayed() -> None:
    net = model()
    decayed, others = decay_groups(net, 1e-4)
    assert decayed["weight_decay"] == 1e-4
    assert others["weight_decay"] == 0
    assert {id(p) for p in decayed["params"]} == {id(net[0].weight), id(net[5].weight)}
    assert {id(p) for p in decayed["params"] + others["params"]} == {id(p) for p in net.parameters()}
    assert len(decayed["params"] + others["params"]) == len(list(net.parameters()))


def test_tied_weights_count_once() -> None:
    embedding, head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    head.weight = embedding.weight
    tied = nn.Sequential(embedding, head)
    assert l2_penalty(tied, 2.0).item() == pytest.approx(embedding.weight.square().sum().item())
    assert [len(group["params"]) for group in decay_groups(tied, 0.1)] == [1]


def test_nothing_to_decay() -> None:
    norm = nn.BatchNorm1d(3, dtype=torch.float64)
    assert l2_penalty(norm, 1.0) == 0
    assert l2_penalty(norm, 1.0).dtype == torch.float64
    assert l2_penalty(nn.ReLU(), 1.0) == 0
    assert [group["weight_decay"] for group in decay_groups(norm, 0.1)] == [0.0]

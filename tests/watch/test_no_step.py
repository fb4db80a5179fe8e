"""Backward passes that no step follows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.rules import Finding, Severity
from babysit.watch import Monitor


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


def convolutional() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


def batches(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        yield torch.randn(8, 16, generator=generator), torch.randint(3, (8,), generator=generator)


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, passes: int, every: int = 0
) -> tuple[Finding, ...]:
    """The findings of a loop that takes a step after every so many backward passes, or none."""
    with Monitor() as monitor:
        for number, (x, y) in enumerate(batches(passes)):
            if not every:
                model.zero_grad()
            F.cross_entropy(model(x), y).backward()
            if optimizer is not None and every and (number + 1) % every == 0:
                optimizer.step()
                optimizer.zero_grad()
    return monitor.findings


@pytest.mark.parametrize("make", [mlp, convolutional])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimizer_whose_step_is_never_called(make, kind) -> None:
    model = make()
    (finding,) = train(model, kind(model.parameters(), lr=0.1), 40)
    assert (finding.code, finding.severity) == ("UPD004", Severity.ERROR)
    assert f"40 backward passes gave gradients to parameters of an optimizer ({kind.__name__})" in finding.message
    assert "optimizer.step() after loss.backward()" in finding.remedies[0]


def test_one_that_is_gone_when_the_watching_ends() -> None:
    def of_its_own() -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in batches(40):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()

    with Monitor() as monitor:
        of_its_own()
    assert [item.code for item in monitor.findings] == ["UPD004"]


@pytest.mark.parametrize(("passes", "every"), [(128, 64), (90, 45), (15, 0)])
def test_gradients_of_many_batches_before_a_step_are_fine(passes: int, every: int) -> None:
    model = mlp()
    assert "UPD004" not in {
        item.code for item in train(model, torch.optim.SGD(model.parameters(), lr=0.1), passes, every)
    }


def test_gradients_alone_are_fine_without_an_optimizer() -> None:
    other = mlp()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    assert not train(mlp(), None, 40)
    del optimizer


def test_and_so_are_updates_by_hand_beside_an_optimizer() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with Monitor() as monitor:
        for x, y in batches(40):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            with torch.no_grad():
                for item in model.parameters():
                    assert item.grad is not None
                    item.sub_(0.01 * item.grad)
    assert monitor.steps == 40
    assert "UPD004" not in {item.code for item in monitor.findings}


@pytest.mark.parametrize("make", [mlp, convolutional])
def test_what_is_lost_where_the_weights_were_moved_to_is_no_loss_of_the_step(make) -> None:
    """Sharpness-aware minimisation: the gradient of the second pass is taken from another place."""
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with Monitor() as monitor:
        for x, y in batches(60):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            losses.append(loss.item())
            before = [item.detach().clone() for item in model.parameters()]
            with torch.no_grad():
                for item in model.parameters():
                    assert item.grad is not None
                    item.add_(0.05 * item.grad)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            with torch.no_grad():
                for item, value in zip(model.parameters(), before, strict=True):
                    item.copy_(value)
            optimizer.step()
            optimizer.zero_grad()
    # before the first step it is not known who takes the steps
    assert monitor.record.losses[-59:] == pytest.approx(losses[-59:])


def test_the_losses_of_accumulated_batches_add_up() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sums = []
    with Monitor() as monitor:
        for number, (x, y) in enumerate(batches(80)):
            loss = F.cross_entropy(model(x), y) / 4
            loss.backward()
            sums = [*sums, 0.0] if number % 4 == 0 else sums
            sums[-1] += loss.item()
            if number % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
    assert monitor.record.losses == pytest.approx(sums)

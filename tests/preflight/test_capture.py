"""A script's first step, taken again: whatever it makes of its outputs, and whatever it is written with."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.errors import BabysitError, InputError
from babysit.preflight.capture import Capture
from babysit.preflight.isolation import isolated
from babysit.preflight.subject import Subject


class Stop(BaseException):
    """Ends a training that was captured."""


def captured(train: Callable[[], Any]) -> Subject:
    found: list[Subject] = []

    def take(subject: Subject) -> None:
        found.append(subject)
        raise Stop

    def refused(error: BabysitError) -> None:
        raise error

    capture = Capture(take, refused)
    capture.start()
    try:
        with pytest.raises(Stop):
            train()
    finally:
        capture.stop()
    return found[0]


def loss_of(subject: Subject) -> float:
    with isolated(subject.model) as model:
        return subject.loss(model, subject.batch).item()


def test_a_plain_step() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = {name: item.clone() for name, item in model.state_dict().items()}
    x, y = torch.randn(16, 4), torch.randint(0, 3, (16,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    subject = captured(train)
    assert subject.model is model
    assert subject.optimizer is optimizer
    assert torch.equal(subject.batch.inputs[0], x)
    assert torch.equal(subject.batch.targets[0], y)
    assert loss_of(subject) == pytest.approx(F.cross_entropy(model(x), y).item())
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    few = subject.few(4)
    assert few.size == 16
    assert torch.equal(few.inputs[0][4:8], x[:4])


def test_a_loss_written_by_hand_with_parameters_in_it() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    x, y = torch.randn(16, 4), torch.randn(16)
    optimizer = torch.optim.Adam(model.parameters())

    def train() -> None:
        out = model(x).squeeze(-1)
        loss = ((out - y) ** 2).mean() + 0.1 * model.weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    subject = captured(train)
    wanted = ((model(x).squeeze(-1) - y) ** 2).mean() + 0.1 * model.weight.square().sum()
    assert loss_of(subject) == pytest.approx(wanted.item())
    with isolated(subject.model) as twin:
        twin.weight.data.zero_()
        assert subject.loss(twin, subject.batch).item() == pytest.approx(((twin.bias - y) ** 2).mean().item())


def test_parts_of_a_model_called_one_by_one_and_data_drawn_between() -> None:
    torch.manual_seed(0)

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(6, 2)
            self.decoder = nn.Linear(2, 6)

    model = Pair()
    x = torch.randn(8, 6)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        code = model.encoder(x)
        noise = torch.randn_like(code)
        F.mse_loss(model.decoder(code + noise), x).backward()
        optimizer.step()

    subject = captured(train)
    assert subject.model is model
    assert loss_of(subject) == loss_of(subject)
    assert torch.equal(subject.batch.targets[-1], x)


def test_lbfgs_gradients_on_their_own_and_updates_by_hand() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    optimizer = torch.optim.LBFGS(model.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    subject = captured(lambda: optimizer.step(closure))
    assert subject.optimizer is optimizer
    with isolated(subject.model) as twin:
        made = subject.optimizer_for(twin)
        assert isinstance(made, torch.optim.LBFGS)
        made.step(lambda: subject.loss(twin, subject.batch))

    def by_hand() -> None:
        torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))

    optimizer = subject = made = None  # type: ignore[assignment]
    gc.collect()
    assert loss_of(captured(by_hand)) == pytest.approx(F.cross_entropy(model(x), y).item())


def test_evaluation_before_training_is_passed_over() -> None:
    model = nn.Linear(4, 3)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        with torch.no_grad():
            model(x[:2])
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    assert captured(train).batch.size == 8


def test_a_loss_that_no_model_leads_to_is_refused() -> None:
    weight = torch.zeros(3, requires_grad=True)
    model, x = nn.Linear(4, 3), torch.randn(8, 4)
    optimizer = torch.optim.SGD([weight], 0.1)
    refused: list[BabysitError] = []
    capture = Capture(lambda _: None, refused.append)
    capture.start()
    try:
        model(x)
        weight.sum().backward()
        optimizer.step()
    finally:
        capture.stop()
    assert isinstance(refused[0], InputError)
    assert "a model (torch.nn.Module) that leads to it" in str(refused[0])

"""Models that are called many times before a backward pass, as one that acts in a game."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from babysit.measure.record import RunRecord
from babysit.watch import Monitor
from babysit.watch.repeats import CLOSE_CALLS

STEPS = 8
CALLS = 20


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.often, self.rarely = nn.Linear(8, 2), nn.Linear(8, 2)

    def forward(self, x: Tensor, rarely: bool = False) -> Tensor:
        head = self.rarely if rarely else self.often
        y: Tensor = head(torch.relu(self.body(x)))
        return y


def train(model: nn.Module, loss_of: Callable[[int], Tensor]) -> RunRecord:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with Monitor() as monitor:
        for step in range(STEPS):
            loss = loss_of(step)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert monitor.notes == ()
    return monitor.record


def modules_of(run: RunRecord, step: int) -> list[str]:
    return [layer.module for layer in run.steps[step].layers]


def test_the_first_calls_are_followed_and_then_no_hook_is_left() -> None:
    torch.manual_seed(0)
    model, hooked = Policy(), []

    def act(step: int) -> Tensor:
        seen = []
        outputs = []
        for _ in range(CALLS):
            outputs.append(model(torch.randn(4)).sum())
            seen.append(bool(nn.modules.module._global_forward_hooks))
        hooked.append(sum(seen))
        return torch.stack(outputs).square().mean()

    run = train(model, act)
    # coverage is looked at in steps 0, 1 and 4
    assert hooked == [CALLS, CALLS, CLOSE_CALLS, CLOSE_CALLS, CALLS, *[CLOSE_CALLS] * (STEPS - 5)]
    for step in (0, 5):
        assert "often#4" in modules_of(run, step)
        assert "often#5" not in modules_of(run, step)
    assert len(run.losses) == STEPS
    assert sum(forward.step == 6 for forward in run.forwarded("train")) == 4


def test_what_is_called_late_is_covered() -> None:
    torch.manual_seed(0)
    model = Policy()

    def act(_: int) -> Tensor:
        for _ in range(CALLS):
            model(torch.randn(4))
        late: Tensor = model(torch.randn(4)).sum() + model(torch.randn(4), rarely=True).detach().sum()
        return late

    run = train(model, act)
    assert run.coverage[0].without_gradient == ("rarely",)
    assert run.coverage[0].uncalled == ()


def test_a_batch_and_another_model_after_many_calls_are_followed() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({"actor": Policy(), "critic": nn.Linear(4, 1)})

    def act_and_learn(_: int) -> Tensor:
        for _ in range(CALLS):
            model["actor"](torch.randn(4))
        x = torch.randn(32, 4)
        loss: Tensor = model["actor"](x).square().mean() + model["critic"](x).square().mean()
        return loss

    run = train(model, act_and_learn)
    for step in range(STEPS):
        names = modules_of(run, step)
        assert "actor.body#5" in names
        assert "actor.body#6" not in names
        assert "critic" in names
    assert run.header.batch_size == 32


def test_batches_whose_gradients_are_added_up_are_all_looked_at() -> None:
    torch.manual_seed(0)
    model, hooked = Policy(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with Monitor() as monitor:
        for _ in range(STEPS):
            for _ in range(6):
                model(torch.randn(16, 4)).square().mean().backward()
                hooked.append(bool(nn.modules.module._global_forward_hooks))
            optimizer.step()
            optimizer.zero_grad()
    assert all(hooked)
    assert [forward.step for forward in monitor.record.forwarded("train")] == [
        step for step in range(STEPS) for _ in range(6)
    ]


def test_an_evaluation_after_many_calls_is_seen() -> None:
    torch.manual_seed(0)
    model = Policy()

    def act(_: int) -> Tensor:
        loss = torch.stack([model(torch.randn(4)).sum() for _ in range(CALLS)]).square().mean()
        with torch.no_grad():
            nn.functional.mse_loss(model(torch.randn(64, 4)), torch.zeros(64, 2))
        return loss

    run = train(model, act)
    assert [forward.step for forward in run.forwarded("evaluation")] == list(range(STEPS))

"""What models are called in records and findings."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from babysit.rules._base import Severity
from babysit.watch import Monitor


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).relu())


class Other(Net):
    """Another class."""


class Agent:
    """Holds two networks, and keeps them apart by attributes alone."""

    def __init__(self, make: type[nn.Module]) -> None:
        self.policy, self.target = make(), make()
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=1e-3)

    def learn(self, x: Tensor, after: Tensor) -> None:
        loss = (self.policy(x) - self.target(after)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def names_of(*models: nn.Module) -> list[str]:
    """The path of the first layer of each of some models that a loop calls."""
    with Monitor() as monitor:
        for model in models:
            model(torch.randn(2, 4)).sum().backward()
        return [monitor._observer._names.path(next(model.children())) for model in models]


def test_a_further_model_of_one_class_has_the_name_that_the_script_gives_it() -> None:
    first, second, third = net(), net(), Other()
    with Monitor() as monitor:
        (first(torch.randn(2, 4)) + second(torch.randn(2, 4)) + third(torch.randn(2, 4))).sum().backward()
        names = monitor._observer._names
        assert [names.path(model) for model in (first[0], second[0], third.head)] == ["0", "second.0", "Other.head"]
        assert [names.name_of(model) for model in (first, second, third)] == ["Sequential", "second", "Other"]


def test_by_an_attribute_a_key_or_the_path_of_what_is_called() -> None:
    agent, nets, whole = Agent(Net), {"critic": Net()}, Net()
    with Monitor() as monitor:
        agent.policy(torch.randn(2, 4)).sum().backward()
        agent.target(
            torch.randn(2, 4),
        ).sum().backward()
        nets["critic"](torch.randn(2, 4)).sum().backward()
        whole.body(torch.randn(2, 4)).sum().backward()
        names = monitor._observer._names
        heads = [names.path(model.head) for model in (agent.policy, agent.target, nets["critic"], whole)]
    assert heads == ["head", "target.head", "critic.head", "whole.head"]


def test_what_a_loop_calls_alike_is_numbered() -> None:
    assert names_of(Net(), Net(), Other(), Net()) == ["body", "Net2.body", "Other.body", "Net3.body"]


def test_a_name_that_paths_begin_with_already_is_not_taken() -> None:
    first, body, F = Net(), Net(), Net()  # as functions are named in paths
    with Monitor() as monitor:
        (first(torch.randn(2, 4)) + body(torch.randn(2, 4)) + F(torch.randn(2, 4))).sum().backward()
        names = monitor._observer._names
        assert [names.name_of(model) for model in (first, body, F)] == ["Net", "Net2", "Net3"]


def test_without_its_source_a_model_is_numbered() -> None:
    space = {"first": net(), "second": net(), "torch": torch}
    with Monitor() as monitor:
        exec("(first(torch.ones(2, 4)) + second(torch.ones(2, 4))).sum().backward()", space)
        second = space["second"]
        assert isinstance(second, nn.Sequential)
        assert monitor._observer._names.path(second[0]) == "Sequential2.0"


@pytest.mark.parametrize("make", [net, Net])
def test_records_tell_models_of_one_class_apart_and_rules_know_the_class(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    agent = Agent(make)
    with Monitor() as monitor:
        for _ in range(100):
            agent.learn(torch.randn(32, 4), torch.randn(32, 4))
    run = monitor.record
    kind = type(agent.policy).__name__
    assert {(call.model, call.class_name) for call in run.forwards} == {(kind, ""), ("target", kind)}
    (finding,) = [item for item in monitor.findings if item.code == "UPD003"]
    assert finding.severity is Severity.INFO
    assert finding.module == ("target.0" if kind == "Sequential" else "target.body")

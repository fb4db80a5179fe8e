"""What is stacked, what is not, and what becomes of a stack's trials."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from babysit.data.batches import TensorBatches
from babysit.errors import Interrupted
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search.engines import SingleEngine, StackedEngine
from babysit.search.engines.stacked import layers
from babysit.search.engines.stacked.grouping import stacks
from babysit.search.engines.stacked.plan import NotStackable, plan_of
from babysit.search.problem import Problem
from babysit.search.states import MemoryStates
from babysit.search.trials import Outcome, TrialSpec

DRAW = torch.Generator().manual_seed(5)
X = torch.randn(120, 6, generator=DRAW)
Y = (X @ torch.randn(6, 3, generator=DRAW)).argmax(dim=1)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def mlp(params: Mapping[str, Any]) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def problem(make: Callable[[Mapping[str, Any]], nn.Module] = mlp, *, kill_ratio: float = 3.0) -> Problem:
    def build(trial: TrialSpec) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(trial.seed)
            return make(trial.params)

    return Problem(
        build,
        lambda _, own: TensorBatches(X[:80], Y[:80], own.batch_size, own.seed),
        Examples(X[80:], Y[80:]),
        CLASSIFICATION,
        TrainSettings(batch_size=8, lr=0.05),
        chance=math.log(3),
        kill_ratio=kill_ratio,
    )


def spec(number: int, epochs: float = 2.0, **params: Any) -> TrialSpec:
    return TrialSpec(number, 0, params, seed=100 + number, epochs=epochs)


def assert_outcomes_agree(found: list[Outcome], expected: list[Outcome]) -> None:
    for one, other in zip(found, expected, strict=True):
        mine, theirs = dataclasses.asdict(one), dataclasses.asdict(other)
        assert mine.pop("stopped").partition(" at ")[2] == theirs.pop("stopped").partition(" at ")[2]
        assert mine == pytest.approx(theirs, rel=1e-4, nan_ok=True)


def numbers(groups: list[tuple[TrialSpec, ...]]) -> list[list[int]]:
    return [[trial.number for trial in group] for group in groups]


class Doubled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Skipping(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def tied() -> nn.Module:
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


def twice() -> nn.Module:
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.ReLU(), layer)


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 3))
    model[0].register_forward_hook(lambda _module, _inputs, output: 2 * output)
    return model


def hooked_parameter() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 3))
    model[0].weight.register_hook(lambda gradient: 2 * gradient)
    return model


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3))
    model[0].requires_grad_(False)
    return model


def patched() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 3))
    model[0].forward = lambda x: x[:, :3]  # type: ignore[method-assign]
    return model


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (tied, "share weights"),
        (twice, "share weights"),
        (hooked, "hooks"),
        (hooked_parameter, "hooks"),
        (frozen, "frozen"),
        (patched, "was replaced"),
        (lambda: nn.Sequential(weight_norm(nn.Linear(6, 3))), "ParametrizedLinear"),
        (lambda: nn.Sequential(Doubled(6, 3)), "Doubled"),
        (lambda: Skipping(nn.Linear(6, 6)), "forward of its own"),
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, momentum=None), nn.Linear(4, 3)), "momentum"),
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False)), "running"),
        (lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 3)), "begin with a linear layer"),
        (lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Linear(3, 3)), "Unflatten"),
        (lambda: nn.Sequential(nn.Linear(6, 3), nn.Softmax(dim=1)), "Softmax"),
        (lambda: nn.Sequential(nn.Linear(6, 3).half()), "float16"),
    ],
)
def test_networks_that_are_refused(make: Callable[[], nn.Module], reason: str) -> None:
    with pytest.raises(NotStackable, match=reason):
        plan_of(make())


def test_a_refused_network_is_trained_alone_and_a_note_says_why() -> None:
    asked = problem(lambda params: tied() if params.get("tied") else nn.Sequential(nn.Linear(6, 6)))
    trials = [spec(0), spec(1, tied=True), spec(2)]
    engine = StackedEngine(asked, MemoryStates())
    assert numbers(engine.groups(trials)) == [[0, 2], [1]]
    found = engine.train(trials, 1.0)
    assert_outcomes_agree(found, SingleEngine(asked, MemoryStates()).train(trials, 1.0))
    assert engine.notes == ["trained alone, not stacked: layers share weights"]


def test_trials_of_one_stack_are_alike() -> None:
    def make(params: Mapping[str, Any]) -> nn.Module:
        between = [params.get("activation", nn.ReLU)() for _ in range(params.get("depth", 1))]
        return nn.Sequential(nn.Linear(6, 8), *between, nn.Linear(8, 3))

    trials = [
        spec(0), spec(1, lr=0.1), spec(2, batch_size=16), spec(3, optimizer="adam"), spec(4, activation=nn.Tanh),
        spec(5, depth=2), dataclasses.replace(spec(6), order=1), spec(7, l2=0.1, momentum=0.5, schedule="step"),
        spec(8, optimizer="sgd"), spec(9, momentum=0.0),
    ]  # fmt: skip
    engine = StackedEngine(problem(make), MemoryStates())
    assert numbers(engine.groups(trials)) == [[0, 1, 7], [2], [3], [4], [5], [6], [8, 9]]
    assert numbers(StackedEngine(problem(make), MemoryStates()).groups(trials)) == numbers(engine.groups(trials))


def test_stacks_are_as_wide_as_allowed_and_even() -> None:
    engine = StackedEngine(problem(), MemoryStates(), width=4)
    assert numbers(engine.groups([spec(number) for number in range(9)])) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_padding_is_a_quarter_at_most() -> None:
    widths = [(units, 3) for units in (10, 20, 40, 11, 19, 80)]
    found = stacks(widths, inputs=6, width=64)
    assert sorted(index for stack in found for index in stack) == list(range(6))
    for stack in found:
        own = [widths[index][0] for index in stack]
        assert sum(own) >= 0.75 * max(own) * len(own)
    assert len(found) < 6


def test_diverging_trials_are_stopped_where_they_are_alone() -> None:
    asked = problem(lambda _: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)))
    rates = [0.05, 20.0, 1e9, 0.02, 1e30, 50.0]
    trials = [spec(number, lr=lr, schedule="constant") for number, lr in enumerate(rates)]
    taken: list[int] = []
    engine = StackedEngine(asked, MemoryStates(), taken.append)
    alone = SingleEngine(asked, MemoryStates())
    for epochs in (1.0, 2.0):
        found, expected = engine.train(trials, epochs), alone.train(trials, epochs)
        assert_outcomes_agree(found, expected)
        trials = [trial for trial, outcome in zip(trials, found, strict=True) if not outcome.stopped]
        assert {number for number in range(6) if engine.states.get(number)} == (
            {trial.number for trial in trials} if epochs < 2 else {0, 3}
        )
    assert engine.notes == []
    assert len(trials) == 2
    assert taken[0] == 6
    assert taken[-1] == 2


def test_all_may_diverge() -> None:
    asked = problem(kill_ratio=1.5)
    found = StackedEngine(asked, MemoryStates()).train([spec(0, lr=1e20), spec(1, lr=1e25)], 1.0)
    assert [outcome.score for outcome in found] == [-math.inf, -math.inf]
    assert all(outcome.stopped and outcome.steps < 10 for outcome in found)


def test_no_verdict_without_a_kill_ratio_but_a_validation_loss_must_be_finite() -> None:
    asked = problem(kill_ratio=math.inf)
    trials = [spec(0), spec(1, lr=1e30)]
    found = StackedEngine(asked, MemoryStates()).train(trials, 1.0)
    assert_outcomes_agree(found, SingleEngine(asked, MemoryStates()).train(trials, 1.0))
    assert found[1].stopped.startswith("validation loss nan")


def test_a_trial_that_cannot_be_built_costs_itself_alone() -> None:
    def make(params: Mapping[str, Any]) -> nn.Module:
        if params.get("wrong"):
            raise ValueError("no such network")
        return mlp(params)

    trials = [spec(0), spec(1, wrong=True), spec(2)]
    engine = StackedEngine(problem(make), MemoryStates())
    assert numbers(engine.groups(trials)) == [[0, 2], [1]]
    found = engine.train(trials, 1.0)
    assert [outcome.failed for outcome in found] == [False, True, False]
    assert found[1].stopped == "ValueError: no such network"


def test_a_loss_that_raises_costs_the_trial_that_it_raises_for() -> None:
    def picky(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(outputs, targets)
        if loss.item() > 20:
            raise ArithmeticError("too much for me")
        return loss

    asked = problem(lambda _: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), kill_ratio=math.inf)
    asked = dataclasses.replace(asked, task=dataclasses.replace(CLASSIFICATION, loss=picky))
    found = StackedEngine(asked, MemoryStates()).train([spec(0), spec(1, lr=100.0), spec(2)], 1.0)
    assert [outcome.failed for outcome in found] == [False, True, False]


def test_images_without_a_flatten_are_trained_alone() -> None:
    asked = problem(lambda _: nn.Sequential(nn.Linear(3, 3)))
    asked = dataclasses.replace(
        asked,
        validation=Examples(X[80:].view(40, 2, 3), Y[80:]),
        batches=lambda _, own: TensorBatches(X[:80].view(80, 2, 3), Y[:80], own.batch_size, own.seed),
        task=dataclasses.replace(CLASSIFICATION, loss=lambda out, y: nn.functional.cross_entropy(out.sum(1), y)),
    )
    engine = StackedEngine(asked, MemoryStates())
    engine.train([spec(0), spec(1)], 1.0)
    assert "no Flatten" in engine.notes[0]


@pytest.mark.parametrize("broken", ["forward", "backward", "evaluate"])
def test_a_stack_that_is_wrong_is_found_out_and_refused(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(layers.ReLU, broken)
    monkeypatch.setattr(layers.ReLU, broken, lambda *arguments: 1.01 * right(*arguments))
    trials = [spec(0), spec(1)]
    engine = StackedEngine(problem(), MemoryStates())
    found = engine.train(trials, 1.0)
    assert found == SingleEngine(problem(), MemoryStates()).train(trials, 1.0)
    assert "where trial 1 alone has" in engine.notes[0] or "differ from those of trial 1 alone" in engine.notes[0]


def test_a_trial_whose_state_is_lost_begins_anew_beside_those_that_go_on() -> None:
    engine, alone = (kind(problem(), MemoryStates()) for kind in (StackedEngine, SingleEngine))
    trials = [spec(number) for number in range(4)]
    for one in (engine, alone):
        one.train(trials, 1.0)
        one.release([1])
    assert_outcomes_agree(engine.train(trials, 2.0), alone.train(trials, 2.0))


def test_an_interrupted_rung_is_as_if_it_had_not_begun() -> None:
    def interrupt(trials: int) -> None:
        steps.append(trials)
        if len(steps) == 15:
            raise Interrupted(2)

    steps: list[int] = []
    trials = [spec(0), spec(1)]
    states = MemoryStates()
    StackedEngine(problem(), states).train(trials, 1.0)
    with pytest.raises(Interrupted):
        StackedEngine(problem(), states, lambda count: [interrupt(count) for _ in range(count)]).train(trials, 2.0)
    again = StackedEngine(problem(), states).train(trials, 2.0)
    whole = StackedEngine(problem(), MemoryStates())
    whole.train(trials, 1.0)
    assert again == whole.train(trials, 2.0)


def test_no_random_number_of_the_callers_is_drawn() -> None:
    asked = problem(lambda _: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.Linear(8, 3)))
    before = torch.get_rng_state()
    StackedEngine(asked, MemoryStates()).train([spec(0), spec(1)], 1.0)
    assert torch.equal(before, torch.get_rng_state())


def test_a_neighbour_that_diverges_changes_nothing() -> None:
    asked = problem(kill_ratio=math.inf)
    beside = StackedEngine(asked, MemoryStates()).train([spec(0), spec(1), spec(2, lr=1e30)], 1.0)
    calm = StackedEngine(asked, MemoryStates()).train([spec(0), spec(1), spec(2, lr=0.01)], 1.0)
    assert beside[:2] == calm[:2]

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.data.batches import TensorBatches
from babysit.errors import Interrupted
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.optimizers import OPTIMIZERS
from babysit.fit.schedules import SCHEDULES
from babysit.fit.settings import TrainSettings
from babysit.search.engines.single import SingleEngine
from babysit.search.engines.vmap import VmapEngine
from babysit.search.problem import Problem
from babysit.search.states import FolderStates, MemoryStates
from babysit.search.trials import Outcome, TrialSpec

DRAW = torch.Generator().manual_seed(3)
X = torch.randn(120, 1, 6, 6, generator=DRAW)
Y = (X.flatten(1) @ torch.randn(36, 3, generator=DRAW)).argmax(dim=1)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 3),
    )


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(36, 36), nn.Linear(36, 36), nn.Linear(36, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.second(torch.tanh(self.first(x.flatten(1)))))
        result: Tensor = self.last(hidden)
        return result


class Branching(nn.Module):
    """Asks for a number of the batch, which torch.func cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x.flatten(1))
        return y if y.mean().item() > 0 else y * 2


class Forgotten(nn.Module):
    """Has a layer that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.unused = nn.Linear(36, 3), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x.flatten(1))
        return y


def dropout() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Dropout(0.3), nn.Linear(8, 3))


def problem(make: Callable[[], nn.Module] = mlp, **settings: Any) -> Problem:
    def build(trial: TrialSpec) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(trial.seed)
            return make()

    return Problem(
        build,
        lambda _, own: TensorBatches(X[:80], Y[:80], own.batch_size, own.seed),
        Examples(X[80:], Y[80:]),
        CLASSIFICATION,
        TrainSettings(**{"optimizer": "adam", "batch_size": 8, **settings}),
        chance=math.log(3),
    )


def specs(*params: dict[str, Any], epochs: float = 2.0) -> list[TrialSpec]:
    return [TrialSpec(number, 0, own, seed=50 + number, epochs=epochs) for number, own in enumerate(params)]


DIFFERENT = (
    {"lr": 0.003, "momentum": 0.9, "l2": 0.01},
    {"lr": 0.01, "momentum": 0.5, "l2": 0.0},
    {"lr": 0.02, "momentum": 0.8, "l2": 0.1},
)


def assert_like_single(own: Problem, trials: list[TrialSpec], rungs: tuple[float, ...] = (2.0,)) -> VmapEngine:
    engine, single = VmapEngine(own, MemoryStates()), SingleEngine(own, MemoryStates())
    for epochs in rungs:
        (group,) = engine.groups(trials)
        for found, expected in zip(engine.train(group, epochs), single.train(trials, epochs), strict=True):
            assert_close(found, expected)
    return engine


def assert_close(found: Outcome, expected: Outcome) -> None:
    same = ("number", "epochs", "trained", "steps", "failed")
    assert [getattr(found, name) for name in same] == [getattr(expected, name) for name in same]
    assert found.initial_loss == pytest.approx(expected.initial_loss, rel=1e-4, abs=1e-5)
    assert found.loss == pytest.approx(expected.loss, rel=1e-3, abs=1e-4)
    assert bool(found.stopped) == bool(expected.stopped)


@pytest.mark.parametrize("make", [mlp, cnn, Tied], ids=lambda make: make.__name__)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_trial_is_trained_as_it_would_be_alone(make: Callable[[], nn.Module], optimizer: str) -> None:
    assert not assert_like_single(problem(make, optimizer=optimizer), specs(*DIFFERENT)).notes


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_and_rung(schedule: str) -> None:
    trials = specs(*({**own, "schedule": schedule} for own in DIFFERENT))
    assert not assert_like_single(problem(), trials, rungs=(0.5, 1.0, 2.0)).notes


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("vmap_first", [True, False])
def test_any_engine_goes_on_with_the_other_s_trials(optimizer: str, vmap_first: bool, tmp_path: Any) -> None:
    own, trials = problem(cnn, optimizer=optimizer), specs(*DIFFERENT)
    states = FolderStates(tmp_path)
    engines = [VmapEngine(own, states), SingleEngine(own, states)]
    first, second = engines if vmap_first else reversed(engines)
    first.train(trials, 1.0)
    alone = SingleEngine(own, MemoryStates())
    for found, expected in zip(second.train(trials, 2.0), alone.train(trials, 2.0), strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(dropout, "random"), (Branching, "item"), (Forgotten, "no gradient")],
    ids=["dropout", "branch", "unused"],
)
def test_what_it_cannot_do_is_trained_alone_and_a_note_says_why(make: Callable[[], nn.Module], reason: str) -> None:
    trials = specs(*DIFFERENT)
    engine = assert_like_single(problem(make), trials)
    (note,) = engine.notes
    assert reason in note
    exact = SingleEngine(problem(make), MemoryStates()).train(trials, 2.0)
    assert engine.train(trials, 2.0) == exact, "refused at once from now on"
    assert len(engine.notes) == 1


def test_a_wrong_update_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from babysit.search.engines import vmap_stack

    rules = vmap_stack.UPDATE_RULES
    swapped = dataclasses.replace(rules["adam"], apply=lambda weight, gradient, _buffers, _rates: weight.sub_(gradient))
    monkeypatch.setattr(vmap_stack, "UPDATE_RULES", {**rules, "adam": swapped})
    engine = assert_like_single(problem(), specs(*DIFFERENT))
    assert "loss differs" in engine.notes[0]


def test_batches_that_draw_are_refused() -> None:
    class Noisy(TensorBatches):
        def batch(self, step: int) -> tuple[Tensor, Tensor]:
            x, y = super().batch(step)
            return x + 0.1 * torch.randn_like(x), y

    own = problem()
    own = dataclasses.replace(own, batches=lambda _, settings: Noisy(X[:80], Y[:80], 8, settings.seed))
    assert "draw random numbers" in assert_like_single(own, specs(*DIFFERENT)).notes[0]


def test_a_diverging_trial_is_killed_and_touches_no_other() -> None:
    own = problem(optimizer="sgd")
    calm, wild = specs({"lr": 0.01}, {"lr": 0.02}, {"lr": 0.03}), specs({"lr": 0.01}, {"lr": 1e8}, {"lr": 0.03})
    engine, states = VmapEngine(own, MemoryStates()), MemoryStates()
    expected = engine.train(calm, 1.0)
    found = VmapEngine(own, states).train(wild, 1.0)
    assert found[1].stopped
    assert found[1].loss == math.inf
    assert (found[0], found[2]) == (expected[0], expected[2])
    assert states.get(1) is None
    alone = SingleEngine(own, MemoryStates()).train(wild, 1.0)
    assert (found[1].steps, found[1].stopped[:4]) == (alone[1].steps, alone[1].stopped[:4])


def test_groups_hold_equal_models_and_batches() -> None:
    def wide(trial: TrialSpec) -> nn.Module:
        if trial.params.get("raises"):
            raise ValueError("no such width")
        return nn.Sequential(nn.Flatten(), nn.Linear(36, trial.params.get("width", 4)), nn.Linear(4, 3))

    own = dataclasses.replace(problem(), build=wide)
    trials = specs({}, {"width": 5}, {"lr": 0.5}, {"batch_size": 4}, {"optimizer": "sgd"}, {"raises": True}, {})
    engine = VmapEngine(own, MemoryStates(), width=2)
    assert [[trial.number for trial in group] for group in engine.groups(trials)] == [[0, 2], [6], [1], [3], [4], [5]]
    (outcome,) = engine.train([trials[5]], 1.0)
    assert outcome.failed
    assert "no such width" in outcome.stopped


def test_numbers_that_a_module_keeps_tell_models_apart() -> None:
    class Scaled(nn.Linear):
        factor = 1.0

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x.flatten(1), self.weight * self.factor, self.bias)

    def build(trial: TrialSpec) -> nn.Module:
        model = Scaled(36, 3)
        model.factor = trial.params["factor"]
        return model

    engine = VmapEngine(dataclasses.replace(problem(), build=build), MemoryStates())
    assert len(engine.groups(specs({"factor": 1.0}, {"factor": 2.0}))) == 2


def test_between_is_told_and_may_stop() -> None:
    told: list[int] = []

    def between(trials: int) -> None:
        told.append(trials)
        if len(told) == 3:
            raise Interrupted("enough")

    engine = VmapEngine(problem(), MemoryStates(), between)
    with pytest.raises(Interrupted):
        engine.train(specs(*DIFFERENT), 1.0)
    assert told == [3, 3, 3]
    assert not engine.notes


def test_the_caller_s_random_numbers_are_left_as_they_were() -> None:
    before = torch.get_rng_state()
    VmapEngine(problem(), MemoryStates()).train(specs(*DIFFERENT), 1.0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimizer", ["adagrad", "rmsprop", "adam", "adamw"])
def test_a_bias_before_a_batch_norm_stays_where_it_was(optimizer: str) -> None:
    def biased() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    assert not assert_like_single(problem(biased, optimizer=optimizer), specs(*DIFFERENT)).notes

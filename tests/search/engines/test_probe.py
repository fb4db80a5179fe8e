from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from babysit.data.batches import TensorBatches
from babysit.errors import InputError
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search import choosing
from babysit.search.choosing import Sample, choose, workers_of
from babysit.search.engines import Between, Engine, SingleEngine, nothing_between
from babysit.search.engines.probe import Candidate, Speed, explain, fastest, measure
from babysit.search.ledgers import MemoryLedger
from babysit.search.problem import Problem
from babysit.search.states import States
from babysit.search.trials import Outcome, TrialSpec, failure

X = torch.randn(60, 6, generator=torch.Generator().manual_seed(3))


def network(_: TrialSpec) -> nn.Module:
    with torch.random.fork_rng():
        return nn.Linear(6, 3)


PROBLEM = Problem(
    build=network,
    batches=lambda _trial, settings: TensorBatches(X, torch.arange(60) % 3, 20, settings.seed),
    validation=Examples(X, torch.arange(60) % 3),
    task=CLASSIFICATION,
    settings=TrainSettings(),
)
TRIALS = [TrialSpec(number, 0, {"lr": 0.01}, number, 4.0) for number in range(8)]


class Clock:
    """A clock that goes on only when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", CLOCK)


class Timed(Engine):
    """Takes a known time a step."""

    seconds = 0.002

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        width = self.width_for(len(trials))
        return [tuple(trials[start : start + width]) for start in range(0, len(trials), width)]

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        for _ in range(30):
            CLOCK.now += self.seconds
            self.between(len(trials))
        return [failure(trial, epochs, ValueError()) for trial in trials]


class One(Timed):
    name = "single"

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        return [(trial,) for trial in trials]


class Stack(Timed):
    name = "stacked"


class SlowStack(Timed):
    name = "vmap"
    seconds = 0.02


class Convolutions(Timed):
    """Takes longer for every trial that is in a stack."""

    name = "vmap"

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        self.seconds = 0.2 * len(trials)
        return super().train(trials, epochs)


class Slow(Timed):
    """Takes long a step, of however many trials."""

    name = "stacked"
    seconds = 0.05


class FallsBack(Stack):
    """Says that it takes trials together, and then trains each alone."""

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        self.notes.append("its losses differ")
        return [outcome for trial in trials for outcome in super(FallsBack, self).train([trial], epochs)]


class Refusing(One):
    name = "other"

    def __init__(self, problem: Problem, states: States, between: Between = nothing_between, **options: int) -> None:
        super().__init__(problem, states, between, **options)
        self.notes.append("tied weights")


class Broken(One):
    name = "broken"

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        return [failure(trial, epochs, ValueError("no")) for trial in trials]


def candidate(kind: type[Engine], width: int) -> Candidate:
    return Candidate(kind.name, width, lambda states, between: kind(PROBLEM, states, between, width=width))


def test_the_speed_is_what_a_clock_would_say() -> None:
    one, stack, slow = measure([candidate(One, 1), candidate(Stack, 8), candidate(SlowStack, 4)], TRIALS)
    assert one.steps_per_second == pytest.approx(1 / 0.002, rel=1e-6)
    assert stack.steps_per_second == pytest.approx(8 / 0.002, rel=1e-6)
    assert slow.steps_per_second == pytest.approx(4 / 0.02, rel=1e-6)
    assert fastest([one, stack, slow]) is stack
    said = "engine stacked × 8: 8.0 × the speed of single (trial-steps/s of one core: single 500, stacked × 8 4,000)"
    assert explain([one, stack], stack) == said


def test_what_it_takes_one_at_a_time_is_not_measured_and_says_why() -> None:
    (speed,) = measure([candidate(Refusing, 8)], TRIALS)
    assert speed.steps_per_second == 0
    assert speed.notes == ("tied weights",)


def test_an_engine_that_falls_back_is_not_taken_for_a_fast_one() -> None:
    one, other = measure([candidate(One, 1), candidate(FallsBack, 8)], TRIALS)
    assert other.steps_per_second == 0
    assert "its losses differ" in other.notes
    assert fastest([one, other]) is one


@pytest.mark.parametrize("widths", [(8,), (2, 4, 8)])
def test_a_stack_whose_trials_each_take_longer_than_alone_is_left_after_two_steps_of_two(
    widths: tuple[int, ...],
) -> None:
    began = CLOCK.now
    one, *stacks = measure([candidate(One, 1), *(candidate(Convolutions, width) for width in widths)], TRIALS)
    assert one.steps_per_second > 0
    # a trial takes 0.2 s of each step; of two together less 0.05 s that are not their own: 0.175 s, 87.5 times 0.002 s
    said = "each of 2 trials together takes 87.5 times as long as alone"
    assert [(stack.steps_per_second, stack.notes) for stack in stacks] == [(0.0, (said,))] * len(stacks)
    assert fastest([one, *stacks]) is one
    assert CLOCK.now - began < 2.1  # 2 steps of two trials, and three times 0.12 s or more of the single engine


def test_a_stack_that_gains_with_its_width_is_measured_at_all_of_it() -> None:
    _, stack = measure([candidate(One, 1), candidate(Slow, 8)], TRIALS)
    assert stack.steps_per_second == pytest.approx(8 / 0.05, rel=1e-6)


def test_trials_that_all_fail_have_no_speed_and_the_single_engine_takes_them() -> None:
    speeds = measure([candidate(Broken, 1), candidate(Broken, 1)], TRIALS)
    assert [speed.steps_per_second for speed in speeds] == [0, 0]
    assert fastest(speeds) is speeds[0]
    assert explain(speeds, speeds[0]) == "engine broken: no trial came far enough to be timed"


def test_hardly_faster_is_not_faster() -> None:
    one, hardly, clearly = (Speed(candidate(Stack, 8), rate) for rate in (100.0, 104.0, 106.0))
    assert fastest([one, hardly]) is one
    assert fastest([one, hardly, clearly]) is clearly


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "ENGINES", {kind.name: kind for kind in (One, Refusing, Stack, SlowStack)})


@pytest.mark.usefixtures("engines")
def test_the_fastest_is_chosen_and_why_is_said() -> None:
    choice = choose("auto", PROBLEM, Sample(TRIALS, 1e4), 2, MemoryLedger())
    assert (choice.engine, choice.width) == ("stacked", 4)
    assert "× the speed of single" in choice.why
    assert choice.notes == ("not other: tied weights",)


@pytest.mark.usefixtures("engines")
def test_the_choice_is_remembered() -> None:
    ledger = MemoryLedger()
    choice = choose("auto", PROBLEM, Sample(TRIALS, 1e4), 1, ledger)
    assert choose("single", PROBLEM, Sample(TRIALS, 1e4), 1, ledger) == choice


@pytest.mark.usefixtures("engines")
def test_a_short_search_is_not_held_up_by_a_comparison() -> None:
    choice = choose("auto", PROBLEM, Sample(TRIALS, 100), 1, MemoryLedger())
    assert choice.engine == "single"
    assert "too little to compare" in choice.why


@pytest.mark.usefixtures("engines")
def test_a_process_for_every_trial_needs_no_stack() -> None:
    assert choose("auto", PROBLEM, Sample(TRIALS[:2], 1e9), 2, MemoryLedger()).engine == "single"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'stacked'"):
        choose("stakced", PROBLEM, Sample(TRIALS, 1.0), 1, MemoryLedger())


def test_measuring_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", time.monotonic)
    before = torch.get_rng_state()
    (speed,) = measure([Candidate("single", 1, lambda states, between: SingleEngine(PROBLEM, states, between))], TRIALS)
    assert speed.steps_per_second > 0
    assert math.isfinite(speed.steps_per_second)
    assert torch.equal(torch.get_rng_state(), before)


def test_workers() -> None:
    assert workers_of(3) == 3
    assert workers_of(None) >= 1
    with pytest.raises(InputError, match="workers: expected at least 1, found 0"):
        workers_of(0)


def test_trials_are_spread_over_the_places() -> None:
    engine = Stack(PROBLEM, None, width=32, places=2)  # type: ignore[arg-type]
    assert [engine.width_for(count) for count in (1, 2, 8, 63, 64, 200)] == [1, 1, 4, 32, 32, 32]

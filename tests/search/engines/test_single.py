from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from babysit.data.batches import TensorBatches
from babysit.errors import Interrupted, StorageError
from babysit.fit.evaluation import Examples, evaluate
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.fit.trainer import Trainer
from babysit.search.engines import Engine, SingleEngine, nothing_between
from babysit.search.problem import Problem
from babysit.search.states import FolderStates, MemoryStates
from babysit.search.trials import Outcome, TrialSpec

DRAW = torch.Generator().manual_seed(3)
X = torch.randn(60, 6, generator=DRAW)
Y = (X @ torch.randn(6, 3, generator=DRAW)).argmax(dim=1)
VALIDATION = Examples(X[40:], Y[40:])
BATCH = 8
STEPS_PER_EPOCH = 5


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Bit-for-bit comparisons, and no quarrel about cores."""
    torch.set_num_threads(1)


def network(seed: int) -> nn.Module:
    """With everything that has a state of its own: batch norm and dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        return nn.Sequential(nn.Linear(6, 8, bias=False), *layers)


PROBLEM = Problem(
    build=lambda trial: network(trial.seed),
    batches=lambda _trial, settings: TensorBatches(X[:40], Y[:40], settings.batch_size, settings.seed),
    validation=VALIDATION,
    task=CLASSIFICATION,
    settings=TrainSettings(optimizer="adam", schedule="cosine", batch_size=BATCH),
    chance=math.log(3),
)


def trainer(trial: TrialSpec) -> Trainer:
    """Written out again: what a trial of ``PROBLEM`` is."""
    return Trainer(
        network(trial.seed),
        CLASSIFICATION.loss,
        TensorBatches(X[:40], Y[:40], BATCH, trial.order),
        TrainSettings(optimizer="adam", lr=trial.params["lr"], seed=trial.seed),
        total_steps=round(trial.epochs * STEPS_PER_EPOCH),
        kill_ratio=3.0,
        chance_loss=math.log(3),
    )


def spec(number: int = 0, lr: float = 0.01, epochs: float = 4.0) -> TrialSpec:
    return TrialSpec(number, 0, {"lr": lr}, seed=100 + number, epochs=epochs, order=7)


class Kept(Problem):
    """A problem that keeps the trainers it makes, to look at."""

    def __init__(self, make: Callable[[TrialSpec], Trainer] = PROBLEM.trainer) -> None:
        super().__init__(**vars(PROBLEM))
        object.__setattr__(self, "make", make)
        object.__setattr__(self, "trainers", [])

    def trainer(self, trial: TrialSpec) -> Trainer:
        self.trainers.append(self.make(trial))
        return self.trainers[-1]


def single(
    problem: Problem = PROBLEM, folder: Path | None = None, between: Callable[[int], None] = nothing_between
) -> SingleEngine:
    return SingleEngine(problem, FolderStates(folder) if folder else MemoryStates(), between)


def advance(engine: Engine, trial: TrialSpec, epochs: float) -> Outcome:
    (outcome,) = engine.train([trial], epochs)
    return outcome


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("rungs", [[4.0], [1.0, 2.0, 4.0], [0.2, 0.6, 4.0]], ids=str)
def test_a_trial_is_trained_as_it_would_be_alone(rungs: list[float]) -> None:
    alone = trainer(spec())
    alone.run(4 * STEPS_PER_EPOCH)
    expected = evaluate(alone.model, VALIDATION, CLASSIFICATION)

    kept = Kept()
    engine = single(kept)
    outcomes = [advance(engine, spec(), epochs) for epochs in rungs]
    assert outcomes[-1] == Outcome(0, 4.0, 4.0, 20, alone.initial_loss, expected.loss, expected.score)
    assert [outcome.steps for outcome in outcomes] == [max(1, round(epochs * STEPS_PER_EPOCH)) for epochs in rungs]
    assert same(weights(kept.trainers[-1].model), weights(alone.model))


def test_trials_do_not_touch_each_other_nor_the_caller_s_random_numbers() -> None:
    before = torch.get_rng_state()
    together = single().train([spec(0), spec(1, lr=1e9), spec(2)], 4.0)
    assert torch.equal(torch.get_rng_state(), before)
    assert [together[0], together[2]] == [advance(single(), trial, 4.0) for trial in (spec(0), spec(2))]


def test_a_waiting_trial_is_revived_from_the_disk_with_the_same_outcome(tmp_path: Path) -> None:
    folder = tmp_path / "trials"
    at_once = single()
    expected = [advance(at_once, spec(), epochs) for epochs in (1.0, 2.0, 4.0)]

    found = []
    for epochs in (1.0, 2.0, 4.0):
        kept = Kept()
        found.append(advance(single(kept, folder), spec(), epochs))  # a new process every time
        assert kept.trainers[0].step == round(epochs * STEPS_PER_EPOCH)
    assert found == expected


def test_an_outcome_that_was_lost_after_its_state_was_saved_is_the_same_again(tmp_path: Path) -> None:
    first = advance(single(folder=tmp_path), spec(), 2.0)
    assert advance(single(folder=tmp_path), spec(), 2.0) == first


def test_released_trials_leave_nothing(tmp_path: Path) -> None:
    kept = Kept()
    engine = single(kept, tmp_path)
    engine.train([spec(0), spec(1)], 1.0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["00000.pt", "00001.pt"]
    engine.release([0, 1, 2])
    assert list(tmp_path.iterdir()) == []
    advance(engine, spec(0), 1.0)
    assert kept.trainers[-1].step == STEPS_PER_EPOCH, "what was released begins again"


def test_a_trial_that_need_not_go_on_is_not_kept(tmp_path: Path) -> None:
    advance(single(folder=tmp_path), spec(), 4.0)
    assert list(tmp_path.iterdir()) == []


def test_a_diverging_trial_is_stopped_at_once(tmp_path: Path) -> None:
    outcome = advance(single(folder=tmp_path), spec(lr=1e4), 2.0)
    assert outcome.stopped.startswith("loss ")
    assert "over 3 × the initial" in outcome.stopped
    assert not outcome.failed
    assert (outcome.loss, outcome.score) == (math.inf, -math.inf)
    assert outcome.trained == outcome.steps / STEPS_PER_EPOCH < 2.0
    assert list(tmp_path.iterdir()) == []


def test_a_trial_whose_last_step_spoils_the_weights_is_no_candidate() -> None:
    def without_normalisation(trial: TrialSpec) -> Trainer:
        settings = TrainSettings(optimizer="sgd", lr=1e30, seed=trial.seed)
        model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3))
        return Trainer(model, CLASSIFICATION.loss, TensorBatches(X, Y, 30, 0), settings, kill_ratio=3.0)

    outcome = advance(single(Kept(without_normalisation)), spec(epochs=0.5), 0.5)
    assert outcome.steps == 1
    assert outcome.stopped == "validation loss nan after step 1"
    assert outcome.score == -math.inf


@pytest.mark.parametrize(
    "error", [ValueError("no such width"), KeyError("hidden"), ZeroDivisionError(), RuntimeError()]
)
def test_a_trial_that_cannot_be_built_is_counted_and_the_rest_goes_on(error: Exception) -> None:
    def make(trial: TrialSpec) -> Trainer:
        if trial.number == 1:
            raise error
        return trainer(trial)

    outcomes = single(Kept(make)).train([spec(0), spec(1), spec(2)], 1.0)
    assert [outcome.failed for outcome in outcomes] == [False, True, False]
    assert outcomes[1].stopped == f"{type(error).__name__}: {error}".rstrip()
    assert (outcomes[1].steps, outcomes[1].trained) == (0, 0.0)


def test_a_signal_is_no_failure_of_the_trial() -> None:
    def interrupt(trials: int) -> None:
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        advance(single(between=interrupt), spec(), 1.0)


def test_nor_is_a_disk_that_refuses(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone/trials: expected to be able to write there"):
        advance(single(folder=tmp_path / "gone" / "trials"), spec(), 1.0)


def test_a_damaged_state_costs_time_alone(tmp_path: Path) -> None:
    expected = advance(single(), spec(), 2.0)
    advance(single(folder=tmp_path), spec(), 1.0)
    (tmp_path / "00000.pt").write_bytes(b"PK\x03\x04 something else")
    assert advance(single(folder=tmp_path), spec(), 2.0) == expected


def test_the_greater_rank_is_the_better_outcome() -> None:
    good = Outcome(0, 1.0, 1.0, 5, 1.1, 0.4, 0.9)
    worse = replace(good, loss=0.5)
    stopped = replace(good, loss=math.inf, score=-math.inf, stopped="loss nan at step 1")
    assert sorted([stopped, good, worse], key=lambda outcome: outcome.rank) == [stopped, worse, good]

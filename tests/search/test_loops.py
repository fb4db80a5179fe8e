from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from babysit.errors import Interrupted
from babysit.search.engines import nothing_between
from babysit.search.loops import Loop, LoopRunner, Trial
from babysit.search.processes import can_fork
from babysit.search.trials import Outcome, TrialSpec, Unit

pytestmark = pytest.mark.skipif(not can_fork(), reason="trials are forked, which this system cannot do")


def unit(number: int, epochs: float, **params: float) -> Unit:
    return Unit((TrialSpec(number, 0, params, seed=100 + number, epochs=4.0),), epochs)


Run = Callable[..., dict[int, Outcome]]


class Runs:
    """Runners that are ended with the test."""

    def __init__(self) -> None:
        self.runner: LoopRunner | None = None

    def __call__(self, loop: Loop, *units: Unit, **options: object) -> dict[int, Outcome]:
        self.runner = self.runner or LoopRunner(loop, 2, nothing_between, **options)  # type: ignore[arg-type]
        return {outcome.number: outcome for _, some in self.runner.run(units) for outcome in some}


@pytest.fixture
def run() -> Iterator[Runs]:
    runs = Runs()
    yield runs
    if runs.runner is not None:
        runs.runner.close()


def climbing(trial: Trial) -> None:
    for epoch in range(1, 5):
        trial.report(epoch, trial["lr"] * epoch)


def test_a_loop_is_held_at_its_rungs_and_goes_on(run: Runs) -> None:
    for epochs in (1.0, 2.0, 4.0):
        outcomes = run(climbing, *(unit(number, epochs, lr=number + 1.0) for number in range(3)))
        assert [outcomes[number].score for number in range(3)] == [epochs * (number + 1) for number in range(3)]
        assert all(outcome.trained == outcome.steps == epochs for outcome in outcomes.values())


def test_what_is_known_already_is_not_trained_for(run: Runs) -> None:
    assert run(climbing, unit(0, 0.25, lr=1.0))[0].score == 1.0
    again = run(climbing, unit(0, 0.5, lr=1.0))[0]
    assert (again.epochs, again.trained, again.score) == (0.5, 1.0, 1.0)
    assert run(climbing, unit(0, 2.0, lr=1.0))[0].trained == 2.0


def test_it_is_the_same_process_that_goes_on(run: Runs) -> None:
    def pid(trial: Trial) -> None:
        for epoch in (1, 2):
            trial.report(epoch, os.getpid())

    first, second = (run(pid, unit(0, epochs))[0].score for epochs in (1.0, 2.0))
    assert first == second != os.getpid()


def test_a_loss_is_the_better_the_smaller_it_is(run: Runs) -> None:
    outcomes = run(lambda trial: trial["lr"], unit(0, 1.0, lr=3.0), unit(1, 1.0, lr=2.0), maximize=False)
    assert outcomes[1].rank > outcomes[0].rank
    assert (outcomes[1].score, outcomes[1].loss) == (-2.0, 2.0)


def test_a_returned_value_counts_at_all_later_rungs(run: Runs) -> None:
    for epochs in (1.0, 4.0):
        assert run(lambda trial: 0.25, unit(0, epochs))[0] == Outcome(0, epochs, 4.0, 1, 0.25, -0.25, 0.25)  # noqa: ARG005


def test_random_numbers_are_the_trials_own(run: Runs) -> None:
    def drawn(_: Trial) -> float:
        return random.random() + float(np.random.rand()) + torch.rand(()).item()

    values = [run(drawn, unit(number, 1.0))[number].score for number in (0, 1)]
    torch.manual_seed(100)
    expected = torch.rand(()).item() + random.Random(100).random() + np.random.RandomState(100).rand()
    assert values[0] == pytest.approx(expected, abs=1e-12)
    assert values[1] != values[0]


@pytest.mark.parametrize(
    ("loop", "reason"),
    [
        (lambda trial: 1 / 0, "ZeroDivisionError: division by zero"),  # noqa: ARG005
        (lambda trial: None, "it neither reported nor returned a value"),  # noqa: ARG005
        (lambda trial: os.kill(os.getpid(), signal.SIGKILL), "its process died (SIGKILL: out of memory?)"),  # noqa: ARG005
        (lambda trial: sys.exit(3), "its process died (exit code 3)"),  # noqa: ARG005
        (lambda trial: trial.report(1, "much"), "ValueError: could not convert string to float: 'much'"),  # type: ignore[arg-type]
    ],
)
def test_a_trial_that_fails_costs_itself_alone(run: Runs, loop: Loop, reason: str) -> None:
    def both(trial: Trial) -> float | None:
        return loop(trial) if trial.number == 0 else 1.0

    outcomes = run(both, unit(0, 1.0), unit(1, 1.0))
    assert outcomes[0].failed
    assert outcomes[0].stopped == reason
    assert outcomes[1].score == 1.0


def test_a_value_that_is_no_number_or_three_times_the_first_ends_a_trial(run: Runs, tmp_path: Path) -> None:
    def loop(trial: Trial) -> None:
        for epoch, value in enumerate([1.0, 2.9, float("nan") if trial.number else 3.1, 1.0], start=1):
            trial.report(epoch, value)
            (tmp_path / f"{trial.number}-{epoch}").touch()

    outcomes = run(loop, unit(0, 4.0), unit(1, 4.0), maximize=False)
    assert outcomes[0].stopped == "value 3.1 over 3 × the first 1 at step 3"
    assert outcomes[1].stopped == "value nan at step 3"
    assert run.runner is not None
    run.runner.release([0, 1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-1", "0-2", "1-1", "1-2"]


def test_a_released_trial_can_clean_up_and_cannot_go_on(run: Runs, tmp_path: Path) -> None:
    def loop(trial: Trial) -> None:
        try:
            for epoch in (1, 2):
                with contextlib.suppress(Exception):
                    trial.report(epoch, 1.0)
                (tmp_path / "gone on").touch()
        finally:
            (tmp_path / "cleaned").touch()

    run(loop, unit(0, 1.0))
    assert run.runner is not None
    run.runner.release([0])
    assert [path.name for path in tmp_path.iterdir()] == ["cleaned"]


def test_what_trials_print_goes_to_their_logs(run: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def loop(trial: Trial) -> float:
        print("hello from", trial.number)
        return 1.0

    run(loop, unit(7, 1.0), logs=tmp_path / "logs")
    assert (tmp_path / "logs" / "00007.txt").read_text() == "hello from 7\n"
    assert capfd.readouterr().out == ""


def test_a_signal_ends_all_of_them() -> None:
    def loop(trial: Trial) -> None:
        for epoch in range(10**9):
            trial.report(epoch, 1.0)

    told: list[int] = []

    def between(steps: int) -> None:
        told.append(steps)
        if len(told) > 50:
            raise Interrupted(signal.SIGINT)

    runner = LoopRunner(loop, 2, between)
    with pytest.raises(Interrupted):
        list(runner.run([unit(0, 1e9), unit(1, 1e9)]))
    pids = [running.process.pid for running in runner._trials.values()]
    runner.close()
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)

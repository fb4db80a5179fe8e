from __future__ import annotations

import itertools
import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from torch import nn

from babysit.data.batches import TensorBatches
from babysit.errors import InputError, Interrupted, StorageError
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.measure.record import Range, RoundRecord
from babysit.search.engines import Between, Engine, SingleEngine, nothing_between
from babysit.search.ledgers import JournalLedger, Ledger, MemoryLedger
from babysit.search.optuna_ledger import READ_SECONDS, OptunaLedger
from babysit.search.problem import Problem
from babysit.search.rungs import Rungs
from babysit.search.runners import InProcess
from babysit.search.space import Choice, LogUniform, Space
from babysit.search.states import FolderStates, MemoryStates, States
from babysit.search.study import RoundPlan, Study, StudyResult
from babysit.search.trials import Outcome, TrialSpec, Unit

DRAW = torch.Generator().manual_seed(3)
X = torch.randn(60, 6, generator=DRAW)
Y = (X @ torch.randn(6, 3, generator=DRAW)).argmax(dim=1)
COARSE = RoundPlan("coarse", 5, 2.0, 1)

Open = Callable[[Path], Ledger]


def journal(folder: Path) -> Ledger:
    return JournalLedger(folder / "outcomes.jsonl")


def database(folder: Path) -> Ledger:
    return OptunaLedger(str(folder / "search.db"), "a")


lasting = pytest.mark.parametrize("open_", [journal, database])


def settings_of(trial: TrialSpec) -> float:
    return -abs(math.log10(trial.params["lr"]))


class Known(Engine):
    """An engine whose outcomes follow from the settings; one trial is killed, one fails. Two are a unit."""

    name = "known"

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(None, MemoryStates())  # type: ignore[arg-type]
        self.trained: list[tuple[int, float]] = []
        self._before = before

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        return [tuple(trials[at : at + 2]) for at in range(0, len(trials), 2)]

    def train(self, trials: Sequence[TrialSpec], epochs: float) -> list[Outcome]:
        self._before(len(self.trained))
        self.trained.append((trials[0].number, epochs))
        return [self._outcome(trial, epochs) for trial in trials]

    def _outcome(self, trial: TrialSpec, epochs: float) -> Outcome:
        if trial.number == 1:
            return Outcome(1, epochs, 0.0, 0, math.nan, math.inf, -math.inf, "KeyError: 'x'", failed=True)
        if trial.number == 2:
            return Outcome(2, epochs, epochs / 3, 7, 2.3, math.inf, -math.inf, "loss nan at step 7")
        return Outcome(trial.number, epochs, epochs, int(10 * epochs), 2.3, 1.0 / 3.0, settings_of(trial))


def search(engine: Engine, ledger: Ledger, coarse: RoundPlan = COARSE) -> StudyResult:
    plans = [coarse, RoundPlan("final", 2, 4.0)]
    with closing(Rungs(engine, InProcess(engine), ledger)) as rungs:
        return Study(Space({"lr": LogUniform(1e-4, 1e-1)}), plans, rungs, moves=0).run()


def as_text(result: StudyResult) -> str:
    """In which NaN equals NaN."""
    return repr(result)


EXPECTED = as_text(search(Known(), MemoryLedger()))


def in_a_child(work: Callable[[], object]) -> int:
    """Do something in a process of its own; how that ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@lasting
def test_a_search_ends_as_without_a_memory(tmp_path: Path, open_: Open) -> None:
    assert as_text(search(Known(), open_(tmp_path))) == EXPECTED


@lasting
def test_a_finished_search_is_read_and_not_trained_again(tmp_path: Path, open_: Open) -> None:
    search(Known(), open_(tmp_path))
    known = Known()
    assert as_text(search(known, open_(tmp_path))) == EXPECTED
    assert known.trained == []


def units() -> list[tuple[int, float]]:
    known = Known()
    search(known, MemoryLedger())
    return known.trained


@lasting
def test_a_search_killed_in_any_unit_trains_only_what_is_missing(tmp_path: Path, open_: Open) -> None:
    everything = units()
    assert len(everything) == 5
    for survived in range(len(everything)):
        folder = tmp_path / str(survived)
        folder.mkdir()

        def die(taken: int, last: int = survived) -> None:
            if taken == last:
                os.kill(os.getpid(), signal.SIGKILL)

        assert in_a_child(lambda die=die, folder=folder: search(Known(die), open_(folder))) == -signal.SIGKILL
        known = Known()
        assert as_text(search(known, open_(folder))) == EXPECTED
        assert known.trained == everything[survived:]


def test_a_journal_cut_anywhere_gives_the_same_search(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.jsonl"
    search(Known(), journal(tmp_path))
    whole = file.read_bytes()
    for kept in range(0, len(whole), 3):
        file.write_bytes(whole[:kept])
        known = Known()
        assert as_text(search(known, journal(tmp_path))) == EXPECTED
        assert len(known.trained) == whole[kept:].count(b"\n"), "nothing twice, nothing left out"
        assert file.read_bytes() == whole


def test_damaged_lines_of_the_journal_are_trained_again(tmp_path: Path) -> None:
    search(Known(), journal(tmp_path))
    file = tmp_path / "outcomes.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], b"\x00\xff{]\n", *lines[2:]]))
    known = Known()
    assert as_text(search(known, journal(tmp_path))) == EXPECTED
    assert known.trained == units()[1:2]


def network(trial: TrialSpec) -> nn.Module:
    """With everything that has a state of its own: batch norm and dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(trial.seed)
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


PROBLEM = Problem(
    build=network,
    batches=lambda _, settings: TensorBatches(X[:40], Y[:40], settings.batch_size, settings.seed),
    validation=Examples(X[40:], Y[40:]),
    task=CLASSIFICATION,
    settings=TrainSettings(optimizer="adam", batch_size=8),
    chance=math.log(3),
)


def real(states: States, between: Between = nothing_between) -> SingleEngine:
    return SingleEngine(PROBLEM, states, between)


@lasting
@pytest.mark.parametrize("steps", [1, 11, 20, 37, 52, 70])
def test_a_real_search_goes_on_after_a_signal_as_if_nothing_had_been(tmp_path: Path, open_: Open, steps: int) -> None:
    coarse = RoundPlan("coarse", 4, 4.0, 2)
    taken = itertools.count(1)

    def interrupt(_trials: int) -> None:
        if next(taken) == steps:
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        search(real(FolderStates(tmp_path / "trials"), interrupt), open_(tmp_path), coarse)
    resumed = search(real(FolderStates(tmp_path / "trials")), open_(tmp_path), coarse)
    assert resumed == search(real(MemoryStates()), MemoryLedger(), coarse)
    assert list((tmp_path / "trials").iterdir()) == []


@pytest.mark.parametrize("open_", [lambda _: MemoryLedger(), journal, database], ids=["memory", "journal", "db"])
def test_what_is_decided_stays(tmp_path: Path, open_: Open) -> None:
    with closing(open_(tmp_path)) as ledger:
        assert ledger.decide("engine", lambda: {"name": "stacked", "width": 32}) == {"name": "stacked", "width": 32}
        assert ledger.decide("engine", lambda: pytest.fail("made again")) == {"name": "stacked", "width": 32}
        assert ledger.decide("nothing", lambda: None) is None
        assert ledger.decide("sizes", lambda: {"hidden": (50, 20)}) == {"hidden": [50, 20]}, "as it is read again"


@lasting
def test_it_stays_for_the_next_process_too(tmp_path: Path, open_: Open) -> None:
    with closing(open_(tmp_path)) as ledger:
        ledger.decide("seconds", lambda: 0.1 + 0.2)
    with closing(open_(tmp_path)) as ledger:
        assert ledger.decide("seconds", lambda: pytest.fail("made again")) == 0.1 + 0.2


OUTCOMES = [
    Outcome(0, 0.1 + 0.2, 1 / 3, 2**31 - 1, 5e-324, 1.7976931348623157e308, -0.0),
    Outcome(1, 0.1 + 0.2, 0.0, 0, math.nan, math.inf, -math.inf, "ValueError: \x00 \ud800 'ü'\n" + 9000 * "x", True),
]
SPECS = tuple(TrialSpec(number, 0, {"lr": 0.01, "hidden": (50, 20)}, 7, 2.0) for number in range(2))
UNIT = Unit(SPECS, 0.1 + 0.2)
ROUND = RoundRecord(0, "coarse", 2.0, 2, {"lr": Range(1e-4, 1e-1, log=True), "hidden": Range(choices=("(50, 20)",))})


@lasting
def test_outcomes_come_back_to_the_last_bit(tmp_path: Path, open_: Open) -> None:
    with closing(open_(tmp_path)) as ledger:
        ledger.begin(ROUND, SPECS)
        assert ledger.claim(UNIT)
        ledger.record(UNIT, OUTCOMES)
        assert [repr(ledger.outcome(number, 0.1 + 0.2)) for number in range(2)] == [repr(one) for one in OUTCOMES]
    with closing(open_(tmp_path)) as ledger:
        assert [repr(ledger.outcome(number, 0.1 + 0.2)) for number in range(2)] == [repr(one) for one in OUTCOMES]
        assert ledger.outcome(0, 0.3) is None
        assert ledger.outcome(2, 0.1 + 0.2) is None


def run(folder: Path, space: Space, plan: RoundPlan = COARSE, seed: int = 0, name: str = "a") -> StudyResult:
    engine = Known()
    with closing(Rungs(engine, InProcess(engine), OptunaLedger(str(folder / "search.db"), name))) as rungs:
        return Study(space, [plan], rungs, moves=0, seed=seed).run()


RATES = Space({"lr": LogUniform(1e-4, 1e-1)})


@pytest.mark.parametrize(
    ("again", "says"),
    [
        (
            lambda folder: run(folder, Space({"lr": LogUniform(1e-5, 1e-1)})),
            r"search\.db: expected study 'a' to go on with lr 0\.0001 to 0\.1 \(log\), found lr 1e-05 to 0\.1 \(log\); "
            r"choose another study name, or the space",
        ),
        (
            lambda folder: run(folder, Space({"lr": Choice(0.1, 0.01)})),
            r"lr 0\.0001 to 0\.1 \(log\), found lr of 0\.1, 0\.01;",
        ),
        (lambda folder: run(folder, Space({**RATES, "hidden": Choice(5)})), "go on with no hidden, found hidden of 5;"),
        (lambda folder: run(folder, RATES, RoundPlan("coarse", 6, 2.0, 1)), "trials 5 in round 0, found trials 6;"),
        (lambda folder: run(folder, RATES, RoundPlan("coarse", 5, 3.0, 1)), r"epochs 2\.0 in round 0, found epochs 3"),
        (lambda folder: run(folder, RATES, seed=1), "the trials of round 0, found others, as of another seed;"),
    ],
)
def test_a_study_goes_on_with_the_search_it_was_begun_with(
    tmp_path: Path, again: Callable[[Path], object], says: str
) -> None:
    run(tmp_path, RATES)
    with pytest.raises(InputError, match=says):
        again(tmp_path)
    run(tmp_path, RATES)


def test_studies_of_one_database_know_nothing_of_each_other(tmp_path: Path) -> None:
    first, second = run(tmp_path, RATES), run(tmp_path, Space({"lr": LogUniform(1e-3, 1.0)}), name="b")
    assert first.best != second.best
    assert as_text(run(tmp_path, RATES)) == as_text(first)


def put(ledger: Ledger, *outcomes: Outcome) -> None:
    ledger.record(Unit(SPECS[: len(outcomes)], UNIT.epochs), outcomes)


def test_who_records_a_unit_first_has_recorded_it(tmp_path: Path) -> None:
    first, second = OUTCOMES[0], replace(OUTCOMES[0], score=0.7)
    with closing(database(tmp_path)) as ours, closing(database(tmp_path)) as theirs:
        for ledger in (ours, theirs):
            ledger.begin(ROUND, SPECS)
        put(ours, first)
        put(theirs, second, OUTCOMES[1])
        assert theirs.outcome(0, UNIT.epochs) == ours.outcome(0, UNIT.epochs) == first
        assert repr(theirs.outcome(1, UNIT.epochs)) == repr(OUTCOMES[1])


def test_what_one_records_the_other_knows_a_moment_later(tmp_path: Path) -> None:
    with closing(database(tmp_path)) as ours, closing(database(tmp_path)) as theirs:
        ours.begin(ROUND, SPECS)
        theirs.begin(ROUND, SPECS)
        assert theirs.outcome(0, UNIT.epochs) is None
        assert ours.claim(UNIT)
        assert not theirs.claim(UNIT)
        ours.record(UNIT, OUTCOMES)
        time.sleep(READ_SECONDS)
        assert theirs.outcome(0, UNIT.epochs) == OUTCOMES[0]
        assert not theirs.claim(UNIT), "nobody is at it, but it is done"


def test_a_unit_that_is_not_done_is_free_when_its_owner_ends(tmp_path: Path) -> None:
    with closing(database(tmp_path)) as theirs:
        with closing(database(tmp_path)) as ours:
            ours.begin(ROUND, SPECS)
            assert ours.claim(UNIT)
        assert theirs.claim(UNIT)


def test_a_lease_lasts_as_long_as_its_owner_lives_and_no_longer(tmp_path: Path) -> None:
    ours, theirs = (OptunaLedger(str(tmp_path / "search.db"), "a", lease_seconds=1.0) for _ in range(2))
    with closing(ours), closing(theirs):
        ours.begin(ROUND, SPECS)
        assert ours.claim(UNIT)
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            assert not theirs.claim(UNIT)
            time.sleep(0.05)
        ours._heart.stop()  # as if it were stopped, or its machine were gone
        stopped = time.monotonic()
        while not theirs.claim(UNIT):
            time.sleep(0.05)
        assert time.monotonic() - stopped > 0.7
        assert not ours.claim(UNIT)


def test_a_study_that_was_deleted_leaves_nothing_to_the_next_one(tmp_path: Path) -> None:
    run(tmp_path, RATES)
    optuna.delete_study(study_name="a", storage=f"sqlite:///{tmp_path / 'search.db'}")
    with closing(database(tmp_path)) as ledger:
        assert ledger.outcome(0, 1.0) is None
        ledger.begin(ROUND, SPECS)


def test_a_study_that_is_deleted_while_it_is_searched_is_one_line(tmp_path: Path) -> None:
    with closing(database(tmp_path)) as ledger, closing(database(tmp_path)) as late:
        ledger.begin(ROUND, SPECS)
        optuna.delete_study(study_name="a", storage=f"sqlite:///{tmp_path / 'search.db'}")
        with pytest.raises(StorageError, match="expected trial 0 in the study it was begun in, found that it was del"):
            late.record(UNIT, OUTCOMES)

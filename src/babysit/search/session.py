"""One search from beginning to end: what trains, what remembers and what decides put together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from babysit.diagnose import diagnose
from babysit.errors import InputError
from babysit.fit.interrupts import Interrupts
from babysit.fit.threads import torch_threads
from babysit.measure.record import RoundRecord, RunHeader, TrialRecord, collect
from babysit.rules import Finding
from babysit.rules._config import DEFAULTS, Config
from babysit.search.choosing import sample_of
from babysit.search.display import Display
from babysit.search.engines import Between
from babysit.search.folder import SearchFolder
from babysit.search.launch import Launch, Launched, Surroundings
from babysit.search.ledgers import Ledger
from babysit.search.limits import NO_LIMITS, Limits, require_room
from babysit.search.rungs import Rungs
from babysit.search.samplers import sampler_named
from babysit.search.space import Space
from babysit.search.study import RoundPlan, Study, StudyResult

PROGRESS_EVERY = 50
"""Trial-steps between two updates of the progress."""


@dataclass(frozen=True)
class Plan:
    """How a search is to go.

    Attributes:
        space: What the first round draws from.
        rounds: Coarse, fine, final.
        seed: Of everything that is drawn.
        sampler: Draws the trials of a round.
        moves: How many times ranges may move past an edge that the best sit at.
        limits: What all rounds together may take.

    Raises:
        InputError: There is no such sampler, a negative number of moves, or no room for a first trial.
    """

    space: Space
    rounds: Sequence[RoundPlan]
    seed: int = 0
    sampler: str = "random"
    moves: int = 3
    limits: Limits = NO_LIMITS

    def __post_init__(self) -> None:
        sampler_named(self.sampler)
        if self.moves < 0:
            raise InputError(
                "moves", expected="0 or more", found=str(self.moves), todo="give 0 to keep to the given ranges"
            )
        require_room(self.rounds[0], self.limits)


@dataclass(frozen=True)
class Found:
    """What a session ends with."""

    study: StudyResult
    engine: str
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


class Session:
    """Runs one search.

    Args:
        launch: Sets the training of trials going.
        plan: How the search is to go.
        header: Of its records.
        ledger: Remembers what is done.
        folder: Where it writes; ``None`` leaves nothing behind.
        display: Shows it.
        config: Of the rules.
    """

    def __init__(
        self,
        launch: Launch,
        plan: Plan,
        header: RunHeader,
        ledger: Ledger,
        folder: SearchFolder | None,
        display: Display,
        config: Config = DEFAULTS,
    ) -> None:
        self._launch = launch
        self._plan = plan
        self._header = header
        self._ledger = ledger
        self._folder = folder
        self._display = display
        self._config = config
        self._records: list[RoundRecord | TrialRecord] = []
        self._interrupts = Interrupts()

    def run(self) -> Found:
        """Search to the end.

        Raises:
            InputError: No trial could be trained.
            StorageError: The disk refused.
            Interrupted: A signal came; what is done is remembered.
        """
        with ExitStack() as stack:
            if self._folder is not None:  # without one there is nothing to go on with, and Ctrl-C is the caller's
                stack.enter_context(self._interrupts)
            stack.enter_context(torch_threads(1))
            where = self._folder.path if self._folder else None
            around = Surroundings(self._ledger, where, self._progress(), stack)
            launched = self._launch(
                sample_of(self._plan.space, self._plan.rounds, self._plan.seed, self._steps), around
            )
            for line in (*self._plan.space.notes, launched.why, *launched.notes):
                self._display.note(line)
            rungs = Rungs(launched.groups, launched.runner, self._ledger, self._display.stands)
            stack.enter_context(closing(rungs))
            stack.enter_context(self._interrupts.deferred())
            result = self._study(rungs).run()
            if result.stopped:
                self._display.note(f"ended by {result.stopped}")
            return self._finish(result, launched)

    def _study(self, rungs: Rungs) -> Study:
        return Study(
            self._plan.space,
            self._plan.rounds,
            rungs,
            seed=self._plan.seed,
            moves=self._plan.moves,
            sampler=self._plan.sampler,
            limits=self._plan.limits,
            tell=self._tell,
        )

    @property
    def _steps(self) -> float:
        """Trial-steps the search will take, if nothing is killed and nothing added."""
        rounds = self._plan.rounds
        return self._header.steps_per_epoch * sum(plan.trials * plan.epochs * plan.cost for plan in rounds)

    def _tell(self, record: RoundRecord | TrialRecord) -> None:
        self._records.append(record)
        if isinstance(record, TrialRecord):
            self._display.end(record)
            return
        self._display.begin(record)
        if self._folder is not None:
            self._folder.write_trials(self._records)

    def _progress(self) -> Between:
        total = self._steps
        done, told = 0, 0

        def between(trials: int) -> None:
            nonlocal done, told
            done += trials
            if done - told >= PROGRESS_EVERY:
                told = done
                self._display.progress(done, max(done, total))
            self._interrupts.check()

        return between

    def _finish(self, result: StudyResult, launched: Launched) -> Found:
        diagnosis = diagnose(collect(self._header, self._records), config=self._config)
        if self._folder is not None:
            self._folder.write_trials(self._records)
            said = {"engine": launched.why, "notes": launched.notes}
            self._folder.finish(result, {**diagnosis.to_json("search"), **said})
        return Found(result, launched.engine, (launched.why, *launched.notes), tuple(diagnosis.findings))

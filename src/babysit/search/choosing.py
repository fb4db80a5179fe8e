"""Which engine trains a search's trials, how many at a time and in how many processes: measured, and remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from babysit.errors import InputError, suggest
from babysit.fit.threads import choose_threads
from babysit.search.engines import ENGINES, Between, Engine, SingleEngine, nothing_between
from babysit.search.engines.probe import ROUNDS, Candidate, explain, fastest, measure
from babysit.search.ledgers import Ledger
from babysit.search.plan import RoundPlan
from babysit.search.problem import Problem
from babysit.search.processes import can_fork
from babysit.search.space import Space
from babysit.search.states import MemoryStates, States
from babysit.search.trials import TrialSpec

WIDTHS = (8, 32)
"""Stacks that are tried beside the widest: a narrow one may fit a cache that a wide one does not."""


TOO_SHORT = 1.0
"""Seconds of training by the single engine that are over before a comparison of engines is."""
LONG = 20.0
"""Seconds of training from which engines are compared with care."""


@dataclass(frozen=True)
class Sample:
    """Trials like those of a search.

    Attributes:
        trials: As many as a round has, and as long as the longest.
        steps: Trial-steps the whole search will take.
    """

    trials: Sequence[TrialSpec]
    steps: float


def sample_of(space: Space, rounds: Sequence[RoundPlan], seed: int, steps: float) -> Sample:
    """Trials like those of a search.

    Args:
        space: What its first round draws from.
        rounds: Its rounds.
        seed: Of what is drawn.
        steps: Trial-steps it will take.
    """
    drawn = space.draw_spread(np.random.default_rng([seed, 0]), rounds[0].trials)
    longest = max(plan.epochs for plan in rounds)
    return Sample([TrialSpec(number, 0, params, number, longest) for number, params in enumerate(drawn)], steps)


@dataclass(frozen=True)
class Choice:
    """How trials are trained.

    Attributes:
        engine: Its name.
        width: Trials it takes together at most.
        why: In one line, for a person.
        notes: Why others were refused.
    """

    engine: str
    width: int
    why: str = ""
    notes: tuple[str, ...] = ()

    def make(self, problem: Problem, states: States, between: Between, places: int) -> Engine:
        """The engine."""
        return _maker(self.engine, problem, self.width, places)(states, between)


def workers_of(asked: int | None) -> int:
    """Worker processes: as asked, or one for each idle core; 1 is this process itself.

    Raises:
        InputError: As :func:`require_workers` does.
    """
    require_workers(asked)
    return asked or (choose_threads() if can_fork() else 1)


def require_workers(asked: int | None, *, elsewhere: bool = False) -> None:
    """Check a number of worker processes.

    Args:
        asked: The number; ``None`` for as many as are right.
        elsewhere: They are a cluster's, and not forked here.

    Raises:
        InputError: Fewer than one, or more than one where processes cannot be forked.
    """
    if asked is not None and asked < 1:
        raise InputError("workers", expected="at least 1", found=str(asked), todo="choose another number")
    if asked is not None and asked > 1 and not (elsewhere or can_fork()):
        raise InputError(
            "workers",
            expected="1, as workers are forked, on Linux and without CUDA",
            found=str(asked),
            todo="leave it out",
        )


def require_engine(asked: str) -> None:
    """Check an engine's name.

    Raises:
        InputError: There is no such engine.

    Example:
        >>> require_engine("auto")
    """
    if asked != "auto" and asked not in ENGINES:
        raise InputError(
            "engine", expected=", ".join(["auto", *ENGINES]), found=repr(asked), todo=suggest(asked, ["auto", *ENGINES])
        )


def choose(asked: str, problem: Problem, sample: Sample, places: int, ledger: Ledger) -> Choice:
    """The engine that was asked for, or the fastest; the choice of a search that goes on stays what it was.

    Args:
        asked: ``"auto"`` or an engine's name.
        problem: What is trained.
        sample: To measure with.
        places: Processes the trials are spread over.
        ledger: Remembers.

    Raises:
        InputError: There is no such engine.
    """
    require_engine(asked)
    known = ledger.decide("engine", lambda: vars(_choose(asked, problem, sample, places)))
    return Choice(known["engine"], known["width"], known["why"], tuple(known["notes"]))


def _choose(asked: str, problem: Problem, sample: Sample, places: int) -> Choice:
    widest = math.ceil(len(sample.trials) / places)
    if asked != "auto":
        return Choice(asked, 1 if asked == SingleEngine.name else widest, f"engine {asked}: asked for")
    single = Candidate(SingleEngine.name, 1, _maker(SingleEngine.name, problem, 1, places))
    if widest == 1:
        return Choice(single.name, 1, "engine single: a trial for every process")
    (speed,) = measure([single], sample.trials, rounds=1)
    seconds = sample.steps / speed.steps_per_second / places if speed.steps_per_second else 0.0
    if seconds < TOO_SHORT:
        return Choice(single.name, 1, f"engine single: all of it takes {seconds:.1f} s, too little to compare engines")
    is_long = seconds > LONG
    others, notes = _stacks(problem, sample, widest, places, WIDTHS if is_long else ())
    speeds = measure([single, *others], sample.trials, rounds=ROUNDS if is_long else 1)
    chosen = fastest(speeds)
    notes |= {f"{speed.candidate.name}: {note}": None for speed in speeds for note in speed.notes}
    return Choice(chosen.candidate.name, chosen.candidate.width, explain(speeds, chosen), tuple(notes))


def _stacks(
    problem: Problem, sample: Sample, widest: int, places: int, narrower: Sequence[int]
) -> tuple[list[Candidate], dict[str, None]]:
    """The first engine that takes these trials together, in several widths; and why those before it do not."""
    notes: dict[str, None] = {}
    for name in ENGINES:
        if name == SingleEngine.name:
            continue
        engine = _maker(name, problem, widest, places)(MemoryStates(), nothing_between)
        if max(map(len, engine.groups(sample.trials))) > 1:
            widths = [width for width in narrower if width < widest] + [widest]
            return [Candidate(name, width, _maker(name, problem, width, places)) for width in widths], notes
        alone = f"trained alone, not {name}: "
        whys = [note.removeprefix(alone) for note in engine.notes] or ["it takes these trials one at a time"]
        notes |= {f"not {name}: {why}": None for why in whys}
    return [], notes


def _maker(name: str, problem: Problem, width: int, places: int) -> Callable[[States, Between], Engine]:
    return partial(ENGINES[name], problem, width=width, places=places)

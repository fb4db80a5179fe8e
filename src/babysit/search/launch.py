"""How a search's trials are set going: models by engines, loops of the user's own as processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from babysit.search.choosing import Sample, choose, require_engine, require_workers, workers_of
from babysit.search.cluster import Cluster, OnCluster
from babysit.search.engines import Between
from babysit.search.folder import TemporaryFolder
from babysit.search.ledgers import Ledger
from babysit.search.loops import Loop, LoopRunner
from babysit.search.problem import Problem
from babysit.search.processes import Processes
from babysit.search.runners import Groups, InProcess, Runner
from babysit.search.states import FolderStates, MemoryStates, States
from babysit.search.trials import TrialSpec


@dataclass(frozen=True)
class Launched:
    """What trains the trials.

    Attributes:
        engine: Its name.
        why: Why it was chosen, in one line.
        groups: Says which trials are trained together.
        runner: Trains them.
        notes: What a person should know; may grow while it trains.
    """

    engine: str
    why: str
    groups: Groups
    runner: Runner
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Surroundings:
    """What a search has around its trials.

    Attributes:
        ledger: Remembers what is decided.
        folder: Where trials wait between rungs, and what they print goes; ``None`` leaves nothing behind.
        between: Called after every step with the number of trials that took it.
        stack: Closes at the search's end what is opened for it.
    """

    ledger: Ledger
    folder: Path | None
    between: Between
    stack: ExitStack


Launch = Callable[[Sample, Surroundings], Launched]
"""Sets the training of trials going; gets some to measure with."""


def launch_models(
    problem: Problem, engine: str, workers: int | None, *, cluster: Cluster | None = None, width: int | None = None
) -> Launch:
    """Trials are models that are built, trained on data and evaluated.

    Args:
        problem: What is trained.
        engine: ``"auto"`` or an engine's name.
        workers: Processes; ``None`` for one each idle core, or each of a cluster's.
        cluster: Where they are trained; ``None`` stays on this machine.
        width: Trials that are trained together, whatever the number of processes, so that every run rounds alike;
            ``None`` for what is the fastest, or spreads them best.

    Raises:
        InputError: There is no such engine, or there cannot be so many workers.
    """
    require_engine(engine)
    require_workers(workers, elsewhere=cluster is not None)

    def launch(sample: Sample, around: Surroundings) -> Launched:
        gpu = problem.validation.y.is_cuda
        count = workers if cluster and workers else cluster.places(gpu=gpu) if cluster else workers_of(workers)
        places: int = around.ledger.decide("places", lambda: min(count, len(sample.trials)))
        choice = choose(engine, problem, sample, places, around.ledger)
        if width is not None:
            choice = dataclasses.replace(choice, width=width)
        chosen = choice.make(problem, _states(around, places), around.between, places if width is None else 1)
        chosen.notes += choice.notes
        if cluster:
            runner: Runner = OnCluster(chosen, places, around.between, gpus=float(gpu))
            where = f", in {places} places of the cluster"
        elif places > 1:
            runner, where = Processes(chosen, places, around.between), f", in {places} processes"
        else:
            runner, where = InProcess(chosen), ""
        return Launched(choice.engine, choice.why + where, chosen, runner, chosen.notes)

    return launch


def launch_loop(loop: Loop, workers: int | None, *, maximize: bool) -> Launch:
    """Trials are calls of the user's own training loop.

    Args:
        loop: Trains one.
        workers: How many run at a time; ``None`` for one each idle core.
        maximize: Whether a greater value is a better one.

    Raises:
        InputError: There cannot be so many workers.
    """
    require_workers(workers)

    def launch(sample: Sample, around: Surroundings) -> Launched:
        count = min(workers_of(workers), len(sample.trials))
        logs = around.folder / "logs" if around.folder else None
        runner = LoopRunner(loop, count, around.between, maximize=maximize, logs=logs)
        return Launched("loop", f"your own loop, {count} at a time", _Alone(), runner)

    return launch


class _Alone:
    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        return [(trial,) for trial in trials]


def _states(around: Surroundings, places: int) -> States:
    if around.folder is not None:
        return FolderStates(around.folder / "trials")
    if places == 1:
        return MemoryStates()
    return around.stack.enter_context(closing(TemporaryFolder())).states

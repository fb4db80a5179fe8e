"""`bs.search`: find the hyperparameters a model trains best with, many trials at a time."""

from __future__ import annotations

import dataclasses
import inspect
import math
import platform
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from babysit._version import __version__
from babysit.errors import InputError
from babysit.fit.losses import LossFunction, Metric
from babysit.fit.settings import TrainSettings
from babysit.fit.sources import Data
from babysit.measure.record import RunHeader
from babysit.rules import Finding
from babysit.rules._config import read_config
from babysit.search.bounds import bounded
from babysit.search.cluster import Cluster
from babysit.search.display import Display, Silent
from babysit.search.folder import SearchFolder
from babysit.search.given import Build, problem_of, require_model, require_takes
from babysit.search.launch import launch_loop, launch_models
from babysit.search.ledgers import LONGEST_NAME, Ledger, MemoryLedger
from babysit.search.limits import parse_limits
from babysit.search.loops import Loop
from babysit.search.problem import Problem
from babysit.search.session import Plan, Session
from babysit.search.space import Distribution, Space
from babysit.search.space_text import require_known
from babysit.search.study import StudyResult, plan_rounds
from babysit.search.trials import TrialSpec

STEPS_OF_LOOPS = 5
"""Steps an epoch that a loop of the user's own is taken to have: its shortest trials then train four epochs, with
rungs at one, two and four, as it reports once an epoch."""


@dataclass(frozen=True)
class SearchResult(StudyResult):
    """What a search found; its trials, rounds and the ranking of the settings as in a study.

    Attributes:
        engine: What trained the trials.
        notes: Why that engine, and which trials it could not take.
        findings: What the rules say of the search: SRC001 where the best sit at an edge, SRC002 where most diverged.
    """

    engine: str = "single"
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def search(
    build: Build | Loop,
    data: Data | None = None,
    *,
    space: Space | Mapping[str, Distribution],
    trials: int = 64,
    epochs: float = 10,
    budget: str | None = None,
    validation: Data | None = None,
    loss: LossFunction | None = None,
    metric: Metric | None = None,
    maximize: bool = True,
    optimizer: str = "momentum",
    lr: float = 0.01,
    l2: float = 0.0,
    momentum: float = 0.9,
    schedule: str = "cosine",
    batch_size: int = 128,
    seed: int = 0,
    sampler: str = "random",
    moves: int = 3,
    engine: str = "auto",
    workers: int | None = None,
    ray: str | None = None,
    device: str = "cpu",
    storage: str | None = None,
    name: str = "search",
    out: str | Path | None = None,
    resume: bool = False,
    options: Mapping[str, Any] | None = None,
    display: Display | None = None,
) -> SearchResult:
    """Search hyperparameters, coarse to fine.

    A coarse round of short trials over the whole space, a fine one around its best, and a final one of the best
    settings with fresh seeds. Diverging trials are stopped at once, the worse half of a round early. `[tool.babysit]`
    of the nearest pyproject.toml configures the rules that judge the search.

    Args:
        build: The model of a trial from its hyperparameters, a dict; weights drawn from torch's random numbers. Without
            data: a training loop of your own, called with a :class:`~babysit.search.Trial`. It calls
            ``trial.report(epoch, value)`` with its validation metric after every epoch, or returns it at the end.
        data: As :func:`babysit.fit` takes them: a data set, a pair ``(x, y)`` or a loader.
        space: Distributions by hyperparameter. Those named like the settings below replace them: ``optimizer``,
            ``lr``, ``l2``, ``momentum``, ``schedule``, ``batch_size``. Values that
            these, or ``dropout``, cannot have are refused, and no range moves there.
        trials: In all rounds together.
        epochs: Length of the final round's trials; others are shorter.
        budget: What it may take in all, such as ``10m``, ``500epochs`` or both with a comma between.
        validation: What trials are judged on: a pair or a loader. A data set brings its own; of a pair 20 % are held
            out where there is none.
        loss: ``(outputs, targets) -> mean loss``; cross-entropy for integer targets, squared error for others.
        metric: ``(outputs, targets)`` of the whole validation split to a number; accuracy or R² by default, or the
            loss where one of your own leaves open what the outputs mean.
        maximize: Whether a greater metric, or value that a loop reports, is a better one.
        optimizer: Of trials whose space does not name it; so are the five below. A loop of your own takes none of them.
        lr: First learning rate.
        l2: Strength λ of ½·λ·‖W‖².
        momentum: Of the update rules that have one.
        schedule: Decay of the learning rate.
        batch_size: Examples a step.
        seed: The same seed gives the same trials.
        sampler: ``random`` (a Latin hypercube), ``sobol``, ``tpe`` or ``grid``.
        moves: How often ranges may move past an edge that the best trials sit at; 0 keeps to the given ranges.
        engine: ``auto`` measures which is the fastest; or its name. Of models, not of a loop of your own.
        workers: Processes with one thread each; one for each idle core by default.
        ray: Address of a Ray cluster to train on, such as ``auto`` or ``10.0.0.1:6379``; ``local`` starts one here.
        device: Where the models are trained; not of a loop of your own.
        storage: URL of an Optuna storage such as ``sqlite:///study.db`` or ``postgresql://…``; a database in ``out`` by
            default, and memory without either. Processes that name the same one share the search.
        name: Of the study in the storage.
        out: A folder for `trials.csv`, the trials' records and what a search that goes on needs.
        resume: Go on with the search in ``out``, or join it.
        options: Kept in `run.json`, as JSON values: what a command was given.
        display: Shows the search while it goes on.

    Raises:
        InputError: A setting, the data or the configuration cannot be used, or no trial could be trained.
        RunFolderError: ``out`` has files in it and ``resume`` was not asked for, or it was begun as another search.
        StorageError: The disk or the database refused.
        Interrupted: A signal came; with ``out``, what is done is kept.

    Example:
        >>> import babysit as bs
        >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> y = (x.sum(dim=1) > 0).long()
        >>> found = bs.search(
        ...     lambda hp: torch.nn.Linear(4, 2), (x, y), space={"lr": bs.LogUniform(1e-4, 1.0)}, trials=6, epochs=4,
        ...     batch_size=16, workers=1)
        >>> found.best["lr"] > 1e-3
        True
    """
    config = read_config(Path.cwd())  # before anything is trained, as it may be wrong
    searched = space if isinstance(space, Space) else Space(space)
    if data is not None:  # a loop of the user's own may mean anything by these names
        searched = bounded(searched)
    require_known(searched)
    settings = TrainSettings(
        optimizer=optimizer, lr=lr, l2=l2, momentum=momentum, schedule=schedule, batch_size=batch_size, seed=seed
    )
    _require(out is not None or not resume, "resume", "a folder to go on with in out", "none")
    _require(0 < len(name) <= LONGEST_NAME, "name", f"1 to {LONGEST_NAME} characters", name)
    _require(trials >= 1, "trials", "at least 1", trials)
    _require(0 < epochs < math.inf, "epochs", "a number above 0", epochs)
    limits = parse_limits(budget)
    with ExitStack() as stack:
        if data is None:
            _refuse_model_options(
                validation=validation,
                loss=loss,
                metric=metric,
                optimizer=optimizer,
                lr=lr,
                l2=l2,
                momentum=momentum,
                schedule=schedule,
                batch_size=batch_size,
                engine=engine,
                ray=ray,
                device=device,
            )
            require_takes(build, "loop", "a trial")
            launch = launch_loop(cast(Loop, build), workers, maximize=maximize)
            score = "value" if maximize else "−value"
            header, steps = RunHeader(steps_per_epoch=1, settings={"score": score}), STEPS_OF_LOOPS
        else:
            _require(maximize or metric is not None, "maximize", "True, as more accuracy or R² is better", maximize)
            _require(schedule != "plateau", "schedule", "one that needs no validation inside a trial", schedule)
            require_takes(build, "build", "a dict of hyperparameters")
            problem = problem_of(
                cast(Build, build),
                data,
                settings=settings,
                validation=validation,
                loss=loss,
                metric=metric,
                maximize=maximize,
                device=device,
            )
            header = _header_of(problem, device)
            steps = header.steps_per_epoch
            cluster = stack.enter_context(closing(Cluster(ray))) if ray else None
            launch = launch_models(problem, engine, workers, cluster=cluster)
        plan = Plan(searched, plan_rounds(trials, epochs, steps), seed, sampler, moves, limits)
        header = _begun(header, plan, trials, epochs, budget, options)
        if data is not None and not resume:  # what goes on may be read alone
            require_model(cast(Build, build), searched.at([0.5] * len(searched)))
        # what can be refused is refused by now, so that nothing is left of a search that does not begin
        folder, ledger = _opened(None if out is None else Path(out), storage, name, header, resume=resume)
        stack.enter_context(closing(ledger))
        shown = display or Silent()
        shown.judged_by(header.settings.get("score", "value"))
        found = Session(launch, plan, header, ledger, folder, shown, config).run()
    return SearchResult(**vars(found.study), engine=found.engine, notes=found.notes, findings=found.findings)


def _header_of(problem: Problem, device: str) -> RunHeader:
    """What the data and the settings say of every trial."""
    batches = problem.batches(TrialSpec(0, 0, {}, 0, 1.0), problem.settings)
    settings = {key: value for key, value in problem.settings.to_json().items() if key not in ("epochs", "seed")}
    return RunHeader(
        task=problem.task.name,
        loss_name=problem.task.loss_name,
        chance_loss=problem.chance or None,
        batch_size=batches.batch_size,
        steps_per_epoch=batches.steps_per_epoch,
        optimizer=problem.settings.optimizer,
        device=device,
        score_is_share=problem.task.score_is_share,
        settings={
            **settings,
            "score": problem.task.score_name,
            "validation_examples": len(problem.validation),
            "data": list(problem.marks),
        },
    )


def _begun(
    header: RunHeader,
    plan: Plan,
    trials: int,
    epochs: float,
    budget: str | None,
    options: Mapping[str, Any] | None,
) -> RunHeader:
    """The header of this search: whatever decides its trials is in it, as only the same search may go on with it."""
    space = {name: dataclasses.asdict(known) for name, known in plan.space.to_ranges().items()}
    own = {"trials": trials, "epochs": epochs, "sampler": plan.sampler, "moves": plan.moves, "space": space}
    own |= {"budget": budget} if budget else {}
    kept = {"options": dict(options)} if options else {}
    return dataclasses.replace(
        header,
        command="search",
        seed=plan.seed,
        settings={**header.settings, **own, **kept},
        versions={"babysit": __version__, "torch": torch.__version__, "python": platform.python_version()},
    )


def _opened(
    path: Path | None, storage: str | None, name: str, header: RunHeader, *, resume: bool
) -> tuple[SearchFolder | None, Ledger]:
    """The folder and the storage, neither made where the other is refused."""
    if path is None:
        return None, _ledger(storage, name, header) if storage else MemoryLedger()
    SearchFolder.require_usable(path, header, resume=resume)
    if storage:
        ledger = _ledger(storage, name, header)
        try:
            return SearchFolder.open(path, header, resume=resume), ledger
        except BaseException:
            ledger.close()
            raise
    folder = SearchFolder.open(path, header, resume=resume)
    return folder, _ledger(folder.storage, name, header)


def _ledger(url: str, name: str, header: RunHeader) -> Ledger:
    # Optuna and its database library take a second to import
    from babysit.search.optuna_ledger import OptunaLedger

    return OptunaLedger(url, name, metric=header.settings.get("score", "value"))


def _refuse_model_options(**given: object) -> None:
    """A loop of the user's own would pass over them in silence."""
    usual = inspect.signature(search).parameters
    for name, value in given.items():
        default = usual[name].default
        if value is not default and (default is None or value != default):
            raise InputError(
                name,
                expected="nothing, as a loop of your own trains and judges by itself",
                found=_short(value),
                todo="leave it out, or pass data and a function that builds a model",
            )


def _short(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise InputError(name, expected=expected, found=repr(found), todo="choose another value")

"""`babysit train`: the lecture's procedure from end to end, in the lecture's order."""

from __future__ import annotations

import platform
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from babysit._version import __version__
from babysit.diagnose import diagnose
from babysit.errors import BabysitError, InputError, RunFolderError
from babysit.fit.interrupts import Interrupts
from babysit.fit.threads import torch_threads
from babysit.measure.record import RecordWriter, RunHeader, read_run
from babysit.recipe.folder import Journal, RunFolder
from babysit.recipe.model_file import save_model
from babysit.recipe.options import TrainOptions
from babysit.recipe.probing import (
    check_initial_loss,
    check_overfit,
    check_regularization,
    find_learning_rates,
)
from babysit.recipe.reading import preprocess, read_data
from babysit.recipe.run import ProcedureStopped, Run
from babysit.recipe.searching import search
from babysit.recipe.steps import Display, Silent
from babysit.recipe.subject import choose_model
from babysit.recipe.testing import test, whole_model
from babysit.recipe.training import train_fully
from babysit.rules._config import DEFAULTS, Config
from babysit.storage import read_json, write_json

REPORT = "report.json"


@dataclass(frozen=True)
class TrainResult:
    """How a run of the procedure ended.

    Attributes:
        folder: The run folder.
        report: What `report.json` holds.
        finished: Whether it went through to the test; otherwise a step failed.
    """

    folder: Path
    report: dict[str, Any]
    finished: bool


def train(options: TrainOptions, out: Path, display: Display | None = None, config: Config = DEFAULTS) -> TrainResult:
    """Take a data set through the lecture's whole procedure.

    Args:
        options: What to train on, and how.
        out: A new or empty folder for the run.
        display: Shows the procedure while it goes on.
        config: Of the rules: which findings count, and which are errors that stop it.

    Raises:
        InputError: The data or an option is wrong; the folder is removed again if nothing was trained.
        RunFolderError: The folder has files in it.
        StorageError: The disk refused.
        Interrupted: SIGINT or SIGTERM; the run can be resumed.
    """
    header = RunHeader(
        command="train",
        seed=options.seed,
        settings={"options": options.to_json()},
        versions={"babysit": __version__, "torch": torch.__version__, "python": platform.python_version()},
    )
    folder = RunFolder.create(out, header)
    try:
        return _work(folder, header, options, display or Silent(), config)
    except InputError:
        folder.discard()
        raise


def resume(folder: Path, display: Display | None = None, config: Config = DEFAULTS) -> TrainResult:
    """Go on with a run that was interrupted or killed; it ends as it would have ended.

    Args:
        folder: The run folder.
        display: Shows the procedure while it goes on.
        config: Of the rules, as for :func:`train`; it is not kept with the run.

    Raises:
        RunFolderError: It is no such run, of another version, or still going on.
    """
    opened, header = RunFolder.reopen(folder)
    try:
        options = _options_of(folder, header)
    except BabysitError:
        opened.release()
        raise
    return _work(opened, header, options, display or Silent(), config)


def _options_of(folder: Path, header: RunHeader) -> TrainOptions:
    """What the run was begun with, if this is a version that ends it as it would have ended."""
    babysit, torch_version = (header.versions.get(name) for name in ("babysit", "torch"))
    if (babysit, torch_version) != (__version__, torch.__version__):
        raise RunFolderError(
            str(folder),
            expected=f"a run of babysit {__version__} and torch {torch.__version__}",
            found=f"babysit {babysit} and torch {torch_version}",
            todo="resume it with those versions, or train anew",
        )
    try:
        return TrainOptions.from_json(header.settings["options"])
    except (AttributeError, TypeError) as error:
        raise RunFolderError(
            str(folder), expected="the options it was begun with", found=f"damaged ones ({error})", todo="train anew"
        ) from error


def _work(folder: RunFolder, header: RunHeader, options: TrainOptions, display: Display, config: Config) -> TrainResult:
    with ExitStack() as stack:
        stack.callback(folder.release)
        journal = stack.enter_context(closing(Journal(folder.file("journal.jsonl"))))
        writer = stack.enter_context(closing(RecordWriter(folder.path)))
        interrupts = stack.enter_context(Interrupts())
        # one thread until the network is known; how many then is decided once, as sums depend on it in the last bits
        stack.enter_context(torch_threads(1))
        run = Run(options, folder, journal, writer, display, interrupts, header, config)
        finished = _through(run)
        return TrainResult(folder.path, _report(run), finished)


def _through(run: Run) -> bool:
    """The ten steps; whether they went through to the end."""
    try:
        dataset = read_data(run)
        prepared = preprocess(run, dataset)
        subject = choose_model(run, prepared)
        check_initial_loss(run, subject)
        check_regularization(run, subject)
        check_overfit(run, subject)
        space = find_learning_rates(run, subject)
        plan, study = search(run, subject, space)
        trained = train_fully(run, subject, plan, study)
        save_model(
            run.folder.path,
            whole_model(subject, trained.network),
            subject.architecture.to_json(trained.params),
            dataset.schema(),
        )
        test(run, subject, trained)
    except ProcedureStopped:
        return False
    return True


def _report(run: Run) -> dict[str, Any]:
    """Judge the whole run and write `report.json`."""
    diagnosis = diagnose(read_run(run.folder.path), config=run.config)
    report = {
        **diagnosis.to_json("train"),
        "options": run.options.to_json(),
        "procedure": [result.to_json() for result in run.results],
        **run.report,
        **({"curve": diagnosis.curve} if diagnosis.curve else {}),
    }
    write_json(run.folder.file(REPORT), report)
    return dict(read_json(run.folder.file(REPORT)))

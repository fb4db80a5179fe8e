"""What a user gives `bs.search`, made into a problem."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from babysit.data.options import ReadOptions
from babysit.data.splits import FEWEST_EXAMPLES, split
from babysit.errors import InputError
from babysit.fit.data_marks import data_marks
from babysit.fit.evaluation import Examples
from babysit.fit.losses import LossFunction, Metric, Task, chance_loss, name_of, task_under
from babysit.fit.settings import TrainSettings
from babysit.fit.sources import Data, batches_of, given
from babysit.measure.saying import say
from babysit.search.problem import Problem
from babysit.search.trials import TrialSpec

Build = Callable[[dict[str, Any]], nn.Module]
HELD_OUT = 0.2
"""Share of the examples that trials are judged on where the user brings no validation split."""
MOST_HELD_OUT = 5_000
SHORT = 2
"""Digits of a hyperparameter for a person who watches."""


def problem_of(
    build: Build,
    data: Data,
    *,
    settings: TrainSettings,
    validation: Data | None = None,
    loss: LossFunction | None = None,
    metric: Metric | None = None,
    maximize: bool = True,
    device: str = "cpu",
) -> Problem:
    """What every trial of a search trains.

    Args:
        build: A trial's model from its hyperparameters; draws its weights from torch's random numbers.
        data: As :func:`babysit.fit` takes them.
        settings: Where a trial's hyperparameters say nothing; their seed chooses what is held out.
        validation: What trials are judged on; a data set brings its own, of a pair ``(x, y)`` 20 % are held out.
        loss: Cross-entropy for integer targets, squared error for others by default.
        metric: ``(outputs, targets)`` of the whole validation split to a number; accuracy or R² by default, or the
            loss where one of your own leaves open what the outputs mean.
        maximize: Whether a greater metric is a better one.
        device: Where models are trained.

    Raises:
        InputError: The data cannot be used, or a loader comes without a validation split.
    """
    where = torch.device(device)
    known = given(data, validation, where)
    train, judged = known.train, known.validation
    if judged is None:
        if not isinstance(train, Examples):
            raise InputError(
                "validation",
                expected="examples to judge the trials on, as a loader cannot be divided",
                found="none",
                todo="pass validation=(x, y) or a second loader",
            )
        train, judged = _hold_out(train, settings.seed)
    task = _task(loss, metric, judged.y, maximize=maximize)
    usual = loss is None and isinstance(train, Examples)
    return Problem(
        build=lambda trial: _built(build, trial).to(where),
        batches=lambda _, own: batches_of(train, own, where),
        validation=judged,
        task=task,
        settings=settings,
        chance=chance_loss(task, train.y) if usual and isinstance(train, Examples) else 0.0,
        marks=tuple(data_marks([train, judged])),
        decides_batches=("batch_size",),
    )


def require_takes(function: Callable[..., Any], subject: str, what: str) -> None:
    """Check that a function can be called with one argument, where it says what it takes.

    Args:
        function: Of the user's.
        subject: What it is for.
        what: The argument.

    Raises:
        InputError: It takes none, or needs more.

    Example:
        >>> require_takes(lambda hp, width=8: width, "build", "a dict of hyperparameters")
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are written in C do not say
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise InputError(
            subject,
            expected=f"a function of {what} alone",
            found=f"{name_of(function)}{signature}",
            todo="let it take that one argument",
        ) from error


def require_model(build: Build, params: Mapping[str, Any]) -> None:
    """Check that what is built is a model, where it can be built; a trial that cannot be is counted, and no more.

    Args:
        build: Of the user's.
        params: Some trial's hyperparameters.

    Raises:
        InputError: It is something else.
    """
    try:
        model = _model(build, params, seed=0)
    except Exception:  # it may be the setting's fault
        return
    _require_module(model)


def _built(build: Build, trial: TrialSpec) -> nn.Module:
    model = _model(build, trial.params, trial.seed)
    _require_module(model)
    return model


def _model(build: Build, params: Mapping[str, Any], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build(dict(params))


def _require_module(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(
            "build", expected="a torch.nn.Module", found=f"a {type(model).__name__}", todo="return the model"
        )


def _task(loss: LossFunction | None, metric: Metric | None, targets: Tensor, *, maximize: bool) -> Task:
    base = task_under(loss, targets)
    if metric is None:
        return base
    if maximize:
        return dataclasses.replace(base, metric=metric, score_name=name_of(metric))
    return dataclasses.replace(
        base, metric=lambda outputs, truth: -float(metric(outputs, truth)), score_name=f"−{name_of(metric)}"
    )


def _hold_out(train: Examples, seed: int) -> tuple[Examples, Examples]:
    """A stratified fifth for validation, at most 5,000."""
    y = train.y.cpu().numpy()
    classes = y if y.ndim == 1 and y.dtype.kind == "i" else np.zeros(len(y), np.int64)
    options = ReadOptions(seed=seed, validation_fraction=HELD_OUT, test_fraction=0.0, most_held_out=MOST_HELD_OUT)
    if len(y) < FEWEST_EXAMPLES or classes.min() < 0:
        raise InputError(
            "data",
            expected=f"at least {FEWEST_EXAMPLES} examples, with classes from 0",
            found=f"{len(y)}" if len(y) < FEWEST_EXAMPLES else f"class {classes.min()}",
            todo="pass validation=(x, y) as well",
        )
    names = [str(number) for number in range(int(classes.max()) + 1)]
    splits, _ = split(classes, names, np.zeros(len(y)), options, "data")
    return _rows(train, splits.train), _rows(train, splits.validation)


def _rows(examples: Examples, rows: np.ndarray) -> Examples:
    index = torch.from_numpy(rows).to(examples.y.device)
    if isinstance(examples.x, Tensor):
        return Examples(examples.x[index], examples.y[index])
    return Examples(examples.x, examples.y[index], rows if examples.rows is None else examples.rows[rows])


def hyperparameters(params: Mapping[str, Any]) -> str:
    """A trial's hyperparameters in a line for a person.

    Example:
        >>> hyperparameters({"lr": 0.00123456, "hidden": (100, 50)})
        'lr 0.0012, hidden 100-50'
    """
    return ", ".join(f"{name} {say(value, SHORT)}" for name, value in params.items())

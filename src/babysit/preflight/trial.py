"""A few steps of training on a copy, recorded as any training is that is watched: rules read the records."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from babysit.measure.record import Coverage, RunRecord
from babysit.preflight.batch import Batch
from babysit.preflight.isolation import isolated
from babysit.preflight.modes import set_training
from babysit.preflight.subject import Subject
from babysit.watch import Monitor
from babysit.watch.names import Names

STEPS = 17
"""Enough for momentum to have warmed up, and for steps 1, 4 and 16, at which it is read what a step reaches."""


def record_trial(
    subject: Subject, batches: Sequence[Batch] = (), *, steps: int = STEPS, time_limit: float = 1.0
) -> RunRecord:
    """Train a copy for a few steps, watched.

    Args:
        subject: Left as it is.
        batches: To take in turn; the subject's own without any. Its extreme one comes last, whatever the time.
        steps: At most.
        time_limit: Seconds after which no further step is begun.

    Raises:
        Exception: Whatever model or loss raise; what was recorded until then is lost.
    """
    batches = batches or [subject.batch]
    with isolated(subject.model) as model:
        optimizer = subject.optimizer_for(model)
        monitor = Monitor(models=[model])
        with monitor:
            set_training(model, subject.model.training)
            end = math.inf
            for step in range(steps):
                if time.monotonic() > end:
                    break
                optimizer.zero_grad()
                loss = subject.loss(model, batches[step % len(batches)])
                loss.backward()  # type: ignore[no-untyped-call]
                _take_step(optimizer, loss)
                if not step:  # which may have imported half of torch
                    end = time.monotonic() + time_limit
            if subject.extreme is not None:
                with contextlib.suppress(Exception):  # what it was given is recorded all the same
                    optimizer.zero_grad()
                    subject.loss(model, subject.extreme).backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
            _evaluate(subject, model)
        record = monitor.records[0]
        if subject.elsewhere:
            left = _trained_elsewhere(subject, model, optimizer)
            record = dataclasses.replace(record, coverage=tuple(_without(item, left) for item in record.coverage))
    # batches that are spread over all data stand for an epoch
    header = dataclasses.replace(record.header, steps_per_epoch=len(batches)) if subject.others else record.header
    return dataclasses.replace(record, header=header)


def _trained_elsewhere(subject: Subject, model: nn.Module, optimizer: torch.optim.Optimizer) -> set[str]:
    """The modules with parameters that other optimizers train, and none that no optimizer does."""
    names = Names()
    names.add(model)
    own = {id(item) for group in optimizer.param_groups for item in group["params"]}
    others = {name: item for name, item in model.named_parameters() if id(item) not in own}
    elsewhere = {names.owner_of(item) for name, item in others.items() if name in subject.elsewhere}
    return elsewhere - {names.owner_of(item) for name, item in others.items() if name not in subject.elsewhere}


def _without(coverage: Coverage, modules: set[str]) -> Coverage:
    """As if these had not been there: they get their updates in other steps than those that are tried."""
    return dataclasses.replace(
        coverage, not_optimized=tuple(path for path in coverage.not_optimized if path not in modules)
    )


def _evaluate(subject: Subject, model: nn.Module) -> None:
    """What else the script holds is given to the model as in an evaluation."""
    set_training(model, False)
    with torch.no_grad(), contextlib.suppress(Exception):
        for batch in subject.held:
            subject.loss(model, batch)


def record_attempt(subject: Subject, batches: Sequence[Batch]) -> RunRecord:
    """What can be recorded of steps of which one raises."""
    with isolated(subject.model) as model:
        monitor = Monitor(models=[model])
        with monitor:
            set_training(model, subject.model.training)
            for batch in batches:
                with contextlib.suppress(Exception):
                    subject.loss(model, batch)
    return monitor.records[0]


def _take_step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take it with a closure, which some optimizers want, where the class takes any: a script's own may take none."""
    if inspect.signature(optimizer.step).parameters:
        optimizer.step(lambda: loss.item())
    else:
        optimizer.step()

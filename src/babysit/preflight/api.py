"""`bs.check`: everything that can be found out about a training before an hour is spent on it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from babysit.diagnose import Diagnosis, diagnose
from babysit.errors import InputError
from babysit.measure.record import Probe, RunRecord
from babysit.preflight.batch import Batch, map_tensors, tensors_of
from babysit.preflight.failures import failure, refusal
from babysit.preflight.isolation import isolated
from babysit.preflight.judged import JUDGED
from babysit.preflight.loaders import DRAWING
from babysit.preflight.more_data import BATCHES, FURTHER, MOST_BYTES
from babysit.preflight.probes import EXPERIMENTS, Experiment, Given
from babysit.preflight.randomness import generators_kept, randomness_kept
from babysit.preflight.report import Check, Mark, Report
from babysit.preflight.subject import Subject, call, current
from babysit.preflight.threads import fewest_threads
from babysit.preflight.trial import record_attempt, record_trial
from babysit.rules import Severity
from babysit.rules._catalogue import all_rules
from babysit.rules._config import Config, read_config

SECONDS = 5.0
_BATCHES = 1 + BATCHES  # as many as of a script's data
_LABELS = ("labels", "label", "targets", "target", "y")

LossFunction = Callable[..., Any]


def check(
    model: nn.Module,
    loss_fn: LossFunction | None,
    batch: Any,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    seconds: float = SECONDS,
    config: Config | None = None,
) -> Report:
    """Check a model, its loss and its data before training; nothing of them is changed.

    Every experiment is made on copies, with the state of random numbers, modes, buffers and gradients as before.

    Args:
        model: About to be trained, in the mode it is trained in.
        loss_fn: ``(outputs, targets) -> scalar``; ``None`` for a model that computes its loss itself and gives it as
            ``.loss`` or ``["loss"]``.
        batch: ``(inputs, targets)``, ``(input, input, …, targets)``, a mapping with ``labels`` or ``targets`` among
            its keys, or an iterable of such batches, as a DataLoader, of which the first sixteen are taken, and where
            that takes no time and little memory up to 48 more for the learning rate, but for iterators, whose batches
            are gone for who gave them.
        optimizer: As training will use it; its rate, weight decay and parameters are checked with the rest.
        seconds: About what all of it may take; experiments that are not through by then say so.
        config: Of the rules; `[tool.babysit]` of the nearest pyproject.toml by default.

    Raises:
        InputError: The model rejects the batch, the loss is no scalar that can be differentiated, or the model cannot
            be copied.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax(dim=1))
        >>> report = check(model, nn.CrossEntropyLoss(), (torch.randn(64, 4), torch.arange(64) % 3))
        >>> report.findings[0].code, report.verdict
        ('LOS007', 'errors')
    """
    found = _batches(batch, keeps_labels=loss_fn is None)
    batches, further = found[:_BATCHES], found[_BATCHES:]
    subject = Subject(model, batches[0], forward=call, loss=_loss(loss_fn), optimizer=optimizer, further=further)
    return check_subject(subject, batches, seconds=seconds, config=config)


def check_subject(
    subject: Subject, batches: Sequence[Batch], *, seconds: float = SECONDS, config: Config | None = None
) -> Report:
    """The same for whatever a subject was made from."""
    config = read_config(Path.cwd()) if config is None else config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a step warns of, it has warned of, or will
        try:
            refuse_unusable(subject)
            with fewest_threads(subject):
                return _checked(subject, batches, seconds, config)
        except InputError as error:
            report = explained(subject, batches, error, config)
            if report is None:
                raise
            return report


def _checked(subject: Subject, batches: Sequence[Batch], seconds: float, config: Config) -> Report:
    start = time.perf_counter()
    trial = _tried(subject, batches, 0.2 * seconds)
    trial_seconds = time.perf_counter() - start
    wanted = [item for item in EXPERIMENTS if _any(config, item.codes)]
    probes, times = {}, {}
    for place, item in enumerate(wanted):
        begin = time.perf_counter()
        # what was not needed so far is shared by those that are still to come
        left = (seconds - (begin - start)) / sum(other.share for other in wanted[place:])
        limit = item.share * max(seconds, left)
        probes[item.name] = _made(item, Given(subject, batches, trial, limit))
        times[item.name] = time.perf_counter() - begin
    record = dataclasses.replace(trial, probes=(*trial.probes, *probes.values()))
    codes = {code for item in JUDGED for code in item.codes} | {code for item in EXPERIMENTS for code in item.codes}
    diagnosis = diagnose(record, [rule for rule in all_rules() if rule.code in codes], config)
    bad = _bad(diagnosis)
    checks = [
        *(_judged(item, trial, bad, trial_seconds / len(JUDGED)) for item in JUDGED if _any(config, item.codes)),
        *(_experiment(item, probes[item.name], bad, times[item.name]) for item in wanted),
    ]
    rates = probes.get("learning-rate")
    suggestion = {"lr": rates.numbers["suggested"]} if rates and "suggested" in rates.numbers else {}
    return Report(tuple(checks), diagnosis, record, suggestion, time.perf_counter() - start)


def _tried(subject: Subject, batches: Sequence[Batch], seconds: float) -> RunRecord:
    """The records of a few steps.

    Raises:
        InputError: No step can be taken: the backward pass or the optimizer raises.
    """
    try:
        return record_trial(subject, batches, time_limit=seconds)
    except InputError:
        raise
    except Exception as error:
        todo = "look at its backward pass, the optimizer, and batches after the first"
        expected = "a model that can take a step of training"
        raise refusal(type(subject.model).__name__, error, expected=expected, todo=todo) from error


def explained(subject: Subject, batches: Sequence[Batch], error: InputError, config: Config) -> Report | None:
    """A report on a step that cannot be taken, where the rules say why; ``None`` where they do not."""
    start = time.perf_counter()
    with contextlib.suppress(Exception):
        trial = record_attempt(subject, batches)
        rules = [rule for rule in all_rules() if rule.code.startswith(("DAT", "LOS"))]
        diagnosis = diagnose(trial, rules, config)
        if diagnosis.verdict == "errors":
            notes = (f"nothing else could be checked: {error}",)
            seconds = time.perf_counter() - start
            checks = tuple(
                item
                for item in (_judged(item, trial, _bad(diagnosis), seconds) for item in JUDGED)
                if item.mark == "failed"
            )
            return Report(checks, diagnosis, trial, seconds=seconds, notes=notes)
    return None


def _bad(diagnosis: Diagnosis) -> set[str]:
    return {item.code for item in diagnosis.findings if item.severity is not Severity.INFO} | set(diagnosis.folded)


def refuse_unusable(subject: Subject) -> None:
    """Try model and loss once, on a copy.

    Raises:
        InputError: They cannot be used together.
    """
    shapes = ", ".join(str(tuple(item.shape)) for item in subject.batch.tensors())
    name = type(subject.model).__name__
    with contextlib.ExitStack() as stack:
        try:
            model = stack.enter_context(isolated(subject.model))
        except Exception as error:
            todo = "make it copyable (no locks, generators or open files as attributes)"
            raise refusal(name, error, expected="a model that copy.deepcopy can copy", todo=todo) from error
        try:
            loss = subject.loss(model, subject.batch)
        except InputError:
            raise
        except Exception as error:
            todo = "give the batch as the model and the loss take it"
            expected = f"a model and a loss that accept inputs of shape {shapes}"
            raise refusal(name, error, expected=expected, todo=todo) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise InputError("the loss", expected="a scalar tensor", found=found, todo="reduce it, by .mean() for example")
    if not loss.requires_grad:
        todo = "check detach(), no_grad() and requires_grad"
        raise InputError("the loss", expected="one that depends on trainable parameters", found="none", todo=todo)


def _made(item: Experiment, given: Given) -> Probe:
    """An experiment that fails says why, and the others are made all the same."""
    try:
        return item.make(given)
    except Exception as error:
        return Probe(item.name, texts={"reason": failure(error)})


def _judged(item: Any, trial: RunRecord, bad: set[str], seconds: float) -> Check:
    said = item.say(trial)
    failed = bool(bad & set(item.codes))
    measured, expected = said if said is not None else (item.missing, "")
    mark: Mark = "failed" if failed else "passed" if said is not None else "not applicable"
    return Check(item.name, item.title, measured, expected, mark, item.codes, seconds)


def _experiment(item: Experiment, probe: Probe, bad: set[str], seconds: float) -> Check:
    if not probe.numbers:
        reason = probe.texts.get("reason", "it gave no numbers")
        return Check(item.name, item.title, reason, "", "not applicable", item.codes, seconds)
    measured, expected = item.say(probe)
    if "gave_up" in probe.texts:
        measured += f"; the rest was left out {probe.texts['gave_up']}"
    mark: Mark = "failed" if bad & set(item.codes) else "passed" if item.tells(probe) else "not applicable"
    return Check(item.name, item.title, measured, expected, mark, item.codes, seconds)


def _any(config: Config, codes: Sequence[str]) -> bool:
    return any(_selected(config, code) for code in codes) or not (codes or config.select)


def _selected(config: Config, code: str) -> bool:
    return not config.select or any(code.startswith(prefix) for prefix in config.select)


def _loss(loss_fn: LossFunction | None) -> Callable[[nn.Module, Batch], Tensor]:
    if loss_fn is None:
        return _own_loss

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        result: Tensor = current(loss_fn)(call(model, batch), batch.targets)
        return result

    return loss


def _own_loss(model: nn.Module, batch: Batch) -> Tensor:
    outputs = call(model, batch)
    found = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if found is None and isinstance(outputs, tuple | list) and outputs and isinstance(outputs[0], Tensor):
        found = outputs[0]
    if found is None and isinstance(outputs, Tensor):
        found = outputs
    if not isinstance(found, Tensor):
        kind = type(outputs).__name__
        todo = "pass a loss function"
        raise InputError(
            "the model's output", expected=".loss, as no loss function was given", found=f"a {kind} without", todo=todo
        )
    return found


def _batches(given: Any, *, keeps_labels: bool) -> list[Batch]:
    if _is_batch(given):
        return [as_batch(given, keeps_labels=keeps_labels)]
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Tensor):
        with randomness_kept(), generators_kept(given):  # a loader that shuffles draws from them
            each = (as_batch(item, keeps_labels=keeps_labels) for item in given)
            found = list(islice(each, _BATCHES))
            if found and not isinstance(given, Iterator):  # what is taken of an iterator, its owner lacks
                found += _further(each, found[0])
        if found:
            return found
        raise InputError("the batch", expected="at least one batch", found="an empty iterable", todo="check the data")
    return [as_batch(given, keeps_labels=keeps_labels)]


def _further(batches: Iterator[Batch], first: Batch) -> Iterator[Batch]:
    """Some more of the first one's size, where that takes no time and little memory."""
    until, left = time.monotonic() + DRAWING, MOST_BYTES
    with contextlib.suppress(Exception):  # nothing depends on them
        for batch in islice(batches, FURTHER):
            left -= batch.nbytes
            if left < 0 or time.monotonic() > until:
                return
            if batch.size == first.size:
                yield batch


def _is_batch(given: Any) -> bool:
    return isinstance(given, Mapping) or (
        isinstance(given, tuple | list) and bool(given) and any(isinstance(item, Tensor) for item in given)
    )


def as_batch(given: Any, *, keeps_labels: bool) -> Batch:
    """A batch from what loaders give.

    Args:
        given: A tuple or list with the targets last, or a mapping with them under a usual name.
        keeps_labels: Leave the targets among the inputs, for a model that computes its own loss.

    Raises:
        InputError: It is neither.
    """
    if isinstance(given, Mapping):
        found = next((name for name in _LABELS if name in given), None)
        if found is None and not keeps_labels:
            keys = ", ".join(map(str, given))
            todo = "name the targets so, or give (inputs, targets)"
            raise InputError("the batch", expected=f"one of {', '.join(_LABELS)} among its keys", found=keys, todo=todo)
        targets = None if found is None or keeps_labels else given[found]
        inputs: Any = {key: value for key, value in given.items() if keeps_labels or key != found}
    elif isinstance(given, tuple | list) and (len(given) > 1 or keeps_labels):
        targets = None if keeps_labels else given[-1]
        parts = tuple(given) if keeps_labels else tuple(given[:-1])
        inputs = parts[0] if len(parts) == 1 else parts
    elif isinstance(given, Tensor) and keeps_labels:
        inputs, targets = given, None
    else:
        found_kind = f"a {type(given).__name__}" + (f" of {len(given)}" if isinstance(given, tuple | list) else "")
        raise InputError(
            "the batch", expected="(inputs, targets) or a mapping", found=found_kind, todo="give the targets with it"
        )
    inputs, targets = (map_tensors(part, lambda item: item.detach()) for part in (inputs, targets))
    sizes = [len(item) for item in tensors_of((inputs, targets)) if item.dim()]
    if not sizes:
        raise InputError("the batch", expected="tensors with an example a row", found="none", todo="give tensors")
    return Batch(inputs, targets, max(set(sizes), key=sizes.count))

"""Are two evaluations of one batch alike? Dropout that is left on, or noise, makes every score a matter of luck."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from babysit.measure.record import Probe
from babysit.preflight.answers import (
    Clock,
    NotApplicable,
    answers,
    asked,
    attempt,
    difference,
    finite,
    first_difference,
    own,
    rounding,
    some,
    trace,
    worst,
)
from babysit.preflight.batch import Batch
from babysit.preflight.isolation import without_graph
from babysit.preflight.subject import Subject

NAME = "determinism"
EXAMPLES = 4
"""Of the batch, where the model takes any number."""
SEEDS = (1, 2)
"""Of the evaluations that are compared with the first, whose seed is 0."""
_DROPOUTS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)
_NATIVE = (torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.feature_alpha_dropout)
_CHANGES_MODE = ("batchnorm", "dropout", "droppath", "stochasticdepth", "rrelu")


def probe_determinism(subject: Subject, *, time_limit: float = 5.0) -> Probe:
    """Evaluate one batch with different random numbers, and with the same.

    Args:
        subject: Left as it is.
        time_limit: Seconds after which nothing further is begun.

    Returns:
        A probe with ``difference``, the largest change of any output relative to itself with other random numbers;
        ``repeat``, with the same; ``dropout``, whether a dropout was on; ``forced``, whether modules stay in training
        mode when the model is evaluated; ``per_example``, whether there is an output a row; and, where nothing in the
        model behaves differently in training, ``mode_difference``, by how much the loss does.
    """
    return attempt(NAME, lambda: _measure(subject, Clock(time_limit)))


def _measure(subject: Subject, clock: Clock) -> Probe:
    batch, base = some(subject, EXAMPLES)
    if not base:
        raise NotApplicable("the model gives no floating-point numbers")
    for item in base:
        finite(item)
    found: list[float] = []
    for seed in SEEDS:
        if found and clock.over:
            break
        found.append(_apart(base, answers(subject, batch, seed)))
    numbers = {
        "difference": worst(found),
        "repeat": _apart(base, answers(subject, batch)),
        "precision": max(rounding(item) for item in base),
        "per_example": float(any(item.dim() and len(item) == batch.size for item in base)),
    }
    texts: dict[str, str] = {}
    if numbers["difference"] > 0:
        numbers["dropout"] = float(_drops(subject, batch))
        numbers["forced"] = float(_stays_in_training(subject))
        texts["module"] = first_difference(trace(subject, batch), trace(subject, batch, SEEDS[0]), lambda item: item)
    changing = sorted({type(module).__name__ for module in subject.model.modules() if _changes_mode(module)})
    texts["mode_layers"] = ", ".join(changing)
    if not changing and not clock.over:
        numbers |= _mode_difference(subject, batch)
    return Probe(NAME, numbers=numbers, texts=texts | clock.note)


def _apart(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    if [item.shape for item in one] != [item.shape for item in other]:
        return 1.0
    return worst([difference(left, right) for left, right in zip(one, other, strict=True)])


@without_graph
def _mode_difference(subject: Subject, batch: Batch) -> dict[str, float]:
    losses = []
    for training in (False, True):
        with asked(subject, training=training) as model:
            losses.append(subject.loss(model, own(batch)).detach().reshape(-1)[:1])
    return {"mode_difference": difference(*losses)}


def _changes_mode(module: nn.Module) -> bool:
    name = type(module).__name__.lower()
    rate = getattr(module, "dropout", 0.0)
    return any(part in name for part in _CHANGES_MODE) or (isinstance(rate, float) and rate > 0)


def _stays_in_training(subject: Subject) -> bool:
    with asked(subject) as model:
        return any(module.training for module in model.modules())


@without_graph
def _drops(subject: Subject, batch: Batch) -> bool:
    with asked(subject) as model, _dropouts() as calls:
        subject.forward(model, own(batch))
    return bool(calls)


@contextmanager
def _dropouts() -> Iterator[list[str]]:
    """The names of dropout functions that are called while they are on."""
    calls: list[str] = []

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self,
            func: Callable[..., Any],
            types: Any,
            args: Sequence[Any] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            kwargs = kwargs or {}
            if _is_on(func, args, kwargs):
                calls.append(func.__name__)
            return func(*args, **kwargs)

    with Mode():
        yield calls


def _is_on(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    if func in _DROPOUTS:
        given = inspect.signature(func).bind(*args, **kwargs)
        given.apply_defaults()
        return bool(given.arguments["training"]) and given.arguments["p"] > 0
    if func in _NATIVE:
        values = [*args[1:3], *(kwargs[name] for name in ("p", "train") if name in kwargs)]
        return all(values)
    if func is F.scaled_dot_product_attention:
        return float(args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0)) > 0
    return False

"""Hyperparameters as Optuna shows them: one distribution each for a whole study, however its ranges move."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from babysit.measure.record import Range

Label = None | bool | int | float | str


def widened(known: BaseDistribution | None, drawn_from: Range | None, values: Sequence[Any]) -> BaseDistribution:
    """A distribution that holds what it held, a range, and values.

    Args:
        known: The distribution of earlier rounds.
        drawn_from: The range of a new round; ``None`` where the hyperparameter is not drawn but set.
        values: What the new round's trials have.

    Example:
        >>> widened(None, Range(1e-4, 1e-2, log=True), [0.001, 0.05])
        FloatDistribution(high=0.05, log=True, low=0.0001, step=None)
        >>> widened(CategoricalDistribution(("relu",)), None, ["elu"])
        CategoricalDistribution(choices=('relu', 'elu'))
    """
    numeric = all(_is_number(value) for value in values) and not (drawn_from and drawn_from.choices)
    if isinstance(known, CategoricalDistribution) or not numeric:
        return _choices(known, drawn_from, values)
    return _interval(known, drawn_from, values)


def internal(distribution: BaseDistribution, value: Any) -> float:
    """A value as Optuna keeps it in a column of numbers."""
    if isinstance(distribution, CategoricalDistribution):
        return _position(distribution.choices, label(value))
    return float(value)


def label(value: Any) -> Label:
    """A value as Optuna's choices may be: what is no plain value becomes its text.

    Example:
        >>> label("relu"), label((50, 20))
        ('relu', '(50, 20)')
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(tuple(value)) if isinstance(value, list) else str(value)


def _interval(known: BaseDistribution | None, drawn_from: Range | None, values: Sequence[Any]) -> BaseDistribution:
    ends = [end for end in (drawn_from.low, drawn_from.high) if end is not None] if drawn_from else []
    log = drawn_from is not None and drawn_from.log
    whole = all(isinstance(value, int) for value in values)
    if isinstance(known, (IntDistribution, FloatDistribution)):
        ends += [known.low, known.high]
        log = known.log
        whole = whole and isinstance(known, IntDistribution)
    low, high = min([*ends, *values]), max([*ends, *values])
    if whole:
        return IntDistribution(int(low), int(high), log=log and low >= 1)
    return FloatDistribution(float(low), float(high), log=log and low > 0)


def _choices(known: BaseDistribution | None, drawn_from: Range | None, values: Sequence[Any]) -> BaseDistribution:
    labels: list[Label] = list(known.choices) if isinstance(known, CategoricalDistribution) else []
    found = [label(value) for value in values]
    texts = {text: text for text in found if isinstance(text, str)}
    offered = [texts.get(text, _read(text)) for text in (drawn_from.choices if drawn_from else ())]
    for one in (*offered, *found):
        if not _holds(labels, one):
            labels.append(one)
    return CategoricalDistribution(labels)


def _read(text: str) -> Label:
    """The plain value a text was made of; ranges keep their choices as text alone."""
    try:
        return label(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _position(labels: Sequence[Label], wanted: Label) -> int:
    # 1, 1.0 and True are equal, and three choices
    return next(at for at, one in enumerate(labels) if (type(one), one) == (type(wanted), wanted))


def _holds(labels: Sequence[Label], wanted: Label) -> bool:
    return any((type(one), one) == (type(wanted), wanted) for one in labels)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

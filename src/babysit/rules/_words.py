"""Numbers and remedies in the reader's own terms."""

from __future__ import annotations

import math
from collections.abc import Mapping

from babysit.measure.record import RunRecord

LECTURE = "CS231n 2017, lecture 6: Training Neural Networks, part I"


def number(value: float) -> str:
    """Three significant digits.

    Example:
        >>> number(2.302585), number(1e6), number(12345.0)
        ('2.3', '1e+06', '1.23e+04')
    """
    return f"{value:.3g}"


def precisely(value: float) -> str:
    """Five significant digits, for levels that differ by little.

    Example:
        >>> precisely(2.302585), precisely(2.302491)
        ('2.3026', '2.3025')
    """
    return f"{value:.5g}"


def percent(share: float) -> str:
    """A share as a percentage.

    Example:
        >>> percent(0.123), percent(0.00021)
        ('12.3 %', '0.021 %')
    """
    return f"{100 * share:.3g} %"


def numbers_of(run: RunRecord, probe: str) -> Mapping[str, float]:
    """The numbers of a probe; empty where it was not made."""
    found = run.probe(probe)
    return found.numbers if found else {}


def rate_at(run: RunRecord, step: int | None = None) -> float | None:
    """The learning rate last recorded up to ``step`` (or at all), or the one the run was given; ``None`` if unknown."""
    rates = [item.lr for item in run.steps if item.lr is not None and (step is None or item.step <= step)]
    given = run.header.settings.get("lr")
    rate = max(rates[-1:], default=given)
    return float(rate) if isinstance(rate, int | float) and math.isfinite(rate) and rate > 0 else None


def highest_rate(run: RunRecord, first: int = 0, last: int | None = None) -> float | None:
    """The highest learning rate recorded from ``first`` to ``last``; without any, as :func:`rate_at`.

    It is the one that was chosen, whatever a schedule has made of it since.
    """
    seen = [item.lr for item in run.steps if item.step >= first and (last is None or item.step <= last)]
    highest = max((rate for rate in seen if rate is not None and math.isfinite(rate)), default=0.0)
    return highest if highest > 0 else rate_at(run, last)


def change_rate(rate: float | None, factor: float) -> str:
    """A new learning rate as a remedy.

    Example:
        >>> change_rate(1e6, 0.1), change_rate(None, 10)
        ('lower the learning rate: lr 1e+06 → 1e+05', 'raise the learning rate by 10')
    """
    verb = "raise" if factor > 1 else "lower"
    if rate is None:
        return f"{verb} the learning rate by {number(max(factor, 1 / factor))}"
    return f"{verb} the learning rate: lr {number(rate)} → {number(rate * factor)}"


def names(modules: list[str]) -> str:
    """Up to three module paths.

    Example:
        >>> names(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    rest = len(modules) - 3
    return ", ".join(modules[:3]) + (f" and {rest} more" if rest > 0 else "")

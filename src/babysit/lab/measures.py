"""What an experiment measured, beside what was expected; whether the two agree is said here alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from babysit.rules import Finding

Values = float | Iterable[float]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured number, of one run or of several seeds.

    Attributes:
        name: What was measured, such as ``"σ′(10)"``.
        values: One a seed; a single one where nothing is random.
        expected: What it is compared with, in words, such as ``"< 5e-5"``; ``""`` for a number that only explains.
        holds: Whether every value is as expected; ``None`` for a number that only explains.
        unit: Of the values; ``"%"`` says that they are shares and are shown in percent; ``"yes/no"`` that 1 is yes.
        digits: Significant ones that a value is shown with.
    """

    name: str
    values: tuple[float, ...]
    expected: str = ""
    holds: bool | None = None
    unit: str = ""
    digits: int = 3

    @property
    def median(self) -> float:
        """The middle of the values; NaN where there are none, or where half of them are NaN."""
        known = [value for value in self.values if not math.isnan(value)]
        return statistics.median(known) if 2 * len(known) > len(self.values) else math.nan

    def to_json(self) -> dict[str, Any]:
        """The measure as a JSON object, with its median and range."""
        known = [value for value in self.values if not math.isnan(value)]
        return {
            "name": self.name,
            "value": self.median,
            "low": min(known, default=None),
            "high": max(known, default=None),
            "values": list(self.values),
            "expected": self.expected,
            "holds": self.holds,
            "unit": self.unit,
        }


def told(name: str, values: Values, *, unit: str = "") -> Measure:
    """A number that explains and is held against nothing.

    Example:
        >>> told("steps", 12).holds is None
        True
    """
    return Measure(name, _tuple(values), unit=unit)


def near(name: str, values: Values, target: float, *, within: float, unit: str = "") -> Measure:
    """Every value lies within ``within`` of ``target``; both are shown to the digit on which that depends.

    Example:
        >>> near("σ′(0)", 0.25, 0.25, within=1e-7).holds
        True
        >>> near("loss", 2.302585, 2.302585, within=5e-5).expected
        '2.3026 ± 5e-05'
    """
    known = _tuple(values)
    holds = bool(known) and all(abs(value - target) <= within for value in known)
    digits = _digits(target, within)
    expected = _shown(target, unit, digits)
    expected = f"{expected} ± {_shown(within, unit)}" if within else f"exactly {expected}"
    return Measure(name, known, expected, holds, unit, digits)


def below(name: str, values: Values, limit: float, *, unit: str = "") -> Measure:
    """Every value is below ``limit``.

    Example:
        >>> below("σ′(10)", [4.5e-5, 6e-5], 5e-5).holds
        False
    """
    known = _tuple(values)
    return Measure(name, known, f"< {_shown(limit, unit)}", bool(known) and all(v < limit for v in known), unit)


def above(name: str, values: Values, limit: float, *, unit: str = "") -> Measure:
    """Every value is above ``limit``.

    Example:
        >>> above("accuracy", [0.98, 0.97], 0.95, unit="%").expected
        '> 95 %'
    """
    known = _tuple(values)
    return Measure(name, known, f"> {_shown(limit, unit)}", bool(known) and all(v > limit for v in known), unit)


def between(name: str, values: Values, low: float, high: float, *, unit: str = "") -> Measure:
    """Every value lies from ``low`` to ``high``.

    Example:
        >>> between("dead", 0.12, 0.1, 0.2, unit="%").expected
        '10 % … 20 %'
    """
    known = _tuple(values)
    holds = bool(known) and all(low <= value <= high for value in known)
    return Measure(name, known, f"{_shown(low, unit)} … {_shown(high, unit)}", holds, unit)


def true(name: str, values: bool | Iterable[bool]) -> Measure:
    """Something is so, with every seed.

    Example:
        >>> true("neurons identical", [True, True]).holds
        True
    """
    known = (values,) if isinstance(values, bool) else tuple(bool(value) for value in values)
    return Measure(name, tuple(map(float, known)), "yes", bool(known) and all(known), "yes/no")


def named(code: str, findings: Sequence[Sequence[Finding]], *, name: str = "") -> Measure:
    """A rule spoke up in every one of several trainings.

    Args:
        code: The rule, such as ``"ACT001"``.
        findings: Of each training (seed), the list of its findings.
        name: What is named, for the table; ``"named by ACT001"`` by default.
    """
    spoke = [any(finding.code == code for finding in of_one) for of_one in findings]
    return true(name or f"named by {code}", spoke)


def _tuple(values: Values) -> tuple[float, ...]:
    return tuple(float(value) for value in values) if isinstance(values, Iterable) else (float(values),)


def _digits(target: float, within: float) -> int:
    """Significant digits of a number that is known to a tolerance: three at least, six at most."""
    known = math.log10(abs(target) / within) if target and within else 0.0
    return min(max(math.ceil(known), 3), 6)


def _shown(value: float, unit: str, digits: int = 4) -> str:
    if unit == "%":
        return f"{100 * value:.4g} %"
    return f"{value:.{digits}g} {unit}".strip()

"""Numbers as a reader wants them: three digits that count, percent for accuracies, no zeros that say nothing."""

from __future__ import annotations

import math
from typing import Any

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A number with ``digits`` significant digits; exponents below 1e-3 and from 1e6 on.

    Example:
        >>> [number(value) for value in (0.12345, 1797, 154160.0, 3e-4, 2.5e-7, float("inf"))]
        ['0.123', '1,797', '154,160', '3e-4', '2.5e-7', '∞']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value):,}".replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -3 <= power < 6:
        return _trim(f"{value:,.{max(0, digits - 1 - power)}f}").replace("-", "−")
    return f"{_trim(mantissa).replace('-', '−')}e{power}"


def percent(share: float, decimals: int = 1) -> str:
    """A share of 0 to 1 in percent.

    Example:
        >>> percent(0.9814), percent(-0.014)
        ('98.1 %', '−1.4 %')
    """
    if not math.isfinite(share):
        return number(share)
    # what is rounded to nothing has no sign
    return f"{round(100 * share, decimals) + 0.0:.{0 if share in (0, 1) else decimals}f} %".replace("-", "−")


def power_of_ten(exponent: int) -> str:
    """The label of a decade.

    Example:
        >>> power_of_ten(-4)
        '10⁻⁴'
    """
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def plural(count: int, noun: str) -> str:
    """A count and its noun.

    Example:
        >>> plural(1, "warning"), plural(2000, "step")
        ('1 warning', '2,000 steps')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def ordinal(place: int) -> str:
    """A place in words and figures.

    Example:
        >>> [ordinal(place) for place in (1, 2, 3, 4, 11, 112, 23)]
        ['the best', '2nd', '3rd', '4th', '11th', '112th', '23rd']
    """
    if place == 1:
        return "the best"
    last = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place:,}{last}"


def shown(value: Any, digits: int = 6) -> str:
    """A JSON value as a reader wants it.

    Example:
        >>> shown(1797), shown(0.1), shown("relu"), shown([3, 3]), shown({"train": 2, "test": None})
        ('1,797', '0.1', 'relu', '3, 3', 'train 2, test –')
    """
    if type(value) is float:
        return number(value, digits)
    if type(value) is int:
        return f"{value:,}".replace("-", "−")
    if value is None or type(value) is bool:
        return {None: "–", True: "yes", False: "no"}[value]
    if type(value) is dict:
        return ", ".join(f"{name} {shown(item, digits)}" for name, item in value.items())
    return ", ".join(shown(item, digits) for item in value) if type(value) is list else str(value)


def interval(share: float, examples: int) -> tuple[float, float]:
    """The 95 % confidence interval (Wilson) of a share measured on so many examples.

    Example:
        >>> low, high = interval(0.98, 270)
        >>> f"{low:.3f} {high:.3f}"
        '0.955 0.991'
    """
    z = 1.959964
    centre = share + z * z / (2 * examples)
    half = z * math.sqrt(share * (1 - share) / examples + z * z / (4 * examples * examples))
    scale = 1 + z * z / examples
    return (centre - half) / scale, (centre + half) / scale


def _trim(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits

"""A hyperparameter's value in words: as it is written on the command line, on terminals and in reports alike."""

from __future__ import annotations

from collections.abc import Callable


def say(value: object, digits: int = 6, number: Callable[[float, int], str] | None = None) -> str:
    """A hyperparameter's value.

    Args:
        value: Layers' widths are written with a dash between.
        digits: Of a number that is no whole one.
        number: Writes numbers, with so many digits; as Python does by default.

    Example:
        >>> say((256, 128)), say(True), say(0.001), say(0.012345, 2), say(1797)
        ('256-128', 'true', '0.001', '0.012', '1797')
    """
    if isinstance(value, tuple | list):
        return "-".join(say(item, digits, number) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if number is not None and isinstance(value, int | float):
        return number(value, digits)
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)

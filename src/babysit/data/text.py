"""Small helpers for messages: lists cut to a readable length."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMES = 8


def listed(names: Sequence[str]) -> str:
    """At most eight names, and how many more there are.

    Example:
        >>> listed(["a", "b"])
        'a, b'
    """
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def columns_dropped(reason: str, names: Sequence[str]) -> str:
    """One note for all columns dropped for one reason.

    Example:
        >>> columns_dropped("constant", ["z"])
        "dropped constant column 'z'"
    """
    if len(names) == 1:
        return f"dropped {reason} column {names[0]!r}"
    return f"dropped {len(names)} {reason} columns: {listed(names)}"

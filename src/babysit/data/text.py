"""Small helpers for messages: names that were probably meant, lists cut to a readable length."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

MOST_NAMES = 8


def listed(names: Sequence[str]) -> str:
    """At most eight names, and how many more there are.

    Example:
        >>> listed(["a", "b"])
        'a, b'
    """
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def meant(name: str, known: Iterable[str]) -> str:
    """A question naming up to three near misses, with a trailing space; empty where nothing is near.

    Example:
        >>> meant("digit", ["digits", "iris"])
        "did you mean 'digits'? "
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(by_lower[key]) for key in near)}? " if near else ""


def columns_dropped(reason: str, names: Sequence[str]) -> str:
    """One note for all columns dropped for one reason.

    Example:
        >>> columns_dropped("constant", ["z"])
        "dropped constant column 'z'"
    """
    if len(names) == 1:
        return f"dropped {reason} column {names[0]!r}"
    return f"dropped {len(names)} {reason} columns: {listed(names)}"

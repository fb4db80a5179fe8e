"""The advice given for a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """What to do about an unknown name: try the nearest known one.

    Example:
        >>> suggest("rleu", ["relu", "tanh"])
        "did you mean 'relu'?"
        >>> suggest("swish", ["relu", "tanh"])
        'choose one of these names'
    """
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else "choose one of these names"

"""All sections and claims, and the choice of some of them by id."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence

from babysit.errors import InputError, suggest
from babysit.lab.section import Claim, Section

_MODULES = (
    "activations",
    "preprocessing",
    "initialization",
    "normalization",
    "babysitting",
    "searching",
    "monitoring",
    "outline",
)


def sections() -> tuple[Section, ...]:
    """The sections in the lecture's order, with all their claims."""
    return tuple(importlib.import_module(f"babysit.lab.{name}").SECTION for name in _MODULES)


def claims(ids: Sequence[str] = ()) -> tuple[Claim, ...]:
    """The claims of some ids, in the lecture's order; all of them without any.

    Args:
        ids: Of claims (``"C2"``) or of whole sections (``"C"``), in either case.

    Raises:
        InputError: There is no such claim or section.

    Example:
        >>> [claim.id for claim in claims(["a1"])]
        ['A1']
    """
    known = tuple(claim for section in sections() for claim in section.claims)
    if not ids:
        return known
    letters = {claim.section for claim in known}
    wanted: set[str] = set()
    for text in ids:
        id_ = text.upper()
        matching = {claim.id for claim in known if id_ in (claim.id, claim.section)}
        if not matching:
            raise _unknown(text, known, letters)
        wanted |= matching
    return tuple(claim for claim in known if claim.id in wanted)


def _unknown(text: str, known: Sequence[Claim], letters: set[str]) -> InputError:
    letter = text[:1].upper()
    if re.fullmatch(r"[A-Z]\d*", text.upper()) and letter in letters:
        last = max(int(claim.id[1:]) for claim in known if claim.section == letter)
        return InputError(
            text,
            expected=f"{letter} or {letter}1 to {letter}{last}",
            found="no such claim",
            todo="see babysit lab --list",
        )
    todo = suggest(text.upper(), [claim.id for claim in known], "see babysit lab --list")
    expected = f"a section ({', '.join(sorted(letters))}) or a claim such as C2"
    return InputError(text, expected=expected, found="neither", todo=todo)

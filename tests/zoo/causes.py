"""When a sick training of the zoo counts as diagnosed: shared by its test and by ``benchmarks/diagnosis.py``."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from babysit.rules import Severity
from babysit.rules._catalogue import catalogue

SAME_CAUSE = (
    {"LOS003", "UPD001"},  # the learning rate is too low
    {"LOS002", "LOS004", "LOS005", "UPD002", "ACT002"},  # too high
    {"INI002", "INI004", "GRD001"},  # the initial weights are too small
)
"""Codes whose findings name one cause, in what is said and in the remedy."""


def cause_of(name: str) -> str:
    """The code that the name of a script begins with."""
    return name.rpartition("/")[2].partition("_")[0].upper()


def counts(code: str, severity: str) -> bool:
    """Whether a finding is more than a remark: information only where the rule has nothing but information to give."""
    return severity != Severity.INFO or catalogue()[code].severity is Severity.INFO


def alike(code: str) -> set[str]:
    """The codes that name the same cause."""
    return next((codes for codes in SAME_CAUSE if code in codes), {code})


def is_named(code: str, found: Mapping[str, str]) -> bool:
    """Whether the very code stands in a diagnosis.

    Args:
        code: Of the cause.
        found: Code → severity of the findings.
    """
    return code in found and counts(code, found[code])


def is_told(code: str, found: Mapping[str, str], folded: Collection[str]) -> bool:
    """Whether it does, or another code of the same cause, or its symptom was folded under a finding.

    Args:
        code: Of the cause.
        found: Code → severity of the findings.
        folded: Codes of the symptoms that were left out as explained.
    """
    return code in folded or any(is_named(other, found) for other in alike(code))

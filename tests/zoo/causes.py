"""When a sick training of the zoo counts as diagnosed: shared by its test and by ``benchmarks/diagnosis.py``."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from babysit.rules import Severity
from babysit.rules._catalogue import catalogue

STATEMENTS = {
    "the learning rate is too low": {"LOS003", "UPD001"},
    "the learning rate is too high": {"LOS002", "LOS004", "LOS005", "UPD002"},
    "start the weights with": {"INI002", "INI004"},
}
"""What a finding has to say, in its message or its remedies, to name the fault that several codes are labels of.

One rate far from a good one shows in the updates and in the curve, and weights that start too small in the signal and
in the curve; which of the codes leads is a matter of which was found. The words are asked for, and not the code, so
that a finding that has another cause in mind, such as updates that are tiny in some layers only, names nothing.
"""


def cause_of(name: str) -> str:
    """The code that the name of a script begins with."""
    return name.rpartition("/")[2].partition("_")[0].upper()


def counts(code: str, severity: str) -> bool:
    """Whether a finding is more than a remark: information only where the rule has nothing but information to give."""
    return severity != Severity.INFO or catalogue()[code].severity is Severity.INFO


def is_named_by_code(code: str, found: Mapping[str, str]) -> bool:
    """Whether the very code stands in a diagnosis.

    Args:
        code: Of the cause.
        found: Code → severity of the findings.
    """
    return code in found and counts(code, found[code])


def is_named(code: str, found: Mapping[str, str], said: Mapping[str, str]) -> bool:
    """Whether it does, or a finding of another code states the same fault.

    Args:
        code: Of the cause.
        found: Code → severity of the findings.
        said: Code → message and remedies of the findings.
    """
    words = [statement for statement, codes in STATEMENTS.items() if code in codes]
    return is_named_by_code(code, found) or any(
        statement in said[other] for statement in words for other in found if counts(other, found[other])
    )


def is_told(code: str, found: Mapping[str, str], said: Mapping[str, str], folded: Collection[str]) -> bool:
    """Whether it is named, or its symptom was folded under a finding.

    Args:
        code: Of the cause.
        found: Code → severity of the findings.
        said: Code → message and remedies of the findings.
        folded: Codes of the symptoms that were left out as explained.
    """
    return code in folded or is_named(code, found, said)

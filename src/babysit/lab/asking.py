"""One rule alone: what it finds in a run, or has found in one of several."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from babysit.diagnose import diagnose
from babysit.measure.record import RunRecord
from babysit.rules import Finding
from babysit.rules._catalogue import all_rules


def ask(code: str, run: RunRecord) -> list[Finding]:
    """What a rule says of a run, also where a diagnosis folds it under its cause.

    Args:
        code: Of the rule, such as ``"GRD001"``.
        run: What was recorded.

    Example:
        >>> from babysit.testing import record
        >>> run = record([2.3, 90.0, float("nan")], lr=1e6)
        >>> [finding.code for finding in diagnose(run).findings], [finding.code for finding in ask("LOS002", run)]
        (['LOS001'], ['LOS002'])
    """
    return list(diagnose(run, [rule for rule in all_rules() if rule.code == code]).findings)


def first(code: str, *trainings: Iterable[Finding]) -> Finding | None:
    """The first finding of a rule in some trainings; ``None`` where it was silent in all of them.

    Args:
        code: Of the rule.
        *trainings: The findings of each.

    Example:
        >>> from babysit.testing import record
        >>> healthy, sick = (ask("LOS002", record(losses, lr=1.0)) for losses in ([2.3, 1.0], [2.3, 90.0]))
        >>> first("LOS002", healthy, sick) is sick[0], first("LOS001", healthy, sick)
        (True, None)
    """
    return next((finding for finding in chain.from_iterable(trainings) if finding.code == code), None)

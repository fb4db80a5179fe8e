"""One rule alone: what it finds in a run, also where a diagnosis folds that under its cause."""

from __future__ import annotations

from babysit.diagnose import diagnose
from babysit.measure.record import RunRecord
from babysit.rules import Finding
from babysit.rules._catalogue import all_rules


def ask(code: str, run: RunRecord) -> list[Finding]:
    """What a rule says of a run.

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

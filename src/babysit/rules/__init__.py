"""One file a rule; see :class:`babysit.rules._base.Rule`."""

from babysit.rules._base import Evidence as Evidence
from babysit.rules._base import Finding as Finding
from babysit.rules._base import Rule as Rule
from babysit.rules._base import Severity as Severity
from babysit.rules._base import threshold as threshold

__all__ = ["Evidence", "Finding", "Rule", "Severity", "threshold"]

"""Every claim of the lecture as an experiment: measured beside expected, with pictures.

The experiments use the product's own parts: what holds here holds of `babysit train`, `run`, `check` and `search`.
"""

from babysit.lab.catalogue import claims as claims
from babysit.lab.catalogue import sections as sections
from babysit.lab.running import Row as Row
from babysit.lab.running import run_claims as run_claims
from babysit.lab.section import Bench as Bench
from babysit.lab.section import Claim as Claim
from babysit.lab.section import Verdict as Verdict

"""Section G of the lecture: monitoring."""

from babysit.lab.monitoring import gaps as gaps
from babysit.lab.monitoring import late_start as late_start
from babysit.lab.monitoring import layers as layers
from babysit.lab.monitoring import rates as rates
from babysit.lab.monitoring import updates as updates
from babysit.lab.monitoring.section import SECTION as SECTION

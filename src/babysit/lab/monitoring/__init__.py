"""Section G of the lecture: monitoring."""

from babysit.lab.monitoring.section import SECTION as SECTION

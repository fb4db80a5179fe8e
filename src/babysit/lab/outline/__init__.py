"""Section H of the lecture: the rest of the outline."""

from babysit.lab.outline.section import SECTION as SECTION

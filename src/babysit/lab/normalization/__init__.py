"""Section D of the lecture: batch normalisation."""

from babysit.lab.normalization.section import SECTION as SECTION

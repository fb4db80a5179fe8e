"""Section F of the lecture: hyperparameter search."""

from babysit.lab.searching.section import SECTION as SECTION

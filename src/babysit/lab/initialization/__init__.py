"""Section C of the lecture: weight initialisation."""

from babysit.lab.initialization.section import SECTION as SECTION

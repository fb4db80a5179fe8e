"""Section E of the lecture: babysitting the learning process."""

from babysit.lab.babysitting.section import SECTION as SECTION

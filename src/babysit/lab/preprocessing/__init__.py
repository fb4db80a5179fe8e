"""Section B of the lecture: data preprocessing."""

from babysit.lab.preprocessing.section import SECTION as SECTION

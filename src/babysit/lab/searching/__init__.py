"""Section F of the lecture: hyperparameter search."""

from babysit.lab.searching import killing as killing
from babysit.lab.searching import knobs as knobs
from babysit.lab.searching import procedure as procedure
from babysit.lab.searching import sampling as sampling
from babysit.lab.searching import stages as stages
from babysit.lab.searching import validation as validation
from babysit.lab.searching.section import SECTION as SECTION

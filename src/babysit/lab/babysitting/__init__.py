"""Section E of the lecture: babysitting the learning process."""

from babysit.lab.babysitting import first_loss as first_loss
from babysit.lab.babysitting import order as order
from babysit.lab.babysitting import rates as rates
from babysit.lab.babysitting import small_set as small_set
from babysit.lab.babysitting.section import SECTION as SECTION

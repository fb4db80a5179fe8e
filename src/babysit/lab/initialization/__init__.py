"""Section C of the lecture: weight initialisation."""

from babysit.lab.initialization import depth as depth
from babysit.lab.initialization import late_start as late_start
from babysit.lab.initialization import relu_schemes as relu_schemes
from babysit.lab.initialization import symmetry as symmetry
from babysit.lab.initialization import tanh_schemes as tanh_schemes
from babysit.lab.initialization.section import SECTION as SECTION

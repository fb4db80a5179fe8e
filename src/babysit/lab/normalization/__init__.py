"""Section D of the lecture: batch normalisation."""

from babysit.lab.normalization import batches as batches
from babysit.lab.normalization import depth as depth
from babysit.lab.normalization import evaluation as evaluation
from babysit.lab.normalization import formula as formula
from babysit.lab.normalization import jitter as jitter
from babysit.lab.normalization import ranges as ranges
from babysit.lab.normalization import shape as shape
from babysit.lab.normalization.section import SECTION as SECTION

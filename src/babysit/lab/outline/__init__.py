"""Section H of the lecture: the rest of the outline."""

from babysit.lab.outline import averaging as averaging
from babysit.lab.outline import decay as decay
from babysit.lab.outline import ensembles as ensembles
from babysit.lab.outline import evaluation as evaluation
from babysit.lab.outline import gradient_check as gradient_check
from babysit.lab.outline import regularizing as regularizing
from babysit.lab.outline import update_rules as update_rules
from babysit.lab.outline.section import SECTION as SECTION

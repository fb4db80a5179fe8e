"""Section A of the lecture: activation functions."""

from babysit.lab.activations import saturation as saturation
from babysit.lab.activations.section import SECTION as SECTION

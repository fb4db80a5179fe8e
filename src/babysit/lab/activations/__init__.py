"""Section A of the lecture: activation functions."""

from babysit.lab.activations import biases as biases
from babysit.lab.activations import choosing as choosing
from babysit.lab.activations import cost as cost
from babysit.lab.activations import dying as dying
from babysit.lab.activations import elu as elu
from babysit.lab.activations import learned_slope as learned_slope
from babysit.lab.activations import maxout as maxout
from babysit.lab.activations import rectifiers as rectifiers
from babysit.lab.activations import saturation as saturation
from babysit.lab.activations import speed as speed
from babysit.lab.activations import zigzag as zigzag
from babysit.lab.activations.section import SECTION as SECTION

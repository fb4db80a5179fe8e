"""Section B of the lecture: data preprocessing."""

from babysit.lab.preprocessing import centring as centring
from babysit.lab.preprocessing import images as images
from babysit.lab.preprocessing import scaling as scaling
from babysit.lab.preprocessing import splits as splits
from babysit.lab.preprocessing.section import SECTION as SECTION

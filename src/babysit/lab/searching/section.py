"""What section F is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "F",
    "Hyperparameter search",
    "Coarse to fine, in log space, judged by validation: what the search does, and why. Clouds show every trial at its "
    "place, and the ranges that each stage drew from.",
)

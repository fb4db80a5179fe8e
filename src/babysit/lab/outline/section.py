"""What section H is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "H",
    "The rest of the outline",
    "Gradient checks, regularisation, update rules, schedules, test splits and ensembles.",
)

"""What section B is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "B",
    "Data preprocessing",
    "What the data look like when the network first sees them.",
)

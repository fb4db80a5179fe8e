"""What section D is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "D",
    "Batch normalisation",
    "Normalising inside the network makes it forgive rates and first weights.",
)

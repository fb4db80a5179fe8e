"""What section E is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "E",
    "Babysitting the learning process",
    "The lecture's walk from the first loss to the first good learning rate, with 50 hidden units.",
)

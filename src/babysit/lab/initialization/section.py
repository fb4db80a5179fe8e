"""What section C is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "C",
    "Weight initialisation",
    "Ten layers of 500 units show what the size of the first weights does to signals and gradients.",
)

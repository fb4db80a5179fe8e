"""What section A is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "A",
    "Activation functions",
    "What a unit does to its input decides what of the gradient comes back through it.",
)

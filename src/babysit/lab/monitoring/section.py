"""What section G is called; its claims register themselves here."""

from babysit.lab.section import Section

SECTION = Section(
    "G",
    "Monitoring",
    "What curves, ratios and distributions say about a training while it runs. Every sign is produced by a plain "
    "training that is watched from outside, and named by its rule, or called good.",
)

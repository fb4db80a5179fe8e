"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# a busy machine must not fail a property, and the same tests have to pass twice
settings.register_profile("babysit", deadline=None, derandomize=True)
settings.load_profile("babysit")

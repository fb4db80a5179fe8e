from __future__ import annotations

from babysit.cli._verdict import verdict
from babysit.diagnose import diagnose
from babysit.report.verdict import verdict_of, with_curve
from babysit.testing import record


def test_a_short_training_at_the_level_of_guessing_is_not_called_healthy() -> None:
    diagnosis = diagnose(record([2.3] * 120, chance_loss=2.303))
    assert diagnosis.verdict == "healthy"  # nothing was found
    words, style = verdict(diagnosis)
    assert words.startswith("nothing found, but the loss has not come down from guessing yet: too few steps to tell; ")
    assert "stays flat, from 2.3 to 2.3" in words
    assert "yellow" in style


def test_a_training_that_learns_is() -> None:
    words, style = verdict(diagnose(record([2.3 * 0.97**step for step in range(120)], chance_loss=2.303)))
    assert words.startswith("healthy: loss curve: steep fall")
    assert "green" in style


def test_too_little_to_say_anything() -> None:
    said = verdict_of("healthy", (), has_numbers=False)
    assert with_curve(said, "only 3 steps") == said.words

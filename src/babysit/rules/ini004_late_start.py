"""INI004: the loss lies flat and then suddenly falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._signal import NORMALISE, good_start, initial_layers
from babysit.rules._start import flat_start
from babysit.rules._words import LECTURE, precisely


@dataclass(frozen=True)
class LateStart(Rule):
    """The loss stays at its first level for a good part of the training and then suddenly falls.

    ## What it measures
    The steps from the first one at the full learning rate to the one at which a tenth of the whole fall is done, and
    how much longer it takes to half of the fall. A decay takes six times as long, a straight line four times, a
    curve that leaves a saddle half as long or less.

    ## Why it hurts
    The steps before were spent on weights too small (or units too saturated) for any gradient to get through: the
    error has to grow them first. With a better initialisation the same training begins to learn at its first step.

    ## What to try
    He's scheme √(2/n_in) for rectifiers, Xavier's 1/√n_in for tanh, batch normalisation before the activations; a
    rectifier in place of the sigmoid.

    ## When it is a false alarm
    When no single input says anything about the targets (parity): such a task has a flat start of its own. A warm-up
    of the learning rate is taken into account; without recorded learning rates nothing is reported. Nor is a plateau
    clearly below the loss of guessing, which the network has learnt to come to, or a loss that falls below zero.

    ## Options
    `flat_steps` and `share` are how long the loss has to be flat, in steps and as a share of the whole training;
    `sudden` is the time from a tenth to half of the fall, over the flat time.

    ## References
    CS231n 2017, lecture 6: a loss that is flat and then starts to fall points to bad initialisation.
    """

    code: ClassVar[str] = "INI004"
    name: ClassVar[str] = "late-start"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("losses", "steps")
    source: ClassVar[str] = LECTURE

    # Measured: healthy trainings leave their first level within 50 steps, or take longer than half of that to fall.
    flat_steps: int = threshold(100, unit="steps")
    share: float = threshold(0.2, unit="share of the training")
    sudden: float = threshold(0.5, unit="× flat steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        start = flat_start(run)
        planned = max(len(run.losses), run.header.total_steps)
        if start is None or not run.header.progress or all(step.lr is None for step in run.steps):
            return
        if start.flat_steps < max(self.flat_steps, self.share * planned) or start.suddenness > self.sudden:
            return
        yield self.finding(
            f"the loss stays at {precisely(start.level)} until about step {start.departure} and then suddenly falls, "
            f"to {precisely(start.lowest)}: a sign of bad initialisation",
            evidence=(
                Evidence("steps with a flat loss", float(start.flat_steps), float(self.flat_steps), "steps"),
                Evidence("share of the training", start.flat_steps / planned, self.share),
                Evidence("steps from a tenth to half of the fall / flat steps", start.suddenness, self.sudden),
            ),
            remedies=(good_start(initial_layers(run)), NORMALISE),
            steps=(start.first, start.departure),
        )

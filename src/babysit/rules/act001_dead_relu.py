"""ACT001: most units of a rectifier layer are never active."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import DEAD_BATCHES, RunRecord
from babysit.rules._activations import among, cause, lasting_shares, remedy
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._passes import first_passes
from babysit.rules._progress import is_stuck
from babysit.rules._signal import has_learnt_nothing
from babysit.rules._words import LECTURE, percent


@dataclass(frozen=True)
class DeadRelu(Rule):
    """Most units of a ReLU layer are zero on every recorded example, and stay so.

    ## What it measures
    For each ReLU, a module or a call of `F.relu`, the share of its units (feature maps, for a convolution) that were
    zero on every example of the last 10 sampled batches; the median of the last 50 sampled steps. Of a model that a
    step calls several times, as the discriminator of a GAN, the units that are zero in all of these calls. Beside it
    stands the share at the first step, before any update: it tells a wrong start from steps that were too large.

    ## Why it hurts
    A unit outside the data cloud has a zero gradient, so it never comes back: the layer is as narrow as what is left of
    it. Where a whole layer is dead nothing passes, and the network can only learn the shares of the classes (or the
    mean of the targets); that is an error, as it is where the loss is still near its beginning.

    ## What to try
    Where the units died in training: lower the learning rate by 10. Where they were dead from the start: He's
    initialisation with biases of 0 or 0.01. In both cases a leaky ReLU or ELU, which cannot die, or batch
    normalisation before the ReLU, which puts it back into the data.

    ## When it is a false alarm
    10 to 20 % dead units are common, and up to 60 % were seen early in deep networks, which recover; neither is
    reported. A layer that is meant to be sparse (an L1 penalty, a sparse autoencoder) may rightly be above the limit.
    Units that answer to very rare inputs look dead where the sampled batches hold few examples: below `min_examples`
    the rule is silent.

    ## Options
    The healthy trainings of the calibration reached 0.67 (two units of a layer of three), those at too high a rate
    0.84 to 1.

    ## References
    CS231n 2017, lecture 6: dead ReLUs, by unlucky initialisation and, more often, by too high a learning rate.
    AutoTrainer takes 70 % too, SageMaker Debugger 50 % of units that are active on less than 1 %.
    """

    code: ClassVar[str] = "ACT001"
    name: ClassVar[str] = "dead-relu"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    most: float = threshold(0.7, unit="share of units", source="AutoTrainer (ICSE 2021)")
    whole: float = threshold(0.99, unit="share of units")
    min_samples: int = threshold(50, unit="sampled steps")
    min_examples: int = threshold(64, unit="examples in the last sampled batches")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if DEAD_BATCHES * Curve.of(run).batch_size < self.min_examples:
            return
        dead = list(
            lasting_shares(
                first_passes(run),
                lambda layer: layer.dead_fraction,
                limit=self.most,
                samples=self.min_samples,
                skip=DEAD_BATCHES - 1,
            )
        )
        if not dead:
            return
        worst = max(dead, key=lambda share: share.lately)
        yield self.finding(
            f"{percent(worst.lately)} of the units of {worst.module} are zero on every recorded example{among(dead)}"
            + cause(
                run,
                worst,
                start="the initial weights or biases put them off the data",
                training="they died in training",
            ),
            evidence=(
                Evidence("dead units lately", worst.lately, self.most),
                Evidence("units zero at the first step", worst.start),
            ),
            remedies=(
                remedy(run, worst, start="initialise with He's scheme and biases of 0 or 0.01, and centre the inputs"),
                "use LeakyReLU or ELU there, which cannot die, or batch normalisation before the ReLU",
            ),
            module=worst.module,
            steps=(worst.since, worst.until),
            severity=Severity.ERROR if worst.lately >= self.whole or has_learnt_nothing(run) or is_stuck(run) else None,
        )

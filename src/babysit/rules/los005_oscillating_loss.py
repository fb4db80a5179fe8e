"""LOS005: the loss goes up and down."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import TRAIN, Forward, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve, count_rises, repeated_losses
from babysit.rules._updates import late_ratio
from babysit.rules._words import change_rate, highest_rate, number, percent

_ENOUGH = 10
_SAME = 0.99
_TURNS = 8


@dataclass(frozen=True)
class OscillatingLoss(Rule):
    """The loss keeps climbing back up by a good part of its initial level.

    ## What it measures
    How often the loss climbed by more than a limit from a low before it fell as far again. It counts climbs of the
    mean loss over 512 examples (several mini-batches) that are beyond the mini-batches' noise, and climbs between
    evaluations of the same training examples, or between steps on one and the same batch without dropout, which have no
    such noise and a smaller limit. Climbs between evaluations of the validation examples count by the larger one, as
    running statistics that lag behind move them too. Without such climbs, whether the loss goes up and down from step
    to step: the changes of mini-batch noise correlate by −0.5 with the next ones, those of an oscillation by −1; or it
    swings widely while the updates are far above their usual size.

    ## Why it hurts
    What one stretch of training gains the next one loses, and where the training happens to stop decides how good the
    model is.

    ## What to try
    Divide the learning rate by 3 to 10, or decay it. Use larger batches. Shuffle: a loss that repeats itself every
    epoch shows batches in a fixed or sorted order. Clip the gradient's norm.

    ## When it is a false alarm
    Steps of 512 examples or more are compared with their neighbours to tell the noise, without the last one of each
    epoch, which may be left with a few examples; a loss of ever new examples with rare outliers may still look so.
    A schedule with warm restarts climbs at each restart; training on a stream whose difficulty changes climbs with it.
    Two batches that come in turns, one easier than the other from the first step to the last, are told from it.

    ## Options
    The sizes are shares of the initial loss, as the climbs that matter are those that undo the training.

    ## References
    AutoTrainer (ICSE 2021) counts oscillations by amplitude and rate; the limits here were chosen anew, on trainings
    whose mini-batch noise is larger than AutoTrainer's amplitude of 0.03.
    """

    code: ClassVar[str] = "LOS005"
    name: ClassVar[str] = "oscillating-loss"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("losses",)
    source: ClassVar[str] = "AutoTrainer, ICSE 2021; limits of its own"

    size: float = threshold(0.2, unit="× initial loss")
    evaluated_size: float = threshold(0.1, unit="× initial loss, between evaluations")
    rises: int = threshold(3, unit="climbs")
    examples: int = threshold(512, unit="examples")
    noise: float = threshold(6.0, unit="standard errors of such a mean; more of a long training")

    alternating: float = threshold(-0.5, unit="correlation of a loss with the next one")
    amplitude: float = threshold(0.1, unit="late standard deviation / mean loss")
    late_update: float = threshold(0.03, unit="update norm / weight norm", source="30 × the lecture's 1e-3")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        curve = Curve.of(run)
        if curve.initial <= 0:
            return
        yield from list(self._climbs(run, curve)) or self._alternates(run, curve)

    def _alternates(self, run: RunRecord, curve: Curve) -> Iterator[Finding]:
        """Up and down from one step to the next, which no mini-batch noise does."""
        late = curve.losses[len(curve.losses) // 2 :]
        if len(late) < self.examples // 16 or 1 < run.header.steps_per_epoch < 5:
            return
        spread = float(late.std() / late.mean()) if late.mean() > 0 else 0.0
        # without the trend, which would hide it
        change = np.diff(late)
        together = float(np.corrcoef(change[:-1], change[1:])[0, 1]) if change.std() > 0 else 0.0
        ratio = late_ratio(run)
        swings = (together + 0.5) * 2  # of noise, changes correlate by −0.5; of an oscillation, by −1
        large = ratio is not None and ratio > self.late_update
        alternates = swings < self.alternating and (_is_one_batch(run) or not _takes_turns(curve.losses))
        if spread < self.amplitude or not (alternates or (large and spread > 2 * self.amplitude)):
            return
        rate = highest_rate(run, len(curve.losses) // 2)
        yield self.finding(
            f"the loss goes up and down from step to step, by {percent(spread)} of its mean of "
            f"{number(float(late.mean()))} over the last half"
            + (f", at updates of {number(ratio)} of the weights" if ratio is not None else ""),
            evidence=(
                Evidence("late standard deviation / mean loss", spread, self.amplitude),
                Evidence("correlation of a loss with the next one", swings, self.alternating),
                *(() if ratio is None else (Evidence("late update / weights", ratio, self.late_update),)),
            ),
            remedies=(change_rate(rate, 0.1), "use larger batches", "clip the gradient's norm"),
            steps=(len(curve.losses) // 2, len(curve.losses) - 1),
        )

    def _climbs(self, run: RunRecord, curve: Curve) -> Iterator[Finding]:
        repeated = repeated_losses(run)
        validation = repeated_losses(run, "validation")
        one_batch = _is_one_batch(run)
        whole = curve.losses if one_batch else curve.losses[:0]
        # the loss of all examples, or of the same ones, has no noise
        noise = 0.0 if one_batch or run.header.steps_per_epoch == 1 else self._noise(curve)
        full = _without_remainders(curve, run.header.steps_per_epoch, self.examples) if noise else curve
        looks = (
            (
                f"mean loss of {self.examples} examples",
                full.blocks(self.examples),
                max(self.size * curve.initial, noise),
            ),
            ("loss of the same training examples", repeated, self.evaluated_size * curve.initial),
            ("loss of the same batch", whole, self.evaluated_size * curve.initial),
            ("loss of the same validation examples", validation, self.size * curve.initial),
        )
        counts = [count_rises(values, size) if len(values) else 0 for _, values, size in looks]
        worst = int(np.argmax(counts))
        if counts[worst] < self.rises:
            return
        what, values, size = looks[worst]
        rate = highest_rate(run)
        yield self.finding(
            f"the {what} climbed by more than {number(size)} {counts[worst]} times, between "
            f"{number(float(values.min()))} and {number(float(values.max()))}",
            evidence=(Evidence("climbs", counts[worst], self.rises), Evidence("smallest climb counted", size)),
            remedies=(
                change_rate(rate, 0.1),
                "use larger batches",
                "shuffle the examples every epoch, if the curve repeats itself with each",
            ),
            steps=(0, len(curve.losses) - 1),
        )

    def _noise(self, curve: Curve) -> float:
        """What noise alone may climb by: of many blocks, the lowest and the highest lie further apart."""
        blocks = len(curve.losses) // curve.steps_for(self.examples)
        farthest = 2 * math.sqrt(2 * math.log(max(blocks, 1)))  # expected of so many normal values
        return max(self.noise, farthest) * curve.block_error(self.examples)


def _without_remainders(curve: Curve, steps_per_epoch: int, examples: int) -> Curve:
    """Without the last step of each epoch, whose batch may be left with a few examples, where a block is one step."""
    if steps_per_epoch < 2 or curve.batch_size < examples:
        return curve
    kept = np.arange(1, len(curve.losses) + 1) % steps_per_epoch != 0
    return dataclasses.replace(curve, losses=curve.losses[kept])


def _takes_turns(losses: NDArray[np.float64]) -> bool:
    """Whether every other step is the easier one from the first to the last, as where two batches come in turns."""
    each = len(losses) // (2 * _TURNS)
    pairs = losses[: 2 * _TURNS * each].reshape(_TURNS, each, 2)
    gaps = (pairs[:, :, 0] - pairs[:, :, 1]).mean(axis=1)
    return each > 0 and bool((gaps > 0).all() or (gaps < 0).all())


def _is_one_batch(run: RunRecord) -> bool:
    """Whether every step is given the same examples, and leaves nothing out at random: losses without noise.

    Batches that hold few different examples, such as the states of a small world, may be alike and are not the same. A
    step that gives the model several batches is told by the one that repeats least: beside points on a boundary, which
    stay, others are drawn anew.
    """
    forwards = run.forwarded(TRAIN)
    if any(item.dropouts_training for item in forwards if item.examples):
        return False
    unknown = {_kind(item) for item in forwards if not item.examples}
    shares: dict[int, float] = {}
    for item in forwards:
        if item.examples:
            share = 0.0 if _kind(item) in unknown else min(item.repeated, item.distinct) / item.examples
            shares[item.step] = min(share, shares.get(item.step, 1.0))
    return len(shares) >= _ENOUGH and median(shares.values()) > _SAME


def _kind(forward: Forward) -> tuple[object, ...]:
    """What two calls of a model in one step have in common, where they are given other examples of the same kind."""
    return forward.step, forward.model, forward.shape[1:]

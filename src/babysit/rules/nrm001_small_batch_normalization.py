"""NRM001: batch normalisation takes its statistics over a handful of values."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import TRAIN, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import number


@dataclass(frozen=True)
class SmallBatchNormalization(Rule):
    """Batch normalisation computes means and variances over so few values that they are mostly noise.

    ## What it measures
    How many values a channel's statistics are taken over in a training step: the examples of the batch, times the
    positions of an image or a sequence. The median over the recorded steps of the normalisation that has the fewest.

    ## Why it hurts
    Every activation is divided by a standard deviation that was estimated from these values. Over n independent values
    the estimated variance is off by √(2/(n−1)): by 53 % for 8 values and 82 % for 4. Two values always come out as
    plus and minus one, whatever they were. In training the network sees this noise; in evaluation it is given running
    averages instead, and behaves differently.

    ## What to try
    A larger batch; accumulating gradients does not help, as every part is normalised by itself. Otherwise group or
    layer normalisation, which do not use the batch, or frozen statistics of a pretrained network.

    ## When it is a false alarm
    When the noise is wanted as a regulariser and the validation score does not suffer. A last batch that is incomplete
    is not reported.

    ## Options
    Values a channel, below which a warning or an error is given.

    ## References
    Wu and He 2018, Group Normalization: the error of batch normalisation rises quickly as the batch shrinks. The
    limits come from the error of an estimated variance.
    """

    code: ClassVar[str] = "NRM001"
    name: ClassVar[str] = "small-batch-normalization"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("forwards",)
    source: ClassVar[str] = "Wu and He 2018, Group Normalization"

    few_values: int = threshold(8, unit="values a channel", source="variance off by 53 %")
    hardly_any: int = threshold(4, unit="values a channel", source="variance off by 82 %")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        found = [item for item in run.forwards if item.phase == TRAIN and item.fewest_values is not None]
        fewest = statistics.median([item.fewest_values for item in found if item.fewest_values is not None] or [1e9])
        if not fewest < self.few_values:
            return
        small = [item for item in found if item.fewest_values is not None and item.fewest_values < self.few_values]
        module = Counter(item.fewest_module for item in small).most_common(1)[0][0]
        batch = statistics.median(item.shape[0] if item.shape else 0 for item in small)
        yield self.finding(
            f"batch normalisation takes the mean and variance of a channel over {number(fewest)} values, in batches of "
            f"{number(batch)} examples: such statistics are mostly noise, and evaluation uses others",
            evidence=(
                Evidence("values a channel", float(fewest), self.few_values),
                Evidence("examples in a batch", float(batch)),
            ),
            remedies=(
                "take larger batches (accumulating gradients does not help: each part is normalised by itself)",
                "or use GroupNorm or LayerNorm in place of batch normalisation",
            ),
            module=module,
            steps=(small[0].step, small[-1].step),
            severity=Severity.ERROR if fewest < self.hardly_any else Severity.WARNING,
        )

"""DAT001: the inputs are far from zero mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, number, numbers_of


@dataclass(frozen=True)
class UncentredInput(Rule):
    """The inputs lie far from zero, measured by their own spread.

    ## What it measures
    The mean of all that the network sees over its standard deviation; and, where all features have a similar spread,
    the largest such ratio of a single feature.

    ## Why it hurts
    With inputs that are all of one sign, all weights of a unit must grow or shrink together, and gradient descent
    zig-zags to where it wants to go.

    ## What to try
    Subtract the mean of the training set: of each feature, each channel, or the mean image. The same numbers for
    validation and test.

    ## When it is a false alarm
    Sparse inputs (counts, one-hot codes, white pixels on black) lie near zero although none is negative, and are
    within the limit. A single nearly constant feature has a large ratio and does no harm, as the pixels at the border
    of images: features are judged one by one only where their spreads are alike, and where one lies as far from zero
    by the usual spread as well.

    ## Options
    Pixels between 0 and 1 have a ratio of about 0.4 for MNIST, which trains well, and of 1.9 for CIFAR-10.

    ## References
    CS231n 2017, lecture 6: "in general, we want a zero mean data". SageMaker Debugger warns at 0.2 from zero.
    """

    code: ClassVar[str] = "DAT001"
    name: ClassVar[str] = "uncentred-input"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("probe:inputs",)
    source: ClassVar[str] = LECTURE

    offset: float = threshold(1.0, unit="standard deviations")
    feature_offset: float = threshold(3.0, unit="standard deviations of the feature")
    alike: float = threshold(10.0, unit="largest / smallest standard deviation")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        numbers = numbers_of(run, "inputs")
        mean, std = numbers.get("mean", 0.0), numbers.get("std", 0.0)
        overall = abs(mean) / std if std > 0 else 0.0
        feature = self._feature_offset(run)
        if overall > self.offset:
            message = f"the inputs have mean {number(mean)} and standard deviation {number(std)}"
            evidence = Evidence("mean / standard deviation", overall, self.offset)
        elif feature > self.feature_offset:
            message = f"a feature lies {number(feature)} of its standard deviations from zero"
            evidence = Evidence("largest mean / standard deviation of a feature", feature, self.feature_offset)
        else:
            return
        yield self.finding(
            f"{message}: not centred",
            evidence=[evidence],
            remedies=("subtract the training set's mean, per feature or per channel, from every split",),
        )

    def _feature_offset(self, run: RunRecord) -> float:
        numbers = numbers_of(run, "inputs")
        smallest, largest = numbers.get("smallest_std", 0.0), numbers.get("largest_std", 0.0)
        if not 0 < largest <= self.alike * smallest or numbers.get("largest_shift", math.inf) <= self.feature_offset:
            return 0.0
        return numbers.get("largest_offset", 0.0)

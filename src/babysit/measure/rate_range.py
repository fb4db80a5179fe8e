"""What a learning-rate range test found, read from its probe."""

from __future__ import annotations

import itertools
import math
from typing import Literal, NamedTuple, get_args

from babysit.measure.record import Probe

Verdict = Literal["slow", "falls", "explodes", ""]
"""Nothing where a record holds no verdict."""


class TriedRate(NamedTuple):
    """One learning rate of a range test.

    Attributes:
        rate: The learning rate.
        ratio: Loss after over loss before; infinite where it exploded.
        verdict: Whether the loss hardly moves, falls or explodes.
    """

    rate: float
    ratio: float
    verdict: Verdict


def tried_rates(probe: Probe | None) -> list[TriedRate]:
    """What was tried, in ascending order; nothing without a rate, or without a probe.

    Args:
        probe: As ``preflight.learning_rate.try_rates`` gives it.

    Example:
        >>> series, texts = {"lr": (0.1, 1.0), "ratio": (0.5, 9.0)}, {"verdicts": "falls,explodes"}
        >>> for item in tried_rates(Probe("learning-rate", series=series, texts=texts)):
        ...     print(item.rate, item.ratio, item.verdict)
        0.1 0.5 falls
        1.0 9.0 explodes
    """
    if probe is None:
        return []
    known: dict[str, Verdict] = {verdict: verdict for verdict in get_args(Verdict)}
    said = itertools.chain(probe.texts.get("verdicts", "").split(","), itertools.repeat(""))
    verdicts = (known.get(word, "") for word in said)
    return list(map(TriedRate, probe.series.get("lr", ()), probe.series.get("ratio", ()), verdicts))


def rates_that(verdict: Verdict, probe: Probe | None) -> list[float]:
    """The rates with this verdict, in ascending order.

    Example:
        >>> series, texts = {"lr": (0.1, 1.0), "ratio": (0.5, 9.0)}, {"verdicts": "falls,explodes"}
        >>> rates_that("explodes", Probe("learning-rate", series=series, texts=texts))
        [1.0]
    """
    return [item.rate for item in tried_rates(probe) if item.verdict == verdict]


def first_exploding(probe: Probe) -> float | None:
    """The lowest rate above the best one at which the loss exploded; ``None`` where none did, or none is usable.

    Example:
        >>> series, texts = {"lr": (0.1, 1.0), "ratio": (0.5, 9.0)}, {"verdicts": "falls,explodes"}
        >>> first_exploding(Probe("learning-rate", numbers={"best": 0.1}, series=series, texts=texts))
        1.0
    """
    best = probe.numbers.get("best", math.inf)
    return min((rate for rate in rates_that("explodes", probe) if rate > best), default=None)

"""Which modules the steps reached, over all looks at it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from babysit.measure.record import Coverage, RunRecord
from babysit.rules._passes import base


def after_first(run: RunRecord) -> Sequence[Coverage]:
    """The looks after step 0, at which not every optimizer has stepped, nor every gradient been made."""
    return [record for record in run.coverage if record.step > 0]


def mostly(records: Sequence[Iterable[str]], share: float) -> list[str]:
    """What is in at least that share of the records, in the order first seen.

    Example:
        >>> mostly([("a", "b"), ("a",), ("a", "c")], 0.9)
        ['a']
    """
    counts = Counter(name for record in records for name in dict.fromkeys(record))
    return [name for name, count in counts.items() if count >= share * len(records)]


def is_unregistered(module: str) -> bool:
    """Whether this is a parameter that no module has, which has a number for its name.

    Example:
        >>> is_unregistered("parameter 3"), is_unregistered("parameter")
        (True, False)
    """
    return re.fullmatch(r"parameter \d+", module) is not None


def with_gradient(run: RunRecord) -> set[str]:
    """Modules whose weights got a gradient at any sampled step, of whichever optimizer."""
    return {base(layer.module) for step in run.steps for layer in step.layers if layer.gradient_norm is not None}


def moved(run: RunRecord) -> bool:
    """Whether any step changed any weight; true as well where none was measured."""
    norms = [layer.update_norm for step in run.steps for layer in step.layers if layer.update_norm is not None]
    return not norms or any(norm > 0 or math.isnan(norm) for norm in norms)


def trains_nothing(records: Sequence[Coverage]) -> bool:
    """Whether no parameter of an optimizer ever had a gradient."""
    return bool(records) and not any(record.trained for record in records)

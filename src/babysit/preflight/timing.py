"""How long something takes, when nothing disturbs it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


def quickest(action: Callable[[], object], times: int, *, enough: float = math.inf) -> float:
    """Seconds of an action, the shortest of a few: the first may have to make things ready.

    Args:
        action: What is timed.
        times: It is done.
        enough: Seconds; once it has taken so long, it is not done again.

    Example:
        >>> quickest(lambda: time.sleep(0.01), 2) >= 0.01
        True
        >>> done = []
        >>> quickest(lambda: done.append(time.sleep(0.01)), 2, enough=0.005) >= 0.01, len(done)
        (True, 1)
    """
    found = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
        if found[-1] > enough:
            break
    return min(found)

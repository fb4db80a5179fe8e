"""How long something takes, when nothing disturbs it."""

from __future__ import annotations

import time
from collections.abc import Callable


def quickest(action: Callable[[], object], times: int) -> float:
    """Seconds of an action, the shortest of a few: the first may have to make things ready.

    Args:
        action: What is timed.
        times: It is done.

    Example:
        >>> quickest(lambda: time.sleep(0.01), 2) >= 0.01
        True
    """
    found = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return min(found)

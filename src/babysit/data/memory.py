"""How much memory there is to be had."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def available_memory() -> float:
    """Bytes of memory that can be had without swapping, what a cache of files holds included.

    Where the system names no such number it is half of all memory, and infinite where it does not say that either.

    Example:
        >>> available_memory() > 0
        True
    """
    with suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):  # Windows has no sysconf
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        if pages > 0 and size > 0:
            return pages * size // 2
    return math.inf

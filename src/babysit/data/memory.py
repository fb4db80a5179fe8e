"""How much memory there is to be had."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MEMINFO = Path("/proc/meminfo")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")

_UNLIMITED = 1 << 60
"""Version 1 writes the largest number of whole pages where there is no limit."""


@dataclass(frozen=True)
class _Files:
    """How a version of control groups names what it keeps.

    Attributes:
        limit: Bytes, or ``max``.
        used: Bytes, what a cache of files holds included.
        cache: The line of ``memory.stat`` that counts the part of that cache which is given up first.
    """

    limit: str
    used: str
    cache: str


_FIRST = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_SECOND = _Files("memory.max", "memory.current", "inactive_file")


def available_memory() -> float:
    """Bytes of memory that can be had without swapping, what a cache of files holds included.

    The least of what the system has and of what the limits of containers leave: a process belongs to a control group,
    which lies in others, and each of them may have a limit. Where the system names no such number it is half of all
    memory, and infinite where it does not say that either.

    Example:
        >>> available_memory() > 0
        True
    """
    return min(_of_the_system(), *_left_by_limits(), math.inf)


def _of_the_system() -> float:
    with suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):  # Windows has no sysconf
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        if pages > 0 and size > 0:
            return pages * size // 2
    return math.inf


def _left_by_limits() -> Iterator[float]:
    """What each control group that has a limit leaves of it."""
    with suppress(OSError, ValueError):
        for line in OWN_CGROUPS.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                for root in (CGROUPS, CGROUPS / "unified"):
                    yield from _left_along(root, path, _SECOND)
            elif "memory" in controllers.split(","):
                yield from _left_along(CGROUPS / "memory", path, _FIRST)


def _left_along(root: Path, path: str, files: _Files) -> Iterator[float]:
    """Likewise of a group and of those that it lies in.

    A container sees its own group as the root, with or without the path that the machine knows it by.
    """
    parts = PurePosixPath(path).parts[1:]
    for depth in range(0 if ".." in parts else len(parts), -1, -1):
        with suppress(OSError, ValueError):
            yield _left(root.joinpath(*parts[:depth]), files)


def _left(group: Path, files: _Files) -> float:
    """The limit minus what is used and cannot be given up.

    Raises:
        OSError: There is no such group, or it has no limit, as that of the whole machine.
        ValueError: What is there is no number.
    """
    limit = (group / files.limit).read_text(encoding="ascii").strip()
    if limit == "max" or int(limit) >= _UNLIMITED:
        return math.inf
    used = int((group / files.used).read_text(encoding="ascii"))
    return float(max(0, int(limit) - max(0, used - _cached(group, files))))


def _cached(group: Path, files: _Files) -> int:
    with suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == files.cache:
                return int(value)
    return 0

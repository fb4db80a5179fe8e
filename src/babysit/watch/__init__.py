"""Watching a training that is not one's own: attaching to it, measuring, and saying what is wrong.

Nothing here imports torch before it is needed: a script that is watched may want to set its environment first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from babysit._callable import make_callable
from babysit.watch.api import watch as watch

if TYPE_CHECKING:
    from babysit.watch.monitor import Monitor as Monitor

__all__ = ["Monitor", "watch"]

make_callable(__name__, watch)


def __getattr__(name: str) -> Any:
    if name != "Monitor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from babysit.watch.monitor import Monitor

    return Monitor

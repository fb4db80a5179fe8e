"""SIGINT and SIGTERM end a run between two steps of training, where everything can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from babysit.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turns signals into :class:`Interrupted`: at once, or at the next :meth:`check` where that is asked for.

    Example:
        >>> with Interrupts() as interrupts:
        ...     with interrupts.deferred():
        ...         interrupts.check()  # raises here, not in the middle of an update
    """

    def __init__(self) -> None:
        self._received = 0
        self._deferring = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave, it takes back
        self._before = {}

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside the block a signal waits for the next :meth:`check`; a second one does not wait."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def check(self) -> None:
        """Raise if a signal has come.

        Raises:
            Interrupted: One has.
        """
        if self._received:
            raise Interrupted(self._received)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        again, self._received = bool(self._received), number
        if again or not self._deferring:
            raise Interrupted(number)

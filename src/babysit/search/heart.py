"""A sign of life beside the training."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Heart:
    """Beats in a thread, for as long as its process lives.

    Args:
        beat: Called again and again; must not raise.
        seconds: Between two beats.

    Example:
        >>> beaten = threading.Event()
        >>> heart = Heart(beaten.set, 0.001)
        >>> heart.start()
        >>> beaten.wait()
        True
        >>> heart.stop()
    """

    def __init__(self, beat: Callable[[], None], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="babysit-lease", daemon=True)

    def start(self) -> None:
        """Begin to beat, once."""
        if not self._stopped.is_set() and self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._beat()

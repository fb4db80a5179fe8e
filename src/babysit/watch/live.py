"""One line on the terminal that follows a training, below what the script itself prints and never mixed with it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

_SECONDS = 0.1
_NEVER = float("inf")
_ERASE = b"\r\x1b[K"
_BOLD, _ALARM, _PLAIN = "\x1b[1m", "\x1b[33m", "\x1b[0m"
_USUAL_WIDTH = 80
# a new line has begun, perhaps in another colour
_LINE_BEGUN = re.compile(rb"\n(\x1b\[[0-9;]*m)*\Z")
_TAIL = 64


class LiveLine:
    """A line under the script's output, drawn at most ten times a second; nothing at all without a terminal.

    While it is open, `sys.stdout` and `sys.stderr` are streams of the same kind that take the line away before
    anything is written to the terminal. It is drawn only where the script's output stands at the beginning of a line.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()  # a signal handler may print in the middle of a drawing
        self._process = os.getpid()
        self._screen = _screen()
        self._due = _NEVER if self._screen is None else 0.0
        self._streams = [] if self._screen is None else [_Stream.follow(name, self) for name in ("stdout", "stderr")]
        self._speed = _Speed()
        self._text = b""
        self._shown = False
        self._line_begun = True
        self._asking = False

    @property
    def active(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self._due < _NEVER

    @property
    def _is_forked(self) -> bool:
        """Whether this is a forked child, which has no line: what it prints goes the usual way."""
        return os.getpid() != self._process

    def update(self, step: int, loss: float, findings: Iterable[str]) -> None:
        """Say how far the training is; where it is not time to draw, this costs one look at the clock.

        Args:
            step: Steps taken.
            loss: Of the last one.
            findings: Codes found so far.
        """
        now = self._clock()
        if now < self._due or self._is_forked:
            return
        with self._lock:
            if self.active:
                self._text = _render(step, loss, self._speed.at(step, now), findings, _width(self._screen))
                self._draw(now)

    def close(self) -> None:
        """Take the line away, and give the streams back."""
        if self._is_forked:
            return
        with self._lock:
            self._erase()
            self._due = _NEVER
            for stream in filter(None, self._streams):
                stream.give_back()
            self._streams = []

    def write(self, descriptor: int, data: Any) -> int | None:
        """Write what the script prints, with the line out of its way; gives what a raw stream's `write` does."""
        if self._is_forked:
            return _write(descriptor, data)
        with self._lock:
            asking, self._asking = self._asking, False
            self._erase()
            count = _write(descriptor, data)
            if count:
                self._line_begun = bool(_LINE_BEGUN.search(data[max(0, count - _TAIL) : count]))
            now = self._clock()
            if self._text and now >= self._due and not asking:
                self._draw(now)
            return count

    def flushed(self, name: str) -> None:
        """Take the line away before a prompt, which is written past the streams: `input` flushes one and the other.

        Args:
            name: The stream, `stderr` or `stdout`.
        """
        if self._is_forked:
            return
        with self._lock:
            if self._asking and name == "stdout":
                self._erase()
            self._asking = name == "stderr"

    def _draw(self, now: float) -> None:
        self._due = now + _SECONDS
        if self._line_begun:
            self._shown = True
            self._put(_ERASE + self._text)

    def _erase(self) -> None:
        if self._shown:
            self._shown = False
            self._put(_ERASE)

    def _put(self, data: bytes) -> None:
        try:
            if self._screen is not None:
                os.write(self._screen, data)
        except OSError:  # the terminal has gone
            self._due = _NEVER


class _Speed:
    """Steps a second, smoothed."""

    def __init__(self) -> None:
        self._step, self._time, self._speed = 0, _NEVER, 0.0

    def at(self, step: int, now: float) -> float:
        """The speed so far; 0 where it is not known yet."""
        if step > self._step and now > self._time:
            fresh = (step - self._step) / (now - self._time)
            self._speed = 0.7 * self._speed + 0.3 * fresh if self._speed else fresh
        self._step, self._time = step, now
        return self._speed


class _Raw(io.RawIOBase):
    """The end of a stream: what arrives here goes to the terminal at once."""

    def __init__(self, descriptor: int, name: Any, line: LiveLine) -> None:
        super().__init__()
        self.name = name
        self.mode = "wb"
        self._descriptor = descriptor
        self._line = line

    def write(self, data: Any, /) -> int | None:
        return self._line.write(self._descriptor, data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


class _Stream(io.TextIOWrapper):
    """Takes the place of `sys.stdout` or `sys.stderr`, and behaves as it does."""

    _place: tuple[str, io.TextIOWrapper] | None = None
    _line: LiveLine

    @classmethod
    def follow(cls, name: str, line: LiveLine) -> _Stream | None:
        """Take the place, where that is a terminal's."""
        original = getattr(sys, name)
        if not isinstance(original, io.TextIOWrapper) or not _is_terminal(original):
            return None
        original.flush()
        raw = _Raw(original.fileno(), original.name, line)
        stream = cls(
            raw if isinstance(original.buffer, io.RawIOBase) else io.BufferedWriter(raw),
            original.encoding,
            original.errors,
            newline="\n",
            line_buffering=original.line_buffering,
            write_through=original.write_through,
        )
        vars(stream).update(vars(original))
        stream._line = line
        stream._place = (name, original)
        setattr(sys, name, stream)
        return stream

    def flush(self) -> None:
        super().flush()
        if self._place is not None:
            self._line.flushed(self._place[0])

    def give_back(self) -> None:
        """Let the original be in its place again, unless somebody else has taken it."""
        if self._place is None:
            return
        (name, original), self._place = self._place, None
        self.flush()
        if getattr(sys, name) is self:
            original.reconfigure(
                encoding=self.encoding,
                errors=self.errors,
                line_buffering=self.line_buffering,
                write_through=self.write_through,
            )
            setattr(sys, name, original)


def _screen() -> int | None:
    """The terminal that standard error is on."""
    stream = sys.stderr
    if not isinstance(stream, io.TextIOWrapper) or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return None
    return stream.fileno() if _is_terminal(stream) else None


def _is_terminal(stream: io.TextIOWrapper) -> bool:
    try:
        return stream.isatty() and os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False


def _width(screen: int | None) -> int:
    with contextlib.suppress(OSError):
        return os.get_terminal_size(screen or 2).columns or _USUAL_WIDTH
    return _USUAL_WIDTH


def _render(step: int, loss: float, speed: float, findings: Iterable[str], columns: int) -> bytes:
    """The line, cut where the terminal would begin a second one."""
    rate = f"{speed:,.0f}" if speed >= 100 else f"{speed:.3g}"
    parts = [f"step {step:,}", f"loss {loss:.4g}", *([f"{rate} steps/s"] if speed else [])]
    codes = list(dict.fromkeys(findings))
    said = "babysit: " + ", ".join(parts)
    alarm = f", {len(codes)} finding{'' if len(codes) == 1 else 's'}: {' '.join(codes)}" if codes else ""
    said = said[: max(0, columns - 1)]
    alarm = alarm[: max(0, columns - 1 - len(said))]
    if not os.environ.get("NO_COLOR"):
        said = f"{_BOLD}{said}{_PLAIN}"
        alarm = f"{_ALARM}{alarm}{_PLAIN}" if alarm else ""
    return (said + alarm).encode("ascii", "replace")


def _write(descriptor: int, data: Any) -> int | None:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return None

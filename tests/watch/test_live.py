"""The live line on a pseudo-terminal, read by a terminal that knows the little that is needed."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from babysit.watch.live import LiveLine

TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|[\r\n]|[^\x1b\r\n]+|\x1b")


class Terminal:
    """A pseudo-terminal and the screen behind it, as a list of lines."""

    def __init__(self, columns: int = 80) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, columns))
        self.columns = columns
        self.lines = [""]
        self.column = 0
        self.raw = ""
        self.take: Callable[[], None] = lambda: None
        self.drawn: list[LiveLine] = []

    def stream(self, **options: object) -> io.TextIOWrapper:
        file = io.FileIO(self.slave, "w", closefd=False)
        stream = io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", newline="\n", line_buffering=True)
        vars(stream)["mode"] = "w"
        return stream

    def screen(self) -> list[str]:
        """The lines that are there now, but for empty ones at the end."""
        while select.select([self.master], [], [], 0.05)[0]:
            try:
                data = os.read(self.master, 65536).decode()
            except OSError:  # everybody else has closed it
                break
            if not data:
                break
            self._show(data)
        lines = [line.rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _show(self, data: str) -> None:
        self.raw += data
        for match in TOKEN.finditer(data):
            text, number, command = match[0], match[1], match[2]
            if command == "K":
                assert number in ("", "0")
                self.lines[-1] = self.lines[-1][: self.column]
            elif command is not None:
                assert command == "m", f"unknown {text!r}"
            elif text == "\r":
                self.column = 0
            elif text == "\n":  # the terminal has made \r\n of it
                self.lines.append("")
            else:
                for character in text:
                    self._put(character)

    def _put(self, character: str) -> None:
        if self.column == self.columns:
            self.lines.append("")
            self.column = 0
        line = self.lines[-1].ljust(self.column)
        self.lines[-1] = line[: self.column] + character + line[self.column + 1 :]
        self.column += 1

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


class Clock:
    """A clock that is moved by hand, and counts how often it was read."""

    def __init__(self) -> None:
        self.now = 100.0
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal for the test to take; only then, as pytest has its own streams in place when a test begins."""
    terminal = Terminal()

    def take() -> None:
        monkeypatch.setattr(sys, "stdout", terminal.stream())
        monkeypatch.setattr(sys, "stderr", terminal.stream())

    terminal.take = take
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield terminal
    for line in terminal.drawn:
        line.close()
    monkeypatch.undo()
    terminal.close()


@pytest.fixture
def draw(terminal: Terminal, clock: Clock) -> Callable[[], LiveLine]:
    """Make standard output and standard error of the test a terminal, and draw on it."""

    def draw() -> LiveLine:
        terminal.take()
        line = LiveLine(clock)
        terminal.drawn.append(line)
        return line

    return draw


def test_it_follows_the_training(terminal: Terminal, clock: Clock, draw: Callable[[], LiveLine]) -> None:
    line = draw()
    line.update(1, 2.302585, [])  # no speed is known yet
    assert terminal.screen() == ["babysit: step 1, loss 2.303"]
    clock.now += 2
    line.update(1001, 0.5, ["LOS003"])
    assert terminal.screen() == ["babysit: step 1,001, loss 0.5, 500 steps/s, 1 finding: LOS003"]
    clock.now += 2
    line.update(2001, float("nan"), ("LOS003", "ACT001", "LOS003"))
    assert terminal.screen() == ["babysit: step 2,001, loss nan, 500 steps/s, 2 findings: LOS003 ACT001"]
    clock.now += 2
    line.update(12001, 0.25, [])
    assert terminal.screen() == ["babysit: step 12,001, loss 0.25, 1,850 steps/s"]
    line.close()
    assert terminal.screen() == []


def test_it_draws_ten_times_a_second_and_costs_one_look_at_the_clock_else(
    terminal: Terminal, clock: Clock, draw: Callable[[], LiveLine]
) -> None:
    line = draw()
    line.update(0, 1.0, [])
    readings = clock.readings
    for step in range(1, 1001):
        clock.now += 0.001
        line.update(step, 1.0, [])
    assert clock.readings == readings + 1000
    terminal.screen()
    assert 10 <= terminal.raw.count("babysit") <= 11


def test_what_the_script_prints_never_mixes_with_it(
    terminal: Terminal, clock: Clock, draw: Callable[[], LiveLine]
) -> None:
    line = draw()
    line.update(1, 1.0, [])
    print("epoch 1")
    assert terminal.screen() == ["epoch 1"]
    clock.now += 1
    line.update(2, 1.0, [])
    assert terminal.screen() == ["epoch 1", "babysit: step 2, loss 1, 1 steps/s"]
    clock.now += 1
    print("careful", file=sys.stderr)
    assert terminal.screen() == ["epoch 1", "careful", "babysit: step 2, loss 1, 1 steps/s"]
    clock.now += 1
    sys.stdout.buffer.write(b"bytes\n")
    sys.stdout.flush()
    assert terminal.screen()[:3] == ["epoch 1", "careful", "bytes"]
    line.close()
    print("the end")
    assert terminal.screen() == ["epoch 1", "careful", "bytes", "the end"]


def test_a_line_the_script_has_not_ended_is_left_alone(
    terminal: Terminal, clock: Clock, draw: Callable[[], LiveLine]
) -> None:
    line = draw()
    line.update(1, 1.0, [])
    print("loading ... ", end="", flush=True)
    for _ in range(3):
        clock.now += 1
        line.update(2, 1.0, [])
        assert terminal.screen() == ["loading ..."]
    for share in (10, 50, 100):  # a progress bar
        print(f"\rloading {share} %", end="", file=sys.stderr, flush=True)
        clock.now += 1
        line.update(3, 1.0, [])
        assert terminal.screen() == [f"loading {share} %"]
    print("\x1b[32m\ndone\n\x1b[0m", end="", flush=True)
    clock.now += 1
    line.update(4, 1.0, [])
    assert terminal.screen()[:2] == ["loading 100 %", "done"]
    assert "step 4" in terminal.screen()[2]


def test_a_prompt_is_not_mixed_with_it(terminal: Terminal, clock: Clock, draw: Callable[[], LiveLine]) -> None:
    line = draw()
    line.update(1, 1.0, [])
    sys.stderr.flush()  # as `input` does
    sys.stdout.flush()
    os.write(terminal.slave, b"name? ")
    assert terminal.screen() == ["name?"]


def test_it_stays_within_the_width_of_the_terminal(
    terminal: Terminal, clock: Clock, draw: Callable[[], LiveLine]
) -> None:
    line = draw()
    termios.tcsetwinsize(terminal.slave, (24, 30))
    terminal.columns = 30
    for step in range(5):
        clock.now += 1
        line.update(step, 1.0, ["LOS001", "LOS002", "LOS003"])
    assert len(terminal.screen()) == 1
    assert len(terminal.screen()[0]) <= 29


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("1", False)])
def test_colour(
    terminal: Terminal, draw: Callable[[], LiveLine], monkeypatch: pytest.MonkeyPatch, variable: str, coloured: bool
) -> None:
    line = draw()
    monkeypatch.setenv("NO_COLOR", variable)
    line.update(1, 1.0, ["LOS001"])
    terminal.screen()
    assert ("\x1b[33m" in terminal.raw) is coloured


def test_the_streams_are_of_the_same_kind_and_given_back(terminal: Terminal, clock: Clock) -> None:
    terminal.take()
    before = sys.stdout, sys.stderr
    line = LiveLine(clock)
    assert line.active
    for now, then in zip((sys.stdout, sys.stderr), before, strict=True):
        assert now is not then
        assert isinstance(now, io.TextIOWrapper)
        assert isinstance(now.buffer, io.BufferedWriter)
        assert (now.encoding, now.errors, now.isatty(), now.fileno()) == (
            then.encoding,
            then.errors,
            True,
            then.fileno(),
        )
        assert (now.line_buffering, now.write_through, now.mode, now.name) == (True, False, then.mode, then.name)
        assert (now.readable(), now.writable(), now.seekable()) == (False, True, False)
    sys.stdout.reconfigure(encoding="latin-1", line_buffering=False)
    print("é", end="")
    line.close()
    line.close()
    assert (sys.stdout, sys.stderr) == before
    assert (sys.stdout.encoding, sys.stdout.line_buffering) == ("latin-1", False)
    assert os.read(terminal.master, 10) == b"\xe9"


def test_a_stream_that_somebody_else_has_replaced_is_left_alone(terminal: Terminal, clock: Clock) -> None:
    terminal.take()
    line = LiveLine(clock)
    kept = sys.stdout
    sys.stdout = io.StringIO()
    mine = sys.stdout
    line.update(1, 1.0, [])
    line.close()
    assert sys.stdout is mine
    kept.write("still works\n")
    assert terminal.screen() == ["still works"]


def test_a_handler_that_logs_after_the_end(terminal: Terminal, clock: Clock) -> None:
    terminal.take()
    line = LiveLine(clock)
    handler = sys.stderr
    line.update(1, 1.0, [])
    line.close()
    clock.now += 1
    handler.write("late\n")
    line.update(2, 1.0, [])
    assert terminal.screen() == ["late"]


def test_unbuffered_streams(terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.take()
    raw = io.FileIO(terminal.slave, "w", closefd=False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=True))  # type: ignore[arg-type]
    line = LiveLine(clock)
    assert isinstance(sys.stdout.buffer, io.RawIOBase)
    line.update(1, 1.0, [])
    sys.stdout.write("a\n")
    assert terminal.screen() == ["a"]
    line.close()


@pytest.mark.parametrize("name", ["", "dumb", "unknown"])
def test_a_terminal_that_can_do_nothing(
    terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    terminal.take()
    monkeypatch.setenv("TERM", name)
    before = sys.stdout
    line = LiveLine(clock)
    line.update(1, 1.0, [])
    assert not line.active
    assert sys.stdout is before
    assert terminal.screen() == []


@pytest.mark.parametrize("what", ["a pipe", "no stream", "a closed stream", "memory"])
def test_no_terminal_no_line(
    terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    terminal.take()
    with (tmp_path / "errors").open("w") as file:
        closed = terminal.stream()
        closed.close()
        stream = {"a pipe": file, "no stream": None, "a closed stream": closed, "memory": io.StringIO()}[what]
        monkeypatch.setattr(sys, "stderr", stream)
        before = sys.stdout, sys.stderr
        line = LiveLine(clock)
        assert not line.active
        line.update(1, 1.0, [])
        assert (sys.stdout, sys.stderr) == before
        line.close()
    assert terminal.screen() == []


def test_output_that_goes_to_a_file_is_untouched(
    terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    terminal.take()
    with (tmp_path / "output").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        line = LiveLine(clock)
        assert sys.stdout is file
        line.update(1, 1.0, [])
        print("to the file")
        assert terminal.screen() == ["babysit: step 1, loss 1"]
        line.close()
        assert sys.stdout is file
    assert (tmp_path / "output").read_text() == "to the file\n"


def test_a_terminal_that_goes_away(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", terminal.stream())
    line = LiveLine(clock)
    os.close(terminal.master)
    line.update(1, 1.0, [])
    assert not line.active
    line.close()
    monkeypatch.undo()
    os.close(terminal.slave)


def test_threads_print_while_it_is_drawn(terminal: Terminal) -> None:
    terminal.take()
    line = LiveLine(lambda: time.monotonic() * 1000)  # a hundred times as many drawings
    output = sys.stdout
    threads = [
        threading.Thread(target=lambda name=name: [output.write(f"{name}{i}\n") for i in range(50)]) for name in "ab"
    ]
    for thread in threads:
        thread.start()
    for step in range(200):
        line.update(step, 1.0, [])
    for thread in threads:
        thread.join()
    line.close()
    assert sorted(terminal.screen()) == sorted(f"{name}{i}" for name in "ab" for i in range(50))


def test_a_forked_child_prints_as_if_there_was_no_line(terminal: Terminal, clock: Clock) -> None:
    terminal.take()
    line = LiveLine(clock)
    print("before")
    child = os.fork()
    if child == 0:
        try:
            clock.now += 1
            line.update(5, 1.0, [])
            print("in the child")
            sys.stdout.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert terminal.screen() == ["before", "in the child"]
    line.close()


def test_a_signal_handler_prints_in_the_middle_of_a_drawing(terminal: Terminal, clock: Clock) -> None:
    terminal.take()
    line = LiveLine(clock)

    class Codes(list[str]):
        def __iter__(self) -> Iterator[str]:
            print("from a handler")
            return iter(())

    line.update(1, 1.0, Codes())
    assert terminal.screen() == ["from a handler", "babysit: step 1, loss 1"]
    line.close()


def test_a_script_that_asks_on_a_real_terminal(tmp_path: Path) -> None:
    script = tmp_path / "ask.py"
    script.write_text(
        "import sys\n"
        "from babysit.watch.live import LiveLine\n"
        "line = LiveLine()\n"
        "line.update(1, 1.0, [])\n"
        "name = input('name? ')\n"
        "print('hello', name)\n"
        "line.close()\n"
        "sys.exit(not line._screen)\n"
    )
    terminal = Terminal()
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while "name?" not in "".join(terminal.screen()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.write(terminal.master, b"Ada\n")
    assert process.wait(60) == 0
    assert terminal.screen() == ["name? Ada", "hello Ada"]
    terminal.close()

from __future__ import annotations

import os
import signal
import threading

import pytest

from babysit.errors import Interrupted
from babysit.fit.interrupts import Interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_at_once(number: int) -> None:
    with Interrupts(), pytest.raises(Interrupted) as raised:
        send(number)
    assert raised.value.signal_number == number


@pytest.mark.parametrize("number", SIGNALS)
def test_a_deferred_signal_waits_for_the_check(number: int) -> None:
    with Interrupts() as interrupts, interrupts.deferred():
        interrupts.check()
        send(number)
        reached = True
        with pytest.raises(Interrupted) as raised:
            interrupts.check()
    assert reached
    assert raised.value.signal_number == number


def test_a_second_signal_does_not_wait() -> None:
    with Interrupts() as interrupts, interrupts.deferred():
        send(signal.SIGTERM)
        with pytest.raises(Interrupted) as raised:
            send(signal.SIGINT)
    assert raised.value.signal_number == signal.SIGINT


def test_after_the_deferring_block_signals_raise_at_once_again() -> None:
    with Interrupts() as interrupts:
        with interrupts.deferred():
            pass
        with pytest.raises(Interrupted):
            send(signal.SIGINT)


def test_a_signal_that_waited_is_still_there_after_the_block() -> None:
    with Interrupts() as interrupts:
        with interrupts.deferred():
            send(signal.SIGINT)
        with pytest.raises(Interrupted):
            interrupts.check()


def test_handlers_are_as_before_afterwards() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        with pytest.raises(Interrupted), Interrupts():
            send(signal.SIGTERM)
        assert heard == []
        send(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_it_changes_no_handler() -> None:
    seen: list[object] = []

    def work() -> None:
        with Interrupts() as interrupts, interrupts.deferred():
            interrupts.check()
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]

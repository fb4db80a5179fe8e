"""How many threads: small products are faster on one, by far where the machine has other things to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from babysit.preflight.isolation import isolated
from babysit.preflight.subject import Subject
from babysit.preflight.timing import quickest

_TIMES = 3
_GAIN = 0.8
_SLOW = 0.2
"""Seconds of a step that is timed once: what the first one may have to make ready counts for little then."""


@contextmanager
def fewest_threads(subject: Subject) -> Iterator[None]:
    """One thread within the block, unless several are faster by a fifth; afterwards as many as before."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    try:
        # a step that cannot be taken is told of where it is taken for the trial
        with contextlib.suppress(Exception):
            torch.set_num_threads(_fewest(subject, before))
        yield
    finally:
        torch.set_num_threads(before)


def _fewest(subject: Subject, several: int) -> int:
    """One, or as many as there are where these are faster."""
    seconds = _step(subject)
    torch.set_num_threads(1)
    return several if seconds < _GAIN * _step(subject) else 1


def _step(subject: Subject) -> float:
    """Seconds of a forward and a backward pass, the shortest of a few."""
    with isolated(subject.model) as model:

        def step() -> None:
            subject.loss(model, subject.batch).backward()  # type: ignore[no-untyped-call]  # torch does not annotate it

        return quickest(step, _TIMES, enough=_SLOW)

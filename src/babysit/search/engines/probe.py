"""How fast an engine is here: a few steps of real trials, timed."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from babysit.errors import Interrupted
from babysit.search.engines._base import Between, Engine
from babysit.search.states import MemoryStates, States
from babysit.search.trials import TrialSpec

WARM_UP = 2
"""Steps before the clock starts: the first ones allocate and choose kernels."""
SECONDS = 0.12
"""What is timed of a candidate in one go; long enough for a few steps, short enough to be forgotten."""
STEPS = 3
"""Steps that are timed at least."""
ROUNDS = 3
"""How often all candidates are timed, one after the other; the median counts, as the machine may be busy."""
TOGETHER = 2
"""Trials that a stack is tried with first, as a step of all of them may take many seconds."""
PER_STEP = 0.05
"""Seconds that a step may take beside the work of its trials: Python, and what is prepared anew (heuristic)."""
HOPELESS = 2.0
"""How many times a trial's own step its work in a stack may take; no width makes up for more."""
WORTH_IT = 1.05
"""An engine replaces the single one from this many times its speed."""

MakeEngine = Callable[[States, Between], Engine]


@dataclass(frozen=True)
class Candidate:
    """An engine that may be chosen.

    Attributes:
        name: The engine's.
        width: Trials it takes together at most.
        make: Makes it.
    """

    name: str
    width: int
    make: MakeEngine

    @property
    def label(self) -> str:
        """As it is printed."""
        return self.name if self.width == 1 else f"{self.name} × {self.width}"


@dataclass(frozen=True)
class Speed:
    """What a candidate was measured at.

    Attributes:
        candidate: Which.
        steps_per_second: Trial-steps a second of one process; 0 where it cannot take the trials.
        notes: Why it cannot.
    """

    candidate: Candidate
    steps_per_second: float
    notes: tuple[str, ...] = ()


class _Enough(Interrupted):
    """The clock has been read; not a signal, but to be passed on like one."""

    def __init__(self) -> None:
        super().__init__(0)


class _Clock:
    """Counts trial-steps after the first few, and ends the training when there are enough."""

    def __init__(self) -> None:
        self.restart()

    def restart(self, warm_up: int = WARM_UP, steps: int = STEPS, seconds: float = SECONDS) -> None:
        """Forget what was counted.

        Args:
            warm_up: Steps that are not timed.
            steps: Those that are, at least.
            seconds: That these take, at least.
        """
        self._wanted = warm_up, steps, seconds
        self._calls = 0
        self._began = 0.0
        self.together = 0
        self.steps = 0
        self.seconds = 0.0

    def __call__(self, trials: int) -> None:
        now = time.perf_counter()
        self._calls += 1
        self.together = max(self.together, trials)
        warm_up, steps, seconds = self._wanted
        if self._calls <= warm_up:
            self._began = now
            return
        self.steps += trials
        self.seconds = now - self._began
        if self.seconds >= seconds and self._calls >= warm_up + steps:
            raise _Enough


def measure(candidates: Sequence[Candidate], trials: Sequence[TrialSpec], rounds: int = ROUNDS) -> list[Speed]:
    """Trial-steps a second of each candidate, measured side by side.

    Args:
        candidates: The single engine and others.
        trials: Like those of the search; nothing of them is kept.
        rounds: How often each is measured; the median counts.
    """
    clocks = [_Clock() for _ in candidates]
    probes = [_Probe(candidate, clock, trials) for candidate, clock in zip(candidates, clocks, strict=True)]
    probes[0].measure()
    scouted: dict[str, str] = {}
    for probe, candidate in zip(probes[1:], candidates[1:], strict=True):
        if candidate.name not in scouted:
            scouted[candidate.name] = probe.scout(probes[0].speed().steps_per_second)
        probe.leave_out(scouted[candidate.name])
        probe.measure()
    for _ in range(rounds - 1):
        for probe in probes:
            probe.measure()
    return [probe.speed() for probe in probes]


class _Probe:
    """One candidate and what it was measured at."""

    def __init__(self, candidate: Candidate, clock: _Clock, trials: Sequence[TrialSpec]) -> None:
        self._candidate = candidate
        self._clock = clock
        self._engine = candidate.make(MemoryStates(), clock)
        self._group = max(self._engine.groups(trials), key=len)
        self._rates: list[float] = []
        self._left_out = ""
        self._alone = candidate.width > 1 and len(self._group) == 1

    def scout(self, single: float) -> str:
        """Why there is no need to measure a stack, told by a step of a few of its trials; ``""`` where there is one.

        Args:
            single: Trial-steps a second of the single engine.
        """
        if self._alone or len(self._group) < TOGETHER or not single:
            return ""
        self._clock.restart(warm_up=1, steps=1, seconds=0.0)
        group = self._group[:TOGETHER]
        with contextlib.suppress(_Enough):
            self._engine.train(group, group[0].epochs)
        own = (self._clock.seconds - PER_STEP) / TOGETHER
        if self._clock.together == 1:
            return f"{TOGETHER} that were tried together were trained alone"
        if self._clock.together < TOGETHER or own * single <= HOPELESS:
            return ""
        return f"each of {TOGETHER} trials together takes {own * single:.1f} times as long as alone"

    def leave_out(self, why: str) -> None:
        """Do not measure it, for a reason."""
        self._left_out = why

    def measure(self) -> None:
        """Train for a moment."""
        if self._alone or self._left_out or 0.0 in self._rates:
            return
        clock, group = self._clock, self._group
        clock.restart()
        with contextlib.suppress(_Enough):
            # again and again where trials end, or diverge, before there is enough to time
            for _ in range(WARM_UP + STEPS):
                self._engine.train(group, group[0].epochs)
        self._rates.append(clock.steps / clock.seconds if clock.seconds else 0.0)
        # what was tried together and found to differ has been trained alone; that is the single engine's speed
        self._alone = self._candidate.width > 1 and clock.together == 1

    def speed(self) -> Speed:
        """The median of what was measured."""
        notes = tuple(self._engine.notes)
        if self._left_out:
            return Speed(self._candidate, 0.0, (*notes, self._left_out))
        if self._alone:
            return Speed(self._candidate, 0.0, notes or ("it takes these trials one at a time",))
        return Speed(self._candidate, statistics.median(self._rates), notes)


def fastest(speeds: Sequence[Speed]) -> Speed:
    """The fastest candidate; the first one, the single engine, unless another is clearly faster."""
    first = speeds[0]
    best = max(speeds, key=lambda speed: speed.steps_per_second)
    return best if best.steps_per_second >= WORTH_IT * first.steps_per_second else first


def explain(speeds: Sequence[Speed], chosen: Speed) -> str:
    """Why an engine was chosen, in one line for a person."""
    measured = ", ".join(
        f"{speed.candidate.label} {speed.steps_per_second:,.0f}" for speed in speeds if speed.steps_per_second
    )
    if not measured:
        return f"engine {chosen.candidate.label}: no trial came far enough to be timed"
    ratio = chosen.steps_per_second / speeds[0].steps_per_second if speeds[0].steps_per_second else 1.0
    why = "none is faster" if chosen is speeds[0] else f"{ratio:.1f} × the speed of single"
    return f"engine {chosen.candidate.label}: {why} (trial-steps/s of one core: {measured})"

"""Runs experiments side by side, a process a core with one thread each, and draws their pictures there."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import torch

from babysit.errors import told
from babysit.lab.drawing import Picture, can_draw, render
from babysit.lab.measures import Measure
from babysit.lab.section import Bench, Claim, Verdict
from babysit.rules import Finding

LONG = 60.0
"""Seconds from which an experiment is begun before all others, so that none is left alone at the end."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Row:
    """A claim beside what was measured.

    Attributes:
        id: Of the claim.
        says: The claim in short.
        expected: What the measurement should show, in words.
        verdict: What came of it.
        measures: The measured numbers, the decisive one first.
        pictures: Drawn.
        findings: What the rules said about the trainings of the experiment.
        remark: Why the verdict is what it is, or what a reader has to know; ``""`` where the numbers say it all.
        seconds: How long it took.
    """

    id: str
    says: str
    expected: str
    verdict: Verdict
    measures: tuple[Measure, ...] = ()
    pictures: tuple[Picture, ...] = ()
    findings: tuple[Finding, ...] = ()
    remark: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object, its pictures by their files."""
        return {
            "id": self.id,
            "section": self.id[0],
            "claim": self.says,
            "expected": self.expected,
            "verdict": self.verdict,
            "holds": self.verdict is not Verdict.FAILS and self.verdict is not Verdict.BROKEN,
            "measured": [measure.to_json() for measure in self.measures],
            "remark": self.remark,
            "findings": [finding.to_json() for finding in self.findings],
            "pictures": [picture.to_json() for picture in self.pictures],
            "seconds": round(self.seconds, 2),
        }


def run_claims(
    claims: Sequence[Claim], bench: Bench, *, processes: int | None = None, done: Callable[[Row], None] | None = None
) -> list[Row]:
    """Run the experiments of some claims; an experiment that fails is a row that says so.

    Whatever ends it early, Ctrl-C or an exception of ``done``, no process is left behind.

    Args:
        claims: Which.
        bench: Sizes, seeds and data.
        processes: At a time; one a core by default, none of its own for a single claim.
        done: Told of every row as it is finished.

    Returns:
        The rows in the order of the claims.
    """
    count = min(len(claims), processes or len(os.sched_getaffinity(0)))
    rows: dict[str, Row] = {}
    with closing(_alone(claims, bench) if count <= 1 else _together(claims, bench, count)) as finished:
        for row in finished:
            rows[row.id] = row
            if done is not None:
                done(row)
    return [rows[claim.id] for claim in claims]


def run_claim(claim: Claim, bench: Bench) -> Row:
    """Run one experiment in this process, with one thread, and draw its pictures."""
    began = time.perf_counter()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    state = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        outcome = claim.run(bench)
        drawings = outcome.drawings if can_draw() else ()
        return Row(
            claim.id,
            claim.says,
            claim.expected,
            outcome.verdict,
            tuple(outcome.measures),
            tuple(render(drawing, claim.id) for drawing in drawings),
            tuple(outcome.findings),
            " ".join(filter(None, (outcome.subtle, outcome.note))),
            time.perf_counter() - began,
        )
    except Exception as error:
        return _broken(claim, f"{told(error)} ({_place(error)})", time.perf_counter() - began)
    finally:
        torch.set_rng_state(state)
        torch.set_num_threads(before)


def _alone(claims: Sequence[Claim], bench: Bench) -> Generator[Row]:
    for claim in claims:
        yield run_claim(claim, bench)


def _together(claims: Sequence[Claim], bench: Bench, count: int) -> Generator[Row]:
    left = {claim.id: claim for claim in claims}
    with suppress(BrokenProcessPool):
        in_order = sorted(claims, key=lambda claim: -claim.cost if claim.cost >= LONG else 0.0)  # the rest as given
        for row in _pooled(in_order, bench, count):
            del left[row.id]
            yield row
    # a process was killed, and which of those that were at work had it killed is not known: each by itself
    for claim in left.values():
        try:
            yield from _pooled([claim], bench, 1)
        except BrokenProcessPool:
            yield _broken(claim, "its process was killed; it may have run out of memory", 0.0)


def _pooled(claims: Sequence[Claim], bench: Bench, count: int) -> Generator[Row]:
    """Rows as they come.

    Raises:
        BrokenProcessPool: A process was killed.
    """
    # forked, as every process would need seconds to load torch
    context = multiprocessing.get_context("fork")
    others = multiprocessing.active_children()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads at a fork: torch's do no work here
        with ProcessPoolExecutor(count, mp_context=context, initializer=_as_worker) as pool:
            try:
                for future in as_completed([pool.submit(run_claim, claim, bench) for claim in claims]):
                    yield future.result()
            except BaseException:
                for child in multiprocessing.active_children():
                    if child not in others:
                        child.terminate()  # the pool takes itself for broken, and is waited for as it is left
                raise


def _as_worker() -> None:
    """Ctrl-C reaches every process of a terminal, and the parent decides what it means; none outlives the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(OSError, AttributeError):  # where there is no such call
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _broken(claim: Claim, why: str, seconds: float) -> Row:
    return Row(claim.id, claim.says, claim.expected, Verdict.BROKEN, remark=why, seconds=seconds)


def _place(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119 - a text, no path

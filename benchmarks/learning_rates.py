"""How well the suggested learning rate trains: beside the best of a grid, on the healthy trainings of ``tests/zoo``.

::

    python benchmarks/learning_rates.py

The first step of every script is taken over by :mod:`babysit.preflight.capture`, with the script's own optimizer and
its data as far as they are found; from there a copy is trained for some hundred steps at the suggested rate, at the
script's own, and at each of twelve rates from 1e-5 to 3. What counts is the mean loss over the last tenth of the steps,
in two ways: whether it has come down by 90 % of what the best rate of the grid brings it down by; and whether it is
itself no more than 10 % above the loss at that rate, which asks for much where that is nearly zero.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import multiprocessing
import os
import runpy
import statistics
import sys
from pathlib import Path
from typing import Any

ZOO = Path(__file__).parents[1] / "tests" / "zoo"
GRID = tuple(10 ** (-5 + place / 2) for place in range(12))
NEAR = 0.1


class CapturedError(BaseException):
    """Ends a script whose first step was captured."""


def subject_of(name: str, seed: int):
    """What a script is about to train."""
    from babysit.preflight.capture import Capture

    found = []

    def take(subject) -> None:
        found.append(subject)
        raise CapturedError

    def refuse(_) -> None:
        raise CapturedError

    capture, sys.argv = Capture(take, refuse), [name, str(seed)]
    capture.start()
    try:
        with contextlib.suppress(CapturedError, SystemExit), contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(ZOO / "healthy" / name), run_name="__main__")
    finally:
        capture.stop()
    return found[0] if found else None


def train(subject, rate: float | None, steps: int) -> tuple[float, float]:
    """Mean loss at the start, and over the last tenth of the steps."""
    from babysit.preflight.isolation import isolated

    batches = [subject.batch, *subject.others]
    losses = []
    with isolated(subject.model) as model:
        optimizer = subject.optimizer_for(model, **({} if rate is None else {"lr": rate}))
        for step in range(steps):
            try:
                loss = subject.loss(model, batches[step % len(batches)])
            except RuntimeError:  # a loss function that refuses what has become NaN
                return losses[0], math.inf
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                return losses[0], math.inf
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return statistics.fmean(losses[: len(batches)][:1]), statistics.fmean(losses[-max(steps // 10, len(batches)) :])


def measure(task: tuple[str, int, int]) -> tuple[str, str, dict[str, Any]]:
    """One script; what came out, a line about it, and the numbers."""
    import torch

    from babysit.preflight.learning_rate import probe_rates

    torch.set_num_threads(1)
    name, seed, steps = task
    subject = subject_of(name, seed)
    if subject is None:
        return "left out", f"{name}: no step could be captured", {}
    probe = probe_rates(subject, [subject.batch, *subject.others], time_limit=5.0)
    if "suggested" not in probe.numbers:
        return "left out", f"{name}: no suggestion: {probe.texts.get('reason', probe.texts.get('verdicts'))}", {}
    rate = probe.numbers["suggested"]
    initial, suggested = train(subject, rate, steps)
    _, own = train(subject, None, steps)
    ends = {item: train(subject, item, steps)[1] for item in GRID}
    best = min(ends, key=ends.__getitem__)
    fall = initial - ends[best]
    line = (
        f"{name}: suggested {rate:.2g} → {suggested:.4g}, own → {own:.4g}, "
        f"best of the grid {best:.2g} → {ends[best]:.4g}, from {initial:.4g}"
    )
    is_near = suggested - ends[best] <= NEAR * abs(ends[best])
    numbers = {
        "name": name,
        "initial": initial,
        "suggested": (rate, suggested),
        "own": own,
        "ends": list(ends.items()),
        "tried": list(zip(probe.series["lr"], probe.series["ratio"], probe.texts["verdicts"].split(","), strict=True)),
        "is_near": is_near,
    }
    return "within" if suggested - ends[best] <= NEAR * fall else "beyond", line, numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="*", help="shell pattern of names such as cnn_*")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the numbers of every script there")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    tasks = [(path.name, options.seed, options.steps) for path in sorted(ZOO.glob(f"healthy/{options.only}.py"))]
    counts: dict[str, int] = {}
    found = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for outcome, line, numbers in pool.imap_unordered(measure, tasks):
            counts[outcome] = counts.get(outcome, 0) + 1
            found += [numbers] if numbers else []
            print(f"{outcome}: {line}", flush=True)
    within, left = counts.get("within", 0), counts.get("left out", 0)
    judged = within + counts.get("beyond", 0)
    near = sum(item["is_near"] for item in found)
    print(f"\nwithin {NEAR:.0%} of the best fall: {within} of {judged}; {left} left out")
    print(f"within {NEAR:.0%} of the best loss: {near} of {judged}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""How well the suggested learning rate trains: beside the best of a grid, in the healthy trainings of ``tests/zoo``.

::

    python benchmarks/learning_rates.py

Left out are trainings without an optimizer whose rate could be set, those that set their rates themselves, which shows
in that all rates come to the same end, and GANs and reinforcement learning, whose loss is no measure of progress.

The first step of every script is taken over by :mod:`babysit.preflight.capture`, and a rate is suggested by the probe
of ``babysit check``, with all of its five seconds for itself. Then the script itself is run, to its end, with the
suggested rate, with its own, and with each of twelve from 1e-5 to 3; several optimizers, or groups of one, keep the
ratios of their rates. What counts is the mean loss over the last tenth of the steps, in three ways: whether it has come
down by 90 % of what the best rate of the grid brings it down by; whether it is itself no more than 10 % above the loss
at that rate; and likewise where losses below a hundredth of the first one count as alike, since twice nothing is
nothing, too.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import math
import multiprocessing
import os
import runpy
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from unittest import mock

ZOO = Path(__file__).parents[1] / "tests" / "zoo"
NO_MEASURE = ("actor_critic.py", "dqn.py", "gan_points.py", "reinforce.py")
GRID = tuple(10 ** (-5 + place / 2) for place in range(12))
NEAR = 0.1
NOTHING = 0.01


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


def suggest(task: tuple[str, int, float]) -> tuple[str, float, float, str]:
    """The script's name, the suggested rate and its own; instead of these the reason why there are none."""
    import torch

    from babysit.preflight.suggested_rate import probe_rates

    torch.set_num_threads(1)
    name, seed, seconds = task
    subject = subject_of(name, seed)
    if subject is None:
        return name, math.nan, math.nan, "no step could be captured"
    probe = probe_rates(subject, [subject.batch, *subject.others, *subject.further], time_limit=seconds)
    if "given" not in probe.numbers and "suggested" in probe.numbers:
        return name, math.nan, math.nan, "its updates are its own, without an optimizer whose rate could be set"
    if "suggested" not in probe.numbers:
        return name, math.nan, math.nan, probe.texts.get("reason", "no rate brings the loss down")
    longer = f"{len(probe.series['longer:lr'])} for longer" if "longer:lr" in probe.series else "none for longer"
    said = f"{len(subject.others) + len(subject.further) + 1} batches, {len(probe.series['lr'])} rates, {longer}"
    return name, probe.numbers["suggested"], probe.numbers["given"], said


@contextlib.contextmanager
def rates_times(factor: float):
    """Every optimizer that is made has this many times the rate it was to have."""
    from torch.optim import Optimizer

    own = Optimizer.__init__

    @functools.wraps(own)
    def init(self, params, defaults):
        given = list(params)
        groups = [{**item, "lr": item["lr"] * factor} if isinstance(item, dict) and "lr" in item else item
                  for item in given]  # fmt: skip
        own(self, groups, {**defaults, "lr": defaults["lr"] * factor} if "lr" in defaults else defaults)

    with mock.patch.object(Optimizer, "__init__", init):
        yield


def train(task: tuple[str, int, float, float]) -> tuple[str, float, float, float]:
    """The script's name, the rate, the loss of the first step, and the mean loss over the last tenth of all."""
    import torch

    from babysit.watch import Monitor

    torch.set_num_threads(1)
    name, seed, rate, given = task
    sys.argv = [name, str(seed)]
    monitor = Monitor()
    quiet = contextlib.redirect_stdout(io.StringIO())
    ended = False
    with contextlib.suppress(Exception), quiet, rates_times(rate / given), monitor:
        with contextlib.suppress(SystemExit):
            runpy.run_path(str(ZOO / "healthy" / name), run_name="__main__")
        ended = True
    losses = max((record.losses for record in monitor.records), key=len)
    last = losses[-max(1, len(losses) // 10) :]
    # a script that raises has not come to its end, however low its losses were until then
    end = statistics.fmean(last) if ended and all(map(math.isfinite, losses)) else math.inf
    return name, rate, losses[0] if losses else math.nan, end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a suggestion may take")
    parser.add_argument("--only", default="*", help="shell pattern of names such as cnn_*")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the numbers of every script there")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    names = [path.name for path in sorted(ZOO.glob(f"healthy/{options.only}.py")) if path.name not in NO_MEASURE]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        suggestions = pool.map(suggest, [(name, options.seed, options.seconds) for name in names], chunksize=1)
        chosen = {name: (rate, given, said) for name, rate, given, said in suggestions if math.isfinite(rate * given)}
        for name, _, _, said in suggestions:
            if name not in chosen:
                print(f"left out: {name}: {said}", flush=True)
        tasks = [
            (name, options.seed, rate, given)
            for name, (suggested, given, _) in chosen.items()
            for rate in sorted({*GRID, given, *([] if any(is_close(suggested, one) for one in GRID) else [suggested])})
        ]
        ends: dict[str, dict[float, float]] = defaultdict(dict)
        first: dict[str, float] = {}
        for name, rate, initial, end in pool.imap_unordered(train, tasks):
            ends[name][rate] = end
            if is_close(rate, chosen[name][1]):
                first[name] = initial
    for name in [name for name in chosen if len(set(ends[name].values())) == 1]:
        print(f"left out: {name}: it sets its rates itself", flush=True)
        del chosen[name]
    summary = [judge(name, *chosen[name], first[name], ends[name]) for name in chosen]
    for name, by in (("fall", "best fall"), ("loss", "best loss"), ("alike", "best loss, or both next to nothing")):
        print(f"within {NEAR:.0%} of the {by}: {sum(item[name] for item in summary)} of {len(summary)}")
        print(f"   the script's own rate: {sum(item[f'own_{name}'] for item in summary)} of {len(summary)}")
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1))


def is_close(one: float, other: float) -> bool:
    return abs(math.log10(one / other)) < 1e-6


def judge(name: str, suggested: float, given: float, said: str, initial: float, ends: dict[float, float]) -> dict:
    """How the suggested rate and the script's own did, beside the best of the grid."""
    grid = {rate: end for rate, end in ends.items() if any(is_close(rate, one) for one in GRID)}
    best = min(grid, key=grid.__getitem__)
    reached = next(end for rate, end in ends.items() if is_close(rate, suggested))
    own = next(end for rate, end in ends.items() if is_close(rate, given))
    print(
        f"{name}: suggested {suggested:.2g} → {reached:.4g} ({said}), own {given:.2g} → {own:.4g}, "
        f"best of the grid {best:.2g} → {grid[best]:.4g}, from {initial:.4g}",
        flush=True,
    )
    found = {"name": name, "suggested": suggested, "given": given, "initial": initial, "ends": sorted(ends.items())}
    for prefix, end in (("", reached), ("own_", own)):
        above = end - grid[best]
        found[f"{prefix}fall"] = above <= NEAR * (initial - grid[best])
        found[f"{prefix}loss"] = above <= NEAR * abs(grid[best])
        found[f"{prefix}alike"] = above <= NEAR * abs(grid[best]) or abs(end) <= NOTHING * abs(initial)
    return found


if __name__ == "__main__":
    main()

"""How well the suggested learning rate trains: beside the best of a grid, in the healthy trainings of ``tests/zoo``.

::

    python benchmarks/learning_rates.py --seeds 3

Left out are trainings without an optimizer whose rate could be set, those that set their rates themselves, which shows
in that all rates come to the same end, and GANs and reinforcement learning, whose loss is no measure of progress.

The first step of every script is taken over by :mod:`babysit.preflight.capture`, and a rate is suggested by the probe
of ``babysit check``, with all of its five seconds for itself. Then the script itself is run, to its end, with the
suggested rate, with its own, and with each of twelve from 1e-5 to 3; several optimizers, or groups of one, keep the
ratios of their rates. What counts is the mean loss over the last tenth of the steps, in three ways: whether it has come
down by 90 % of what the best rate of the grid brings it down by; whether it is itself no more than 10 % above the loss
at that rate; and likewise where losses below a hundredth of the first one count as alike, since twice nothing is
nothing, too. With several seeds a third rate is judged beside the suggested one and the script's own: the best one of
the other seeds, which tells how far chance decides what is best. How often the one rate does well that does so with
most of a script's seeds, in hindsight, is as much as any rule could reach that suggests one rate a script.
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
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

ZOO = Path(__file__).parents[1] / "tests" / "zoo"
NO_MEASURE = ("actor_critic.py", "dqn.py", "gan_points.py", "reinforce.py")
GRID = tuple(10 ** (-5 + place / 2) for place in range(12))
NEAR = 0.1
NOTHING = 0.01
LEAST = 1e-9


class Run(NamedTuple):
    """A script of the zoo with a seed."""

    name: str
    seed: int

    def __str__(self) -> str:
        return f"{self.name} {self.seed}"


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


def suggest(task: tuple[str, int, float]) -> tuple[Run, float, float, str]:
    """The run, the suggested rate and its own; instead of these the reason why there are none."""
    import torch

    from babysit.preflight.suggested_rate import probe_rates

    torch.set_num_threads(1)
    name, seed, seconds = task
    run, subject = Run(name, seed), subject_of(name, seed)
    if subject is None:
        return run, math.nan, math.nan, "no step could be captured"
    probe = probe_rates(subject, [subject.batch, *subject.others, *subject.further], time_limit=seconds)
    if "given" not in probe.numbers and "suggested" in probe.numbers:
        return run, math.nan, math.nan, "its updates are its own, without an optimizer whose rate could be set"
    if "suggested" not in probe.numbers:
        return run, math.nan, math.nan, probe.texts.get("reason", "no rate brings the loss down")
    numbers, longer = probe.numbers, "none for longer"
    if "longer_steps" in numbers:
        longer = f"{len(probe.series['longer:lr'])} for {numbers['longer_steps']:.0f} steps"
    said = f"{len(subject.others) + len(subject.further) + 1} batches, {len(probe.series['lr'])} rates, {longer}"
    return run, numbers["suggested"], numbers["given"], said


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


def train(task: tuple[Run, float, float]) -> tuple[Run, float, float, float]:
    """The run, the rate, the loss of the first step, and the mean loss over the last tenth of all."""
    import torch

    from babysit.watch import Monitor

    torch.set_num_threads(1)
    run, rate, given = task
    sys.argv = [run.name, str(run.seed)]
    monitor = Monitor()
    quiet = contextlib.redirect_stdout(io.StringIO())
    ended = False
    with contextlib.suppress(Exception), quiet, rates_times(rate / given), monitor:
        with contextlib.suppress(SystemExit):
            runpy.run_path(str(ZOO / "healthy" / run.name), run_name="__main__")
        ended = True
    losses = max((record.losses for record in monitor.records), key=len)
    last = losses[-max(1, len(losses) // 10) :]
    # a script that raises has not come to its end, however low its losses were until then
    end = statistics.fmean(last) if ended and all(map(math.isfinite, losses)) else math.inf
    return run, rate, losses[0] if losses else math.nan, end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a suggestion may take")
    parser.add_argument("--only", default="*", help="shell pattern of names such as cnn_*")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the numbers of every script there")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    names = [path.name for path in sorted(ZOO.glob(f"healthy/{options.only}.py")) if path.name not in NO_MEASURE]
    asked = [(name, seed, options.seconds) for seed in range(options.seeds) for name in names]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        chosen: dict[Run, tuple[float, float, str]] = {}
        for run, rate, given, said in pool.map(suggest, asked, chunksize=1):
            if math.isfinite(rate * given):
                chosen[run] = rate, given, said
            else:
                print(f"left out: {run}: {said}", flush=True)
        tasks = [
            (run, rate, given)
            for run, (suggested, given, _) in chosen.items()
            for rate in sorted({*GRID, given, *([] if any(is_close(suggested, one) for one in GRID) else [suggested])})
        ]
        ends: dict[Run, dict[float, float]] = defaultdict(dict)
        first: dict[Run, float] = {}
        for run, rate, initial, end in pool.imap_unordered(train, tasks):
            ends[run][rate] = end
            if is_close(rate, chosen[run][1]):
                first[run] = initial
    for run in [run for run in chosen if len(set(ends[run].values())) == 1]:
        print(f"left out: {run}: it sets its rates itself", flush=True)
        del chosen[run], ends[run]
    summary = [judge(run, *chosen[run], first[run], ends) for run in chosen]
    for name, by in (("fall", "best fall"), ("loss", "best loss"), ("alike", "best loss, or both next to nothing")):
        print(f"within {NEAR:.0%} of the {by}: {sum(item[name] for item in summary)} of {len(summary)}")
        print(f"   the script's own rate: {sum(item[f'own_{name}'] for item in summary)} of {len(summary)}")
        others = [item[f"others_{name}"] for item in summary if f"others_{name}" in item]
        if others:
            print(f"   the rate that is best with the other seeds: {sum(others)} of {len(others)}")
            print(f"   the one rate a script, in hindsight: {in_hindsight(summary, name)} of {len(summary)}")
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1))


def is_close(one: float, other: float) -> bool:
    return abs(math.log10(one / other)) < 1e-6


def best_with_other_seeds(run: Run, ends: dict[Run, dict[float, float]]) -> float | None:
    """The rate of the grid with the lowest mean logarithm of the loss; ``None`` where there are no other seeds.

    It has seen whole trainings, so that what it misses is chance: no rate is the best with every seed.
    """
    others = [found for other, found in ends.items() if other.name == run.name and other.seed != run.seed]
    if not others:
        return None
    logarithms = all(end >= 0 for found in others for end in found.values())

    def level(rate: float) -> float:
        values = [end for found in others for one, end in found.items() if is_close(one, rate)]
        return statistics.fmean(math.log(max(value, LEAST)) if logarithms else value for value in values)

    return min(GRID, key=level)


def in_hindsight(summary: Sequence[dict], name: str) -> int:
    """How many runs do well, in one of the three ways, at the rate of the grid that does so most often of a script."""
    found: dict[str, Counter[float]] = defaultdict(Counter)
    for item in summary:
        ends = [(rate, end) for rate, end in item["ends"] if any(is_close(rate, one) for one in GRID)]
        best = min(end for _, end in ends)
        good = (rate for rate, end in ends if does_well(end, best, item["initial"])[name])
        found[item["name"]].update(round(math.log10(rate), 3) for rate in good)
    return sum(max(counts.values()) for counts in found.values())


def does_well(end: float, best: float, initial: float) -> dict[str, bool]:
    """Whether a loss is near the best one, in three ways."""
    above = end - best
    near = above <= NEAR * abs(best)
    return {
        "fall": above <= NEAR * (initial - best),
        "loss": near,
        "alike": near or abs(end) <= NOTHING * abs(initial),
    }


def judge(
    run: Run, suggested: float, given: float, said: str, initial: float, ends: dict[Run, dict[float, float]]
) -> dict:
    """How the suggested rate and the script's own did, beside the best of the grid."""
    reached = ends[run]
    best = min(end for rate, end in reached.items() if any(is_close(rate, one) for one in GRID))
    found = {"name": run.name, "seed": run.seed, "suggested": suggested, "given": given, "initial": initial}
    tried = {"": suggested, "own_": given, "others_": best_with_other_seeds(run, ends)}
    for prefix, rate in tried.items():
        if rate is None:
            continue
        end = next(end for one, end in reached.items() if is_close(one, rate))
        found[f"{prefix}end"] = end
        found |= {prefix + name: well for name, well in does_well(end, best, initial).items()}
    at = next(rate for rate, end in reached.items() if end == best)
    print(
        f"{run}: suggested {suggested:.2g} → {found['end']:.4g} ({said}), own {given:.2g} → {found['own_end']:.4g}, "
        f"best of the grid {at:.2g} → {best:.4g}, from {initial:.4g}",
        flush=True,
    )
    return {**found, "ends": sorted(reached.items())}


if __name__ == "__main__":
    main()

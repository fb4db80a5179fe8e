"""How long a check takes beside a step of the training it checks, on one thread.

::

    python benchmarks/check_time.py --rounds 3

The trainings of overhead.py, and one whose step takes some 50 ms, are checked by `bs.check` with eight batches and the
default of five seconds. The step is timed before and after every check; the table has medians over the rounds, and what
the check had no time for.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.nn import functional as F

import babysit as bs
from babysit.rules._config import DEFAULTS
from overhead import WORKLOADS, Workload, cnn

CHECKED = {**WORKLOADS, "CNN 16-32, 28×28, batch 192": (cnn, lambda: torch.randn(192, 1, 28, 28))}


def seconds_a_step(workload: Workload, count: int = 5) -> float:
    start = time.perf_counter()
    workload.steps(count)
    return (time.perf_counter() - start) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| training | step, ms | check, s | not through, or left out |\n|---|---|---|---|")
    for name, (model, data) in CHECKED.items():
        steps, checks, missing = [], [], {}
        for _ in range(options.rounds):
            workload = Workload(model, data)
            beside = Workload(model, data)
            seconds_a_step(beside)
            batches = list(zip(workload.batches, workload.targets, strict=True))
            steps.append(seconds_a_step(beside))
            start = time.perf_counter()
            report = bs.check(
                workload.model,
                F.cross_entropy,
                batches,
                workload.optimizer,
                seconds=options.seconds,
                config=DEFAULTS,
            )
            checks.append(time.perf_counter() - start)
            steps.append(seconds_a_step(beside))
            for item in report.checks:
                if item.mark == "not applicable" or "left out" in item.measured:
                    missing[item.title] = item.measured
        said = "; ".join(f"{title}: {words}" for title, words in missing.items()) or "–"
        took = f"{statistics.median(checks):.1f} ({min(checks):.1f}–{max(checks):.1f})"
        print(f"| {name} | {1000 * statistics.median(steps):.0f} | {took} | {said} |", flush=True)


if __name__ == "__main__":
    main()

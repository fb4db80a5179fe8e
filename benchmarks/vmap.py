"""The vmap engine against one trial after the other, one thread each, on the workloads of the search.

    python benchmarks/vmap.py [--rounds 5] [--only W0]

Both train the same trials; they take turns, and the table gives medians of trial-steps a second of CPU time, which is
what one idle core would do, and of the ratios within a round. Building and evaluation are included; the check of the
first steps is not, as it is made once for a kind of model.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from babysit.data.batches import TensorBatches
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search.engines import Engine, SingleEngine
from babysit.search.engines.vmap import VmapEngine
from babysit.search.problem import Problem
from babysit.search.states import MemoryStates
from babysit.search.trials import TrialSpec


def w0() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def w1() -> nn.Module:
    return nn.Sequential(nn.Linear(3072, 50), nn.ReLU(), nn.Linear(50, 10))


def w2() -> nn.Module:
    return nn.Sequential(
        nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip


def w3() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 10),
    )  # fmt: skip


Workload = tuple[Callable[[], nn.Module], tuple[int, ...], int, str, int, tuple[int, ...]]
WORKLOADS: dict[str, Workload] = {
    "W0 MLP 64-32-10": (w0, (64,), 64, "adam", 40, (8, 64, 256)),
    "W1 MLP 3072-50-10": (w1, (3072,), 200, "momentum", 20, (8, 32)),
    "W2 MLP 784-256-128-10, batch norm": (w2, (784,), 128, "adam", 20, (8, 32)),
    "W3 CNN 16-32, batch norm": (w3, (1, 28, 28), 128, "adam", 8, (2, 8)),
}
"""Model, shape of an input, batch, update rule, steps, widths."""


def problem(workload: Workload) -> Problem:
    make, shape, batch, optimizer, steps, _ = workload
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(batch * steps, *shape, generator=draw), torch.randint(0, 10, (batch * steps,), generator=draw)

    def build(trial: TrialSpec) -> nn.Module:
        torch.manual_seed(trial.seed)
        return make()

    return Problem(
        build,
        lambda _, settings: TensorBatches(x, y, settings.batch_size, settings.seed),
        Examples(x[:batch], y[:batch]),
        CLASSIFICATION,
        TrainSettings(optimizer, batch_size=batch),
    )


def rate(engine: Engine, trials: list[TrialSpec], steps: int) -> float:
    """Trial-steps a second of CPU time."""
    begin = time.process_time()
    for group in engine.groups(trials):
        engine.train(group, 1.0)
    return len(trials) * steps / (time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="W", help="beginning of a workload's name")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| workload | width | single, trial-steps a second | vmap | vmap ÷ single (range) |\n|---|---|---|---|---|")
    for name, workload in WORKLOADS.items():
        if not name.startswith(options.only):
            continue
        own, steps = problem(workload), workload[4]
        for width in workload[5]:
            trials = [TrialSpec(number, 0, {"lr": 0.001 + number * 1e-5}, number, 1.0) for number in range(width)]
            rates: tuple[list[float], list[float]] = ([], [])
            vmap = VmapEngine(own, MemoryStates(), width=width)
            rate(vmap, trials, steps)  # what is verified once is verified
            for _ in range(options.rounds):
                rates[0].append(rate(SingleEngine(own, MemoryStates()), trials[:32], steps))
                rates[1].append(rate(vmap, trials, steps))
            ratios = [second / first for first, second in zip(*rates, strict=True)]
            single, together = map(statistics.median, rates)
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
            print(f"| {name} | {width} | {single:.1f} | {together:.1f} | {ratio} | {' '.join(vmap.notes)}", flush=True)


if __name__ == "__main__":
    main()

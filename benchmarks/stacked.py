"""Trials of a search, stacked, against one after the other: trial-steps per second of one process with one thread.

    python benchmarks/stacked.py [--rounds 5] [--trials 64] [--width 64] [--only W0,W1,W2] [--steps 20]

Three ways take the same number of steps with the same trials in turn, round after round: a DataLoader loop as a
tutorial writes it, the search's *single* engine (batches sliced in memory, fast products) and its *stacked* engine.
Printed are medians over the rounds, the range of the ratios to the loop of the same round, and the limit that the
matrix products alone set, at the speed of one large product on this machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from babysit.data.batches import TensorBatches
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search.engines import Engine, SingleEngine, StackedEngine
from babysit.search.problem import Problem
from babysit.search.states import MemoryStates
from babysit.search.trials import TrialSpec


@dataclass(frozen=True)
class Workload:
    """Networks of one shape."""

    name: str
    widths: tuple[int, ...]
    batch: int
    norm: bool = False

    @property
    def title(self) -> str:
        return f"{self.name} {'-'.join(map(str, self.widths))}{' + BN' if self.norm else ''}, batch {self.batch}"

    def network(self) -> nn.Module:
        layers: list[nn.Module] = []
        for inputs, units in zip(self.widths[:-2], self.widths[1:-1], strict=True):
            layers.append(nn.Linear(inputs, units))
            if self.norm:
                layers.append(nn.BatchNorm1d(units))
            layers.append(nn.ReLU())
        return nn.Sequential(*layers, nn.Linear(*self.widths[-2:]))

    @property
    def products(self) -> int:
        """Floating-point operations of a trial's step in matrix products; nobody needs the inputs' gradient."""
        each = [2 * self.batch * a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True)]
        return 3 * sum(each) - each[0]


WORKLOADS = (
    Workload("W0", (64, 32, 10), 64),
    Workload("W1", (3072, 50, 10), 200),
    Workload("W2", (784, 256, 128, 10), 128, norm=True),
)


class Data:
    """Random examples: what is learned does not matter here."""

    def __init__(self, workload: Workload, steps: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(workload.batch * steps, workload.widths[0], generator=generator)
        self.y = torch.randint(workload.widths[-1], (len(self.x),), generator=generator)


def problem(workload: Workload, data: Data, optimizer: str) -> Problem:
    def build(trial: TrialSpec) -> nn.Module:
        torch.default_generator.manual_seed(trial.seed)  # torch.manual_seed asks every device and takes longer
        return workload.network()

    return Problem(
        build,
        lambda _, settings: TensorBatches(data.x, data.y, settings.batch_size, settings.seed),
        Examples(data.x[:1], data.y[:1]),
        CLASSIFICATION,
        TrainSettings(optimizer=optimizer, lr=0.01, batch_size=workload.batch, epochs=1),
        kill_ratio=1e9,
    )


def loader_loop(workload: Workload, data: Data, trial: TrialSpec, optimizer: str) -> None:
    """An epoch as a tutorial writes it."""
    torch.default_generator.manual_seed(trial.seed)  # torch.manual_seed asks every device and takes longer
    model = workload.network()
    loader = DataLoader(TensorDataset(data.x, data.y), batch_size=workload.batch, shuffle=True)
    lr = trial.params["lr"]
    momentum = optimizer == "momentum"
    rule = torch.optim.SGD(model.parameters(), lr, 0.9) if momentum else torch.optim.Adam(model.parameters(), lr)
    for x, y in loader:
        rule.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        rule.step()


def product_speed() -> float:
    """Floating-point operations per second of a large matrix product."""
    a, b = torch.randn(3200, 3072), torch.randn(200, 3072)
    best = min(timed(lambda: a @ b.t()) for _ in range(5))
    return 2 * 3200 * 3072 * 200 / best


def timed(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def compare(workload: Workload, options: argparse.Namespace) -> None:
    data = Data(workload, options.steps)
    asked = problem(workload, data, options.optimizer)
    trials = [TrialSpec(k, 0, {"lr": 0.001 * 1.03**k}, seed=k, epochs=1.0) for k in range(options.trials)]
    few = trials[: max(1, options.trials // 8)]  # what runs one after the other has the same rate however many

    def engine_run(engine: Engine, own: list[TrialSpec]) -> None:
        for group in engine.groups(own):
            engine.train(group, 1.0)
        assert not engine.notes, engine.notes

    ways: dict[str, tuple[int, Callable[[], None]]] = {
        "DataLoader loop": (len(few), lambda: [loader_loop(workload, data, t, options.optimizer) for t in few]),  # type: ignore[dict-item]
        "single": (len(few), lambda: engine_run(SingleEngine(asked, MemoryStates()), few)),
        "stacked": (
            len(trials),
            lambda: engine_run(StackedEngine(asked, MemoryStates(), width=options.width), trials),
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, (count, run) in ways.items():
            rate = count * options.steps / timed(run)
            if number:  # the first warms up
                rates[name].append(rate)
    limit = product_speed() / workload.products
    for name, own in rates.items():
        ratios = [a / b for a, b in zip(own, rates["DataLoader loop"], strict=True)]
        print(
            f"| {workload.title}, {options.optimizer} | {name} | {statistics.median(own):,.0f} | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |",
            flush=True,
        )
    share = limit / statistics.median(rates["DataLoader loop"])
    print(f"| {workload.title} | products alone | {limit:,.0f} | {share:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--optimizer", choices=["momentum", "adam"], default="momentum")
    parser.add_argument("--only", default="W0,W1,W2")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| workload | way | trial-steps per CPU second | ratio to the loop (range) |\n|---|---|---|---|")
    for workload in WORKLOADS:
        if workload.name in options.only.split(","):
            compare(workload, options)


if __name__ == "__main__":
    main()

"""Trials of a small CNN in a search against the sequential DataLoader loop, one thread each.

    python benchmarks/conv.py [--rounds 9] [--steps 20]

Workload W3: conv16-BN-ReLU-pool, conv32-BN-ReLU-pool, linear; 28×28, batch 128, Adam. The ways take turns, `--steps`
steps each; the table gives medians of the CPU time of a step, which is what one idle core would take, and of the ratios
within a round. The limit is the time that this core needs for the same multiply-adds as one large matrix product.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from babysit.data.batches import TensorBatches
from babysit.fit.evaluation import Examples
from babysit.fit.fast_linear import onednn_is_faster
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search.problem import Problem
from babysit.search.trials import TrialSpec

BATCH = 128
MULTIPLY_ADDS = BATCH * (2 * 784 * 16 * 9 + 3 * 196 * 32 * 16 * 9 + 3 * 1568 * 10)
"""Of a step: forward, weights and inputs, but for the first layer's inputs, which need no gradient."""


def cnn(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip


def plain_step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def loader_loop(x: Tensor, y: Tensor) -> Callable[[int], None]:
    """As a tutorial writes it, a trial after the other."""
    model = cnn()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True, drop_last=True)

    def run(steps: int) -> None:
        for _, (inputs, targets) in zip(range(steps), loader, strict=False):
            plain_step(model, optimizer, inputs, targets)

    return run


def sliced(x: Tensor, y: Tensor, *, tuned: bool) -> Callable[[int], None]:
    """Batches sliced in memory; `tuned`: channels last and the fused optimizer besides."""
    model = cnn()
    if tuned:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=tuned)
    batches = TensorBatches(x, y, BATCH, 0)

    def run(steps: int) -> None:
        for step in range(steps):
            plain_step(model, optimizer, *batches.batch(step))

    return run


def trial(x: Tensor, y: Tensor) -> Callable[[int], None]:
    """A trial of a search."""
    problem = Problem(
        lambda trial: cnn(trial.seed),
        lambda _, settings: TensorBatches(x, y, settings.batch_size, settings.seed),
        Examples(x[:BATCH], y[:BATCH]),
        CLASSIFICATION,
        TrainSettings("adam", lr=1e-3, batch_size=BATCH, schedule="constant"),
    )
    trainer = problem.trainer(TrialSpec(0, 0, {}, seed=0, epochs=1000.0))
    return lambda steps: trainer.run(trainer.step + steps)


def limit() -> float:
    """Seconds for a step's multiply-adds at the rate of a large matrix product, by the faster library of the two."""
    left = torch.randn(1024, 1024)
    multiply = (
        (lambda: torch.ops.mkldnn._linear_pointwise(left, left, None, "none", [], ""))
        if onednn_is_faster()
        else (lambda: left @ left)
    )
    multiply()
    begin = time.process_time()
    for _ in range(4):
        multiply()
    return (time.process_time() - begin) / 4 / 1024**3 * MULTIPLY_ADDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    count = BATCH * max(options.steps, 20)
    x, y = torch.randn(count, 1, 28, 28, generator=draw), torch.randint(0, 10, (count,), generator=draw)
    ways = {
        "DataLoader loop": loader_loop(x, y),
        "sliced in memory": sliced(x, y, tuned=False),
        "+ channels last, fused Adam": sliced(x, y, tuned=True),
        "trial of a search": trial(x, y),
    }
    for run in ways.values():
        run(3)
    times: dict[str, list[float]] = {name: [] for name in [*ways, "limit"]}
    for _ in range(options.rounds):
        for name, run in ways.items():
            begin = time.process_time()
            run(options.steps)
            times[name].append((time.process_time() - begin) / options.steps)
        times["limit"].append(limit())
    print("| way | CPU time a step | times the speed of the DataLoader loop (range) |\n|---|---|---|")
    for name, own in times.items():
        ratios = [first / second for first, second in zip(times["DataLoader loop"], own, strict=True)]
        print(
            f"| {name} | {statistics.median(own) * 1e3:.1f} ms | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |"
        )


if __name__ == "__main__":
    main()

"""`bs.fit` against the bare DataLoader loop: same model, data, optimizer and number of steps, one thread each.

    python benchmarks/fit.py [--data ../shared/data/mnist.npz] [--rounds 7] [--only mlp]

The two are interleaved, an epoch each in turn; the table gives the median ratio of CPU times and its spread over the
rounds, and the accuracy both reach. CPU time is what one idle core would take, whatever else the machine is doing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import babysit as bs

BATCH = 128
Data = tuple[Tensor, Tensor]


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(),
        nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip


def bare_loop(model: nn.Module, data: Data, seed: int) -> float:
    """One epoch as a tutorial writes it."""
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(*data), batch_size=BATCH, shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    begin = time.process_time()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return time.process_time() - begin


def fitted(model: nn.Module, data: Data, seed: int, *, watch: bool) -> float:
    """The same epoch by `bs.fit`, everything it does included."""
    begin = time.process_time()
    bs.fit(
        model, data, optimizer="adam", lr=1e-3, schedule="constant", epochs=1, batch_size=BATCH, seed=seed, watch=watch,
        threads=1,
    )  # fmt: skip
    return time.process_time() - begin


def accuracy(model: nn.Module, data: Data) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(data[0]).argmax(1) == data[1]).double().mean())


def load(path: Path, examples: int) -> tuple[Data, Data]:
    arrays = np.load(path, allow_pickle=False)

    def pair(split: str, count: int) -> Data:
        x = torch.from_numpy(arrays[f"x_{split}"][:count].astype(np.float32))[:, None]
        return (x - 33.3) / 78.6, torch.from_numpy(arrays[f"y_{split}"][:count].astype(np.int64))

    return pair("train", examples), pair("test", 10_000)


def compare(name: str, make: Callable[[], nn.Module], train: Data, test: Data, rounds: int) -> None:
    runs: dict[str, Callable[[nn.Module, int], float]] = {
        "bare loop": lambda model, seed: bare_loop(model, train, seed),
        "bs.fit": lambda model, seed: fitted(model, train, seed, watch=False),
        "bs.fit, watched": lambda model, seed: fitted(model, train, seed, watch=True),
    }
    models: dict[str, nn.Module] = {}
    for label in runs:
        torch.manual_seed(0)
        models[label] = make()
        runs[label](make(), 0)  # warm up
    times: dict[str, list[float]] = {label: [] for label in runs}
    for seed in range(rounds):
        for label, run in runs.items():
            times[label].append(run(models[label], seed))
    steps = len(train[0]) // BATCH
    for label in runs:
        ratios = [own / bare for own, bare in zip(times[label], times["bare loop"], strict=True)]
        print(
            f"| {name} | {label} | {statistics.median(times[label]) / steps * 1e3:.2f} ms | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) | "
            f"{accuracy(models[label], test):.4f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/mnist.npz")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["mlp", "cnn"])
    options = parser.parse_args()
    if not options.data.exists():
        print(f"skipped: no file {options.data}; name MNIST as .npz with --data")
        return
    torch.set_num_threads(1)
    print("| model | loop | CPU time a step | ratio to the bare loop (range) | test accuracy |\n|---|---|---|---|---|")
    if options.only != "cnn":
        train, test = load(options.data, 25_600)
        compare("MLP 784-256-128-10, batch norm", mlp, train, test, options.rounds)
    if options.only != "mlp":
        train, test = load(options.data, 6_400)
        compare("CNN 16-32, batch norm", cnn, train, test, options.rounds)


if __name__ == "__main__":
    main()

"""CIFAR-10 with 50 hidden units: `babysit train`, and how long a loop in Optuna needs for the same accuracy.

    python benchmarks/cifar.py [--data ../shared/data/cifar10-jpeg.zip] [--limit 900]

The loop is what people write: a random search over learning rate and L2 around a DataLoader loop with momentum and a
cosine schedule, 20 epochs a trial, standardised features, the same split of training and validation. It ends when one
of its epochs has the validation accuracy of `babysit train`, or at the limit. Both run alone, one after the other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from babysit.data import Dataset, read

SHARED = Path(__file__).resolve().parents[2] / "shared/data"
EPOCHS, BATCH = 20, 128
Pair = tuple[Tensor, Tensor]


def trained(source: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of the command, reading included, and what its report says."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "babysit", "train", source, "--model", "mlp", "--hidden", "50"]
    subprocess.run([*command, "--out", str(folder / "run"), "--quiet"], check=True)
    seconds = time.perf_counter() - began
    return seconds, json.loads((folder / "run" / "report.json").read_text())


def standardised(data: Dataset) -> tuple[Pair, Pair]:
    """Training and validation examples, each feature with mean 0 and deviation 1 of the training split."""
    rows = {name: data.splits.of(name) for name in ("train", "validation")}
    x = {name: torch.from_numpy(data.x[own].astype(np.float32)).flatten(1) for name, own in rows.items()}
    mean, std = x["train"].mean(0), x["train"].std(0)
    y = {name: torch.from_numpy(data.y[own]) for name, own in rows.items()}
    train, judged = (((x[name] - mean) / std, y[name]) for name in rows)
    return train, judged


def optuna_loop(train: Pair, judged: Pair, wanted: float, limit: float) -> tuple[float, float, int]:
    """Seconds to the wanted accuracy (infinite if never), the best accuracy, and the trials begun."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    began, best, reached = time.perf_counter(), 0.0, float("inf")

    def objective(trial: Any) -> float:
        nonlocal best, reached
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        l2 = trial.suggest_float("l2", 1e-5, 1e-1, log=True)
        torch.manual_seed(trial.number)
        model = nn.Sequential(nn.Linear(train[0].shape[1], 50), nn.ReLU(), nn.Linear(50, 10))
        loader = DataLoader(TensorDataset(*train), batch_size=BATCH, shuffle=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=l2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
        accuracy = 0.0
        for _ in range(EPOCHS):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            schedule.step()
            model.eval()
            with torch.no_grad():
                accuracy = (model(judged[0]).argmax(1) == judged[1]).float().mean().item()
            best, now = max(best, accuracy), time.perf_counter() - began
            if accuracy >= wanted:
                reached = min(reached, now)
            if reached < now or now > limit:
                trial.study.stop()
                break
        return accuracy

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, timeout=limit)
    return reached, best, len(study.trials)


def main() -> None:
    """Print both times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "cifar10-jpeg.zip"))
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that the loop may take")
    options = parser.parse_args()
    if not Path(options.data).exists():
        sys.exit(f"no {options.data}: give --data")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        seconds, report = trained(options.data, Path(folder))
    wanted = report["final"]["validation"]["score"]
    print(f"babysit train: {seconds:.0f} s, validation accuracy {wanted:.4f}", flush=True)
    reached, best, trials = optuna_loop(*standardised(read(options.data)), wanted, options.limit)
    came = f"after {reached:.0f} s" if reached < float("inf") else f"not within {options.limit:.0f} s"
    print(f"Optuna loop: the same accuracy {came}; best {best:.4f} in {trials} trials")


if __name__ == "__main__":
    main()

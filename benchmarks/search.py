"""`bs.search` against loops people write: Optuna around a DataLoader loop, its Hyperband pruner, Ray Tune's ASHA.

    python benchmarks/search.py [--only W1] [--rounds 3] [--trials 64] [--without ray]

All search learning rate and L2 of the same network on the same data, with as many trials of the same longest length,
one thread a process, and are judged by the validation loss. Contenders take turns, a whole search each, with another
seed every round. The table gives, as medians and ranges over the rounds: wall time of the whole search; wall time until
the validation loss is as low as the plain Optuna loop's best in the same round; trial-steps a second of wall time; and
the best validation loss. Ratios are to the plain loop, round by round.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import babysit as bs
from babysit.search.display import Silent
from babysit.search.trials import Outcome, TrialSpec

SHARED = Path(__file__).resolve().parents[2] / "shared/data"
LR, L2 = (1e-5, 1.0), (1e-6, 1e-1)
MOMENTUM = 0.9
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Workload:
    """A network, its data, and how long a trial trains at most."""

    name: str
    what: str
    make: Callable[[], nn.Module]
    load: Callable[[], tuple[Pair, Pair]]
    batch: int
    epochs: int


@dataclass
class Curve:
    """How low the validation loss was at which time, and how many steps were taken."""

    began: float = field(default_factory=time.perf_counter)
    points: list[tuple[float, float]] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0

    def add(self, loss: float) -> None:
        self.points.append((time.perf_counter() - self.began, loss))

    def end(self) -> Curve:
        self.seconds = time.perf_counter() - self.began
        return self

    @property
    def best(self) -> float:
        return min((loss for _, loss in self.points if math.isfinite(loss)), default=math.inf)

    def reached(self, loss: float) -> float:
        return next((seconds for seconds, known in self.points if known <= loss), math.inf)


def digits() -> tuple[Pair, Pair]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return divided(torch.from_numpy(x).float() / 8 - 1, torch.from_numpy(y).long(), len(x), len(x) // 5)


def mnist(flat: bool, examples: int) -> tuple[Pair, Pair]:
    arrays = np.load(SHARED / "mnist.npz", allow_pickle=False)
    x = (torch.from_numpy(arrays["x_train"][:examples].astype(np.float32)) - 33.3) / 78.6
    x = x.reshape(len(x), -1) if flat else x.reshape(len(x), 1, 28, 28)
    return divided(x, torch.from_numpy(arrays["y_train"][:examples].astype(np.int64)), examples, examples // 5)


def cifar(examples: int) -> tuple[Pair, Pair]:
    from babysit.data import read

    data = read(str(next(SHARED.glob("cifar10*.zip"))))
    rows = np.sort(np.random.default_rng(0).permutation(data.splits.train)[:examples])
    x = torch.from_numpy(data.x[rows].astype(np.float32)).reshape(examples, -1)
    return divided((x - x.mean(0)) / x.std(), torch.from_numpy(data.y[rows]), examples, examples // 5)


def divided(x: Tensor, y: Tensor, examples: int, held: int) -> tuple[Pair, Pair]:
    order = torch.randperm(examples, generator=torch.Generator().manual_seed(0))
    train, judged = order[held:], order[:held]
    return (x[train], y[train]), (x[judged], y[judged])


def mlp(*widths: int, norm: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(inputs, outputs))
        if index < len(widths) - 2:
            layers += [nn.BatchNorm1d(outputs)] if norm else []
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip


WORKLOADS = (
    Workload("W0", "MLP 64-32-10, digits", lambda: mlp(64, 32, 10), digits, 64, 40),
    Workload("W1", "MLP 3072-50-10, CIFAR-10 (10,000)", lambda: mlp(3072, 50, 10), lambda: cifar(10_000), 200, 8),
    Workload(
        "W2", "MLP 784-256-128-10 + BN, MNIST (10,000)", lambda: mlp(784, 256, 128, 10, norm=True),
        lambda: mnist(True, 10_000), 128, 8,
    ),
    Workload("W3", "CNN 16-32 + BN, MNIST (2,500)", cnn, lambda: mnist(False, 2_500), 128, 4),
)  # fmt: skip


def loss_of(model: nn.Module, judged: Pair) -> float:
    model.eval()
    with torch.no_grad():
        return float(F.cross_entropy(model(judged[0]), judged[1]))


def optuna_loop(
    work: Workload, train: Pair, judged: Pair, trials: int, seed: int, *, pruner: Any = None, jobs: int = 1
) -> Curve:
    """What a tutorial writes."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    curve = Curve()

    def objective(trial: Any) -> float:
        lr = trial.suggest_float("lr", *LR, log=True)
        l2 = trial.suggest_float("l2", *L2, log=True)
        torch.manual_seed(seed * 1000 + trial.number)
        model = work.make()
        loader = DataLoader(TensorDataset(*train), batch_size=work.batch, shuffle=True, drop_last=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM, weight_decay=l2)
        loss = math.inf
        for epoch in range(work.epochs):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
                curve.steps += 1
            loss = loss_of(model, judged)
            curve.add(loss)
            trial.report(loss if math.isfinite(loss) else 1e9, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss if math.isfinite(loss) else 1e9

    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=seed), pruner=pruner or optuna.pruners.NopPruner()
    )
    study.optimize(objective, n_trials=trials, n_jobs=jobs)
    return curve.end()


def hyperband(work: Workload, *arguments: Any) -> Curve:
    import optuna

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=work.epochs, reduction_factor=2)
    return optuna_loop(work, *arguments, pruner=pruner)


def ray_asha(work: Workload, train: Pair, judged: Pair, trials: int, _seed: int) -> Curve:
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    held = ray.put((train, judged))

    def trainable(config: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        own, validation = ray.get(held)
        model = work.make()
        loader = DataLoader(TensorDataset(*own), batch_size=work.batch, shuffle=True, drop_last=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=MOMENTUM, weight_decay=config["l2"])
        for _ in range(work.epochs):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            loss = loss_of(model, validation)
            tune.report({"loss": loss if math.isfinite(loss) else 1e9, "at": time.time(), "steps": len(loader)})

    curve, clock = Curve(), time.time()  # a running cluster is taken for granted: its start is not timed
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={"lr": tune.loguniform(*LR), "l2": tune.loguniform(*L2)},
            tune_config=tune.TuneConfig(
                metric="loss", mode="min", num_samples=trials,
                scheduler=ASHAScheduler(max_t=work.epochs, grace_period=1, reduction_factor=2),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )  # fmt: skip
        results = tuner.fit()
        curve.end()
        for result in results:
            for row in result.metrics_dataframe.to_dict("records") if result.metrics_dataframe is not None else ():
                curve.points.append((row["at"] - clock, row["loss"]))
                curve.steps += row["steps"]
    curve.points.sort()
    ray.shutdown()
    return curve


class Watch(Silent):
    """Notes every outcome of a search with its time."""

    def __init__(self) -> None:
        self.curve = Curve()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stands(self, _trials: Sequence[TrialSpec], outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.curve.add(outcome.loss)


def searched(work: Workload, train: Pair, judged: Pair, trials: int, seed: int, **options: Any) -> Curve:
    """`bs.search` from its call to its return."""
    watch = Watch()
    found = bs.search(
        lambda _: work.make(),
        train,
        validation=judged,
        space={"lr": bs.LogUniform(*LR), "l2": bs.LogUniform(*L2)},
        trials=trials,
        epochs=work.epochs,
        metric=F.cross_entropy,
        maximize=False,
        momentum=MOMENTUM,
        schedule="constant",
        batch_size=work.batch,
        seed=seed,
        display=watch,
        **options,
    )
    watch.curve.steps = sum(trial.steps for trial in found.trials)
    print(f"  {'; '.join(watch.notes)}", flush=True)
    return watch.curve.end()


Contender = Callable[[Workload, Pair, Pair, int, int], Curve]
CONTENDERS: dict[str, Contender] = {
    "Optuna, DataLoader loop": optuna_loop,
    "Optuna, n_jobs=2": lambda *given: optuna_loop(*given, jobs=2),
    "Optuna, Hyperband": hyperband,
    "Ray Tune, ASHA, 2 CPUs": ray_asha,
    "bs.search, single, 1 process": lambda *given: searched(*given, engine="single", workers=1),
    "bs.search, 1 process": lambda *given: searched(*given, workers=1),
    "bs.search, 2 processes": lambda *given: searched(*given, workers=2),
    "bs.search, 2 processes, 4 × the trials": lambda work, train, judged, trials, seed: searched(
        work, train, judged, 4 * trials, seed, workers=2
    ),
}


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "never"
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def compare(work: Workload, names: Sequence[str], trials: int, rounds: int) -> None:
    train, judged = work.load()
    curves: dict[str, list[Curve]] = {name: [] for name in names}
    for seed in range(rounds):
        for name in names:
            curves[name].append(CONTENDERS[name](work, train, judged, trials, seed))
            last = curves[name][-1]
            print(f"  {work.name} round {seed} {name}: {last.seconds:.1f} s, best loss {last.best:.4f}", flush=True)
    plain = curves[names[0]]
    print(f"\n{work.name}: {work.what}; {trials} trials of up to {work.epochs} epochs, batch {work.batch}\n")
    print(
        "| contender | wall time (s) | times the loop's speed | to the loop's best loss | trial-steps/s | best loss |"
    )
    print("|---|---|---|---|---|---|")
    for name in names:
        own = curves[name]
        ratios = [base.seconds / curve.seconds for base, curve in zip(plain, own, strict=True)]
        there = [base.reached(base.best) / curve.reached(base.best) for base, curve in zip(plain, own, strict=True)]
        rates = [curve.steps / curve.seconds for curve in own]
        print(
            f"| {name} | {spread([curve.seconds for curve in own], '{:.1f}')} | {spread(ratios, '{:.1f}')} | "
            f"{spread(there, '{:.1f}')} | {spread(rates, '{:,.0f}')} | "
            f"{spread([curve.best for curve in own], '{:.3f}')} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[work.name for work in WORKLOADS], nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--without", nargs="*", default=[], help="leave out contenders whose name has one of these")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    names = [name for name in CONTENDERS if not any(word.lower() in name.lower() for word in options.without)]
    if importlib.util.find_spec("ray") is None:
        names = [name for name in names if "Ray" not in name]
        print("Ray Tune is left out: it is not installed")
    for work in WORKLOADS:
        if options.only and work.name not in options.only:
            continue
        try:
            compare(work, names, options.trials, options.rounds)
        except (FileNotFoundError, StopIteration):
            print(f"{work.name} is left out: its data are not in {SHARED}")


if __name__ == "__main__":
    main()

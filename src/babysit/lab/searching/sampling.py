"""F4 and F6: draw in log space, and at random rather than from a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from babysit.lab.drawing import BLUE, GREEN, GREY, ORANGE, RED
from babysit.lab.measures import above, below, between, near, told
from babysit.lab.searching.problems import Images, images, one_round
from babysit.lab.searching.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.rules._words import percent
from babysit.search import Choice, LogUniform, Space, Uniform
from babysit.search.samplers import sampler_named
from babysit.search.study import StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOW, HIGH = 1e-5, 100.0
GOOD = 0.9
"""Validation accuracy of a trial that has found a good learning rate."""
TRIALS, SAFE = 16, 1e-4


def distance_from_uniform(values: Sequence[float] | NDArray[np.float64], low: float, high: float) -> float:
    """Kolmogorov and Smirnov's statistic: the largest distance of the values' distribution from the uniform one.

    Example:
        >>> distance_from_uniform([0.25, 0.75], 0, 1)
        0.25
    """
    places = np.sort((np.asarray(values, dtype=np.float64) - low) / (high - low))
    steps = np.arange(len(places) + 1) / len(places)
    return float(max((steps[1:] - places).max(), (places - steps[:-1]).max()))


@SECTION.claim(
    "F4",
    "Sample learning rates and regularisation in log space: 10 ** uniform(…).",
    expected="uniform in the logarithm (Kolmogorov–Smirnov); drawn linearly, 90 % of the trials lie in one decade",
    cost=10,
)
def sample_in_log_space(bench: Bench) -> Outcome:
    """Draw from both distributions, and search with both.

    Example:
        >>> import numpy as np, babysit as bs
        >>> rates = np.random.default_rng(0)
        >>> sum(bs.LogUniform(1e-5, 100.0).draw(rates) < 1e-2 for _ in range(7000))  # in three of the seven decades
        3046
        >>> sum(bs.Uniform(1e-5, 100.0).draw(rates) < 1e-2 for _ in range(7000))
        0
    """
    count = bench.pick(1000, 5000)
    generators = [np.random.default_rng(seed) for seed in bench.seeds]
    logs, lines = (
        [np.log10([kind(LOW, HIGH).draw(generator) for _ in range(count)]) for generator in generators]
        for kind in (LogUniform, Uniform)
    )
    span = math.log10(LOW), math.log10(HIGH)
    some = images()
    log, line = ([_trained(some, kind(LOW, HIGH), seed) for seed in bench.seeds] for kind in (LogUniform, Uniform))
    good, good_line = (
        [float(np.mean([score > GOOD for _, score in points])) for points in found] for found in (log, line)
    )
    return Outcome(
        [
            below(
                f"log-uniform: distance from uniform in log space, of {count:,} draws",
                [distance_from_uniform(some_, *span) for some_ in logs],
                1.95 / math.sqrt(count),
            ),
            near(
                "uniform: the same distance",
                [distance_from_uniform(some_, *span) for some_ in lines],
                _largest_gap(*span),
                within=1.95 / math.sqrt(count),
            ),
            near(
                "uniform: share of draws in the last decade",
                [float((some_ > span[1] - 1).mean()) for some_ in lines],
                0.9,
                within=0.03,
                unit="%",
            ),
            near(
                "log-uniform: share of draws in the last decade",
                [float((some_ > span[1] - 1).mean()) for some_ in logs],
                1 / 7,
                within=0.04,
                unit="%",
            ),
            above(f"log-uniform: trials over {GOOD:.0%} validation accuracy", good, 0.1, unit="%"),
            below(f"uniform: trials over {GOOD:.0%} validation accuracy", good_line, 0.1, unit="%"),
            told(
                "log-uniform: best validation accuracy", [max(score for _, score in points) for points in log], unit="%"
            ),
            told("uniform: best validation accuracy", [max(score for _, score in points) for points in line], unit="%"),
        ],
        [
            Drawing(
                "log-space",
                f"Of {TRIALS} trials drawn in log space {percent(good[0])} find a good learning rate, of as "
                f"many drawn linearly {percent(good_line[0])}: {percent(float((lines[0] > span[1] - 1).mean()))} of "
                "such draws lie in the last decade",
                lambda figure: _draw_scales(figure, logs[0], lines[0], log[0], line[0]),
                size=(7.4, 3.8),
            )
        ],
        note="On digits. The tolerance 1.95/√n is passed by chance once in a thousand times.",
    )


def _largest_gap(low: float, high: float) -> float:
    """The largest distance in log space between the uniform distribution of values and that of their logarithms."""
    at = np.linspace(low, high, 100_001)
    return float(np.abs((10**at - 10**low) / (10**high - 10**low) - (at - low) / (high - low)).max())


def _scores(found: StudyResult) -> list[float]:
    return [max(trial.score, 0.0) for trial in found.trials]


def _trained(some: Images, kind: LogUniform | Uniform, seed: int) -> list[tuple[float, float]]:
    """Learning rates as a search draws them, and the validation accuracy each comes to; 0 where it was killed."""
    drawn = Space({"lr": kind}).draw_spread(np.random.default_rng([seed, 0]), TRIALS)
    rates = [params["lr"] for params in drawn]
    # beside one that is sure to live, as a search in which none does has no result
    found = one_round(some, {"lr": Choice(*rates, SAFE)}, TRIALS + 1, 4, seed=seed)
    scores = {trial.params["lr"]: score for trial, score in zip(found.trials, _scores(found), strict=True)}
    return [(rate, scores[rate]) for rate in rates]


def _draw_scales(
    figure: Figure,
    logs: NDArray[np.float64],
    lines: NDArray[np.float64],
    log: Sequence[tuple[float, float]],
    line: Sequence[tuple[float, float]],
) -> None:
    left, right = figure.subplots(1, 2)
    bins = np.linspace(math.log10(LOW), math.log10(HIGH), 15)
    weight = np.full(len(logs), 100 / len(logs))
    left.hist(logs, bins, weights=weight, color=BLUE, alpha=0.75, label="log-uniform")
    left.hist(lines, bins, weights=weight, histtype="step", color=RED, linewidth=1.8, label="uniform")
    left.set(xlabel="log10 of the learning rate drawn", ylabel="share of the draws (%)")
    left.legend(loc="upper left")
    for points, colour, marker, label in ((log, BLUE, "o", "log-uniform"), (line, RED, "x", "uniform")):
        rates, scores = np.array(points).T
        right.plot(rates, 100 * scores, color=colour, marker=marker, linestyle="none", markersize=6, label=label)
    right.axhline(100 * GOOD, color=GREY, linestyle=(0, (3, 2)), linewidth=1)
    right.set(
        xscale="log",
        xlim=(LOW / 2, HIGH * 2),
        xlabel="learning rate of the trial",
        ylabel="validation accuracy (%), 0: killed",
    )
    right.legend(loc="center left")


UNIMPORTANT = {"l2": LogUniform(1e-9, 1e-6)}
"""Too little of it to change anything."""
WIDTH = 0.1
"""Share of the important dimension's range in which the target is reached."""


def share_of_hits(name: str, trials: int, peaks: NDArray[np.float64]) -> float:
    """How often a sampler has a trial within the good part of the important one of two dimensions.

    Args:
        name: Of the sampler.
        trials: How many it draws.
        peaks: Middles of the good part, one a problem; the other dimension does not matter.

    Example:
        >>> peaks = np.random.default_rng(0).uniform(WIDTH / 2, 1 - WIDTH / 2, 1000)
        >>> share_of_hits("grid", 9, peaks) < 0.4, share_of_hits("random", 9, peaks) > 0.6
        (True, True)
    """
    space = Space({"important": Uniform(0, 1), "unimportant": Uniform(0, 1)})
    hits = 0
    for problem, peak in enumerate(peaks):
        drawn = sampler_named(name).draw(space, trials, (problem, trials), ())
        hits += any(abs(params["important"] - peak) < WIDTH / 2 for params in drawn)
    return hits / len(peaks)


def trials_to_reach(hits: dict[int, float], share: float) -> int:
    """The fewest trials with which a share of the problems was solved."""
    return min((trials for trials, of_all in hits.items() if of_all >= share), default=max(hits) + 1)


@SECTION.claim(
    "F6",
    "Random beats grid when few dimensions matter.",
    expected="with one important dimension of two, n trials test n values of it instead of √n",
    cost=25,
)
def random_beats_grid(bench: Bench) -> Outcome:
    """Search where the learning rate matters and L2 does not, with the same number of trials from both samplers.

    Example:
        >>> import babysit as bs
        >>> from babysit.search.samplers import sampler_named
        >>> space = bs.Space({"lr": bs.LogUniform(1e-4, 10.0), "l2": bs.LogUniform(1e-9, 1e-6)})
        >>> for name in ("grid", "random"):
        ...     print(name, len({hp["lr"] for hp in sampler_named(name).draw(space, 9, [0], [])}))
        grid 3
        random 9
    """
    some = images()
    ranges = _ranges(bench.pick(4, 6) * len(bench.seeds))
    grid, random = (
        [
            one_round(some, {"lr": known, **UNIMPORTANT}, 9, 3, sampler=name, seed=seed)
            for seed, known in enumerate(ranges)
        ]
        for name in ("grid", "random")
    )
    best = [np.array([max(_scores(one)) for one in found]) for found in (grid, random)]
    shown = int((best[1] - best[0]).argmax())
    curves = (
        one_round(some, {"lr": ranges[shown]}, 40, 3, sampler="sobol"),
        one_round(some, {"lr": LogUniform(0.1, 0.1), **UNIMPORTANT}, bench.pick(12, 40), 3, sampler="sobol"),
    )
    problems = np.random.default_rng(0).uniform(WIDTH / 2, 1 - WIDTH / 2, bench.pick(100, 400))
    target = max(_scores(curves[0])) - 0.05
    sizes = [levels**2 for levels in range(1, 12)]
    hits = {name: {count: share_of_hits(name, count, problems) for count in sizes} for name in ("grid", "random")}
    needed = {name: trials_to_reach(hits[name], 0.9) for name in hits}
    return Outcome(
        [
            near(
                "values of the learning rate that 9 trials of the grid test",
                [_values(one) for one in grid],
                3,
                within=0,
            ),
            near("values that 9 random trials test", [_values(one) for one in random], 9, within=0),
            above("spread of accuracy over learning rates / over L2", _spread(curves[0]) / _spread(curves[1]), 3),
            above(
                f"ranges in which the best of 9 passes {target:.0%}, random − grid",
                float((best[1] > target).mean() - (best[0] > target).mean()),
                0.1,
                unit="%",
            ),
            told("ranges in which it does, grid", float((best[0] > target).mean()), unit="%"),
            told("ranges in which it does, random", float((best[1] > target).mean()), unit="%"),
            between("trials to reach the target in 9 of 10 problems, random", needed["random"], 4, 25),
            above("the same, grid / random", needed["grid"] / needed["random"], 3),
        ],
        [
            Drawing(
                "grid",
                f"Nine trials of a grid test {_values(grid[shown])} learning rates, nine random ones "
                f"{_values(random[shown])}; L2 does not matter. The best reach {percent(best[0][shown])} and "
                f"{percent(best[1][shown])} in the range where they differ most",
                lambda figure: _draw_layouts(figure, grid[shown], random[shown], curves, ranges[shown]),
                size=(7.6, 4.4),
            ),
            Drawing(
                "trials",
                f"To hit a tenth of the range of the one dimension that matters in nine of ten problems takes "
                f"{needed['random']} random trials and {needed['grid']} of a grid",
                lambda figure: _draw_hits(figure, hits),
            ),
        ],
        note=f"Trainings on digits, over {len(ranges)} ranges of eight decades; trials to reach a target on "
        f"{len(problems)} problems of two dimensions, of which one matters: it is reached in {WIDTH:.0%} of its range. "
        "Random is the search's own Latin hypercube.",
    )


def _ranges(count: int) -> list[LogUniform]:
    """Ranges of eight decades of learning rates, with the good ones somewhere inside."""
    lows = 10.0 ** np.random.default_rng(0).uniform(-8, -3, count)
    return [LogUniform(float(low), float(low * 1e8)) for low in lows]


def _values(found: StudyResult) -> int:
    return len({trial.params["lr"] for trial in found.trials})


def _spread(found: StudyResult) -> float:
    return float(np.std(_scores(found)))


def _draw_layouts(
    figure: Figure, grid: StudyResult, random: StudyResult, curves: tuple[StudyResult, StudyResult], drawn: LogUniform
) -> None:
    outer = figure.add_gridspec(1, 2)
    for place, (found, title) in enumerate(((grid, "grid"), (random, "random"))):
        part = outer[place].subgridspec(2, 2, height_ratios=[1, 2], width_ratios=[3, 1], hspace=0.06, wspace=0.06)
        axes = figure.add_subplot(part[1, 0])
        top, side = figure.add_subplot(part[0, 0], sharex=axes), figure.add_subplot(part[1, 1], sharey=axes)
        rates, decays = ([trial.params[name] for trial in found.trials] for name in ("lr", "l2"))
        axes.plot(rates, decays, color=BLUE, marker="o", markersize=7, linestyle="none")
        axes.set(xscale="log", yscale="log", xlabel="learning rate (matters)", ylim=(7e-10, 1.4e-6))
        axes.set_xlim(drawn.low / 2, drawn.high * 2)
        axes.set_ylabel("L2 (does not matter)" if place == 0 else "")
        _draw_marginal(top, curves[0], "lr", rates, GREEN)
        _draw_marginal(side, curves[1], "l2", decays, ORANGE, upright=True)
        top.set(title=title, ylim=(-5, 105), ylabel="accuracy (%)" if place == 0 else "")
        side.set(xlim=(-5, 105), xlabel="(%)")
        top.tick_params(labelbottom=False)
        side.tick_params(labelleft=False)


def _draw_marginal(
    axes: Axes, curve: StudyResult, name: str, tested: Sequence[float], colour: str, *, upright: bool = False
) -> None:
    """Accuracy along one hyperparameter, densely measured, and the values of it that were tested."""
    points = sorted(
        (trial.params[name], 100 * score) for trial, score in zip(curve.trials, _scores(curve), strict=True)
    )
    values, scores = np.array(points).T
    if upright:
        axes.fill_betweenx(values, scores, color=colour, alpha=0.35, linewidth=0)
        axes.plot(
            np.zeros(len(tested)), tested, color=BLUE, marker="_", markersize=9, markeredgewidth=1.5, linestyle="none"
        )
    else:
        axes.fill_between(values, scores, color=colour, alpha=0.35, linewidth=0)
        axes.plot(
            tested, np.zeros(len(tested)), color=BLUE, marker="|", markersize=9, markeredgewidth=1.5, linestyle="none"
        )
        heights = np.interp(np.log(tested), np.log(values), scores)
        axes.vlines(tested, 0, heights, color=BLUE, linewidth=0.8)


def _draw_hits(figure: Figure, hits: dict[str, dict[int, float]]) -> None:
    axes = figure.subplots()
    for (name, some), colour, dashes in zip(hits.items(), (RED, BLUE), ((0, (5, 1.5)), "-"), strict=True):
        axes.plot(
            list(some),
            [100 * share for share in some.values()],
            color=colour,
            linestyle=dashes,
            marker="o",
            markersize=4,
            label=name,
        )
    axes.axhline(90, color=GREY, linestyle=(0, (3, 2)), linewidth=1)
    axes.set(xlabel="trials", ylabel="problems solved (%)", ylim=(0, 104), xlim=(0, None))
    axes.legend(loc="lower right")

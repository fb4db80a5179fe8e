"""D4: for which learning rates and first weights a network trains, with and without batch normalisation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from babysit.data import read
from babysit.fit.settings import TrainSettings
from babysit.lab.drawing import SHADES
from babysit.lab.measures import above, told, true
from babysit.lab.normalization.section import SECTION
from babysit.lab.preprocessing.examples import prepared
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.models import MLPConfig, build
from babysit.search.engines import StackedEngine
from babysit.search.given import problem_of
from babysit.search.states import MemoryStates
from babysit.search.trials import TrialSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS, HIDDEN = 64, 4
"""As many units as digits have pixels, so that one standard deviation is He's for all layers."""

BELOW_BEST = 0.1
"""A network that ends this far below the best accuracy of all has not trained."""

Map = np.ndarray


@dataclass(frozen=True)
class Grid:
    """What is tried.

    Attributes:
        rates: Learning rates.
        scales: Factors on He's standard deviation.
        epochs: Of each training.
    """

    rates: tuple[float, ...]
    scales: tuple[float, ...]
    epochs: int

    @classmethod
    def of(cls, bench: Bench) -> Grid:
        """From a thousandth to thirty, in steps of √10 or of 10."""
        powers = [power / 2 for power in range(-6, 4, bench.pick(2, 1))]
        rates = tuple(10.0**power for power in powers)
        return cls(rates, tuple(10.0**power for power in powers), bench.pick(4, 6))


def accuracies(grid: Grid, seed: int, *, batch_norm: bool) -> Map:
    """Validation accuracy of every rate and scale, ``(rates, scales)``; NaN where the training diverged.

    Args:
        grid: What is tried.
        seed: Of the first weights and of the order of the examples.
        batch_norm: Normalise before each ReLU.
    """
    train, validation = prepared("mean-image,scale", read("digits"))

    def network(chosen: dict[str, Any]) -> nn.Module:
        std = chosen["scale"] * math.sqrt(2 / UNITS)
        config = MLPConfig((1, 8, 8), 10, hidden=(UNITS,) * HIDDEN, batch_norm=batch_norm, init=f"normal:{std!r}")
        return build(config, seed)

    settings = TrainSettings(optimizer="sgd", schedule="constant", batch_size=64)
    problem = problem_of(network, train, validation=validation, settings=settings)
    # nothing is given up early: what explodes may come back
    problem = dataclasses.replace(problem, kill_ratio=math.inf)
    cells = [(rate, scale) for rate in grid.rates for scale in grid.scales]
    trials = [
        TrialSpec(number, 0, {"lr": rate, "scale": scale}, seed, grid.epochs, order=seed)
        for number, (rate, scale) in enumerate(cells)
    ]
    engine = StackedEngine(problem, MemoryStates())
    ended = [outcome for group in engine.groups(trials) for outcome in engine.train(group, grid.epochs)]
    found = {outcome.number: outcome.score if math.isfinite(outcome.score) else math.nan for outcome in ended}
    return np.array([found[trial.number] for trial in trials]).reshape(len(grid.rates), len(grid.scales))


@dataclass(frozen=True)
class Maps:
    """Both maps of one seed."""

    plain: Map
    normalised: Map

    @property
    def enough(self) -> float:
        """The accuracy from which on a network counts as trained."""
        return float(np.nanmax([self.plain, self.normalised])) - BELOW_BEST

    def area(self, accuracy: Map) -> float:
        """Share of the cells that train."""
        return float(np.mean(np.nan_to_num(accuracy) >= self.enough))

    def span(self, accuracy: Map, axis: int, values: Sequence[float]) -> float:
        """Decades of rates (axis 0) or scales (axis 1) for which something trains."""
        trained = (np.nan_to_num(accuracy) >= self.enough).any(axis=1 - axis)
        chosen = np.asarray(values)[trained]
        return float(np.log10(chosen.max() / chosen.min())) if len(chosen) else 0.0


@SECTION.claim(
    "D4",
    "With batch normalisation a wider range of learning rates and of first weights trains.",
    expected="the area of rate × scale that trains is larger with batch norm, measured",
    cost=40,
)
def wider_ranges_train(bench: Bench) -> Outcome:
    """Train the same network at every rate from every scale of its weights, all of them as one program.

    Example:
        >>> import babysit as bs
        >>> digits = read("digits")
        >>> for batch_norm in (False, True):
        ...     config = MLPConfig((1, 8, 8), 10, hidden=(64,) * 4, batch_norm=batch_norm, init="normal:0.01")
        ...     fitted = bs.fit(build(config, seed=0), digits, optimizer="sgd", lr=1.0, epochs=4, batch_size=64)
        ...     print(fitted.best.score > 0.8)
        False
        True
    """
    grid = Grid.of(bench)
    maps = [
        Maps(accuracies(grid, seed, batch_norm=False), accuracies(grid, seed, batch_norm=True)) for seed in bench.seeds
    ]
    plain, normalised = ([one.area(getattr(one, kind)) for one in maps] for kind in ("plain", "normalised"))
    wider = [
        one / max(other, 1 / one_map.plain.size) for one, other, one_map in zip(normalised, plain, maps, strict=True)
    ]
    return Outcome(
        [
            above("area that trains, with / without", wider, 2),
            told("area that trains, with batch norm", normalised, unit="%"),
            told("area that trains, without", plain, unit="%"),
            true(
                "what trains without it trains with it at some rate",
                [bool((_scales(one, one.plain) <= _scales(one, one.normalised)).all()) for one in maps],
            ),
            told("scales that train, with", [one.span(one.normalised, 1, grid.scales) for one in maps], unit="decades"),
            told("scales that train, without", [one.span(one.plain, 1, grid.scales) for one in maps], unit="decades"),
            told("rates that train, with", [one.span(one.normalised, 0, grid.rates) for one in maps], unit="decades"),
            told("rates that train, without", [one.span(one.plain, 0, grid.rates) for one in maps], unit="decades"),
        ],
        [
            Drawing(
                "ranges",
                f"{100 * normalised[0]:.0f} % of all rates and scales train with batch normalisation, "
                f"{100 * plain[0]:.0f} % without",
                partial(_draw, grid=grid, maps=maps[0]),
                size=(7.4, 3.8),
            )
        ],
        note=f"{HIDDEN} hidden layers of {UNITS} ReLU units on digits, {grid.epochs} epochs of plain gradient descent; "
        f"trained is who ends within {100 * BELOW_BEST:.0f} points of the best accuracy of all.",
    )


def _scales(maps: Maps, accuracy: Map) -> Map:
    """Whether a scale trains at any rate."""
    trained: Map = (np.nan_to_num(accuracy) >= maps.enough).any(axis=0)
    return trained


def _draw(figure: Figure, grid: Grid, maps: Maps) -> None:
    from matplotlib import colormaps

    shades = colormaps[SHADES].with_extremes(bad="white")
    rates, scales = (np.log10(values) for values in (grid.rates, grid.scales))
    step = rates[1] - rates[0]
    extent = (scales[0] - step / 2, scales[-1] + step / 2, rates[0] - step / 2, rates[-1] + step / 2)
    both = figure.subplots(1, 2, sharey=True)
    for axes, accuracy, name in zip(both, (maps.plain, maps.normalised), ("without", "with"), strict=True):
        image = axes.imshow(accuracy, cmap=shades, vmin=0, vmax=1, origin="lower", extent=extent, aspect="auto")
        for row, column in zip(*np.nonzero(np.nan_to_num(accuracy) >= maps.enough), strict=True):
            axes.plot(scales[column], rates[row], ".", color="black", markersize=4)
        for row, column in zip(*np.nonzero(np.isnan(accuracy)), strict=True):
            axes.plot(scales[column], rates[row], "x", color="#8A9097", markersize=5)
        axes.grid(visible=False)
        axes.set_title(f"{name} batch norm: {100 * maps.area(accuracy):.0f} % train", loc="left")
        axes.set_xlabel("first weights, × He's standard deviation")
        whole = [power for power in range(-3, 2) if extent[0] < power < extent[1]]
        axes.set_xticks(whole, [f"$10^{{{power}}}$" for power in whole])
        axes.set_yticks(whole, [f"$10^{{{power}}}$" for power in whole])
    both[0].set_ylabel("learning rate")
    figure.colorbar(image, ax=both, label="validation accuracy  (• trained, × diverged)")

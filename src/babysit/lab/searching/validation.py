"""F1: the validation split decides, and the test split is not looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from babysit.data import Dataset, Splits, read
from babysit.lab.drawing import BLUE, GREY, ORANGE, RED
from babysit.lab.measures import below, near, told, true
from babysit.lab.searching.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn import MLPConfig, build
from babysit.rules._words import percent
from babysit.search import LogUniform, SearchResult, search

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRIALS = 16
SPACE = {"lr": LogUniform(1e-5, 1e-1), "l2": LogUniform(1e-5, 1e-1)}
"""For raw pixels of 0 to 16."""


class SealedSplits(Splits):
    """Splits of which the test split cannot be read."""

    def __getattribute__(self, name: str) -> Any:
        """Any attribute but ``test``."""
        if name == "test":
            raise AssertionError("the test split was looked at")
        return super().__getattribute__(name)


def sealed(dataset: Dataset) -> Dataset:
    """The same data set; whoever looks up its test split fails.

    Example:
        >>> sealed(read("digits")).inputs("test")
        Traceback (most recent call last):
        AssertionError: the test split was looked at
    """
    splits = dataset.splits
    return dataclasses.replace(dataset, splits=SealedSplits(splits.train, splits.validation, splits.test))


def without_test(dataset: Dataset, seed: int) -> Dataset:
    """The same data set with NaN for its test images, and their labels shuffled."""
    rows = dataset.splits.test
    x, y = dataset.x.astype(np.float32), dataset.y.copy()
    x[rows] = np.nan
    y[rows] = np.random.default_rng(seed).permutation(y[rows])
    return dataclasses.replace(dataset, x=x, y=y)


def without_validation(dataset: Dataset, seed: int) -> Dataset:
    """The same data set with the labels of its validation split shuffled."""
    y, rows = dataset.y.copy(), dataset.splits.validation
    y[rows] = np.random.default_rng(seed).permutation(y[rows])
    return dataclasses.replace(dataset, y=y)


def network(hp: Mapping[str, Any]) -> nn.Module:
    """The lecture's network for digits."""
    return build(MLPConfig((1, 8, 8), 10), int(torch.randint(2**31, ())))


def find(dataset: Dataset, seed: int) -> SearchResult:
    """A small search, one trial after the other, so that two of them can be compared bit by bit."""
    return search(network, dataset, space=SPACE, trials=TRIALS, epochs=6, seed=seed, engine="single", workers=1)


def trials_of(found: SearchResult) -> list[tuple[Any, ...]]:
    """What was tried and how it went."""
    return [(trial.params, trial.status, trial.steps, trial.loss, trial.score) for trial in found.trials]


@SECTION.claim(
    "F1",
    "Validation performance decides; the test split is kept for the end.",
    expected="the same trials, bit for bit, with a test split that cannot be read, or has been destroyed",
    cost=12,
)
def the_validation_split_decides(bench: Bench) -> Outcome:
    """Search with a sealed test split, with a destroyed one, and with shuffled validation labels.

    Example:
        >>> import babysit as bs
        >>> from babysit.lab.searching import validation
        >>> digits = validation.sealed(validation.read("digits"))
        >>> found = bs.search(validation.network, digits, space=validation.SPACE, trials=6, epochs=3, workers=1)
        >>> found.score > 0.5
        True
    """
    dataset = read("digits")
    found = [find(dataset, seed) for seed in bench.seeds]
    closed = [find(sealed(dataset), seed) for seed in bench.seeds]
    destroyed = [find(without_test(dataset, seed), seed) for seed in bench.seeds]
    shuffled = [find(without_validation(dataset, seed), seed) for seed in bench.seeds]
    examples = len(dataset.splits.validation)
    return Outcome(
        [
            true("same trials with a sealed test split", _same(found, closed)),
            true("same trials with a destroyed test split", _same(found, destroyed)),
            true("the best has the highest validation accuracy of the finalists", map(_best_leads, found)),
            below("best accuracy where validation labels are shuffled", [one.score for one in shuffled], 0.2, unit="%"),
            near(
                "initial losses changed by that (training is as before)",
                [_initial(one) - _initial(other) for one, other in zip(found, shuffled, strict=True)],
                0,
                within=1e-6,
            ),
            told("validation accuracy of the best", [one.score for one in found], unit="%"),
        ],
        [
            Drawing(
                "validation",
                f"{len(found[0].trials)} trials score the same, up to {percent(found[0].score)}, whether there is a "
                f"test split or not; with shuffled validation labels the best of them has {percent(shuffled[0].score)}",
                lambda figure: _draw(figure, found[0], destroyed[0], shuffled[0]),
                size=(6.4, 3.9),
            )
        ],
        note=f"On digits, {examples} of which are for validation.",
    )


def _same(found: Sequence[SearchResult], others: Sequence[SearchResult]) -> list[bool]:
    return [trials_of(one) == trials_of(other) for one, other in zip(found, others, strict=True)]


def _best_leads(found: SearchResult) -> bool:
    """Whether nothing in the final round has a higher mean validation score than what was chosen."""
    scores: dict[str, list[float]] = {}
    for trial in found.trials:
        if trial.round == found.rounds[-1].number:
            scores.setdefault(repr(trial.params), []).append(trial.score)
    means = {params: float(np.mean(some)) for params, some in scores.items()}
    return means[repr(found.best)] == max(means.values())


def _initial(found: SearchResult) -> float:
    return float(np.mean([trial.initial_loss for trial in found.trials if trial.round == 0]))


def _draw(figure: Figure, found: SearchResult, destroyed: SearchResult, shuffled: SearchResult) -> None:
    axes = figure.subplots()
    looks: tuple[tuple[SearchResult, str, dict[str, Any]], ...] = (
        (found, "as it is", {"color": BLUE, "marker": "o", "markersize": 4}),
        (destroyed, "test split destroyed", {"color": ORANGE, "marker": "o", "markersize": 9, "fillstyle": "none"}),
        (shuffled, "validation labels shuffled", {"color": RED, "marker": "x", "markersize": 6}),
    )
    for some, label, style in looks:
        known = [(trial.number + 1, 100 * trial.score) for trial in some.trials if np.isfinite(trial.score)]
        axes.plot(*zip(*known, strict=True), linestyle="none", label=label, **style)
    axes.axhline(10, color=GREY, linestyle=(0, (3, 2)), linewidth=1)
    axes.annotate(
        "guessing",
        (0.995, 10),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
    )
    axes.set(xlabel="trial", ylabel="validation accuracy (%)", ylim=(-2, 103))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)

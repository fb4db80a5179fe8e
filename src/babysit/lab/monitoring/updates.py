"""G8: the size of the updates beside that of the weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from babysit.lab.drawing import BLUE, GREEN, GREY, RED
from babysit.lab.measures import above, below, between, named, told, true
from babysit.lab.monitoring.script import Settings
from babysit.lab.monitoring.section import SECTION
from babysit.lab.monitoring.watched import Watched, digits, distinct, watch
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.rules._updates import median_ratios, ratios, working_steps
from babysit.rules._words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TINY = Settings(depth=2, batch_size=32, momentum=0.0, lr=1e-5, epochs=1)
"""One pass: long before a loss curve says anything, the updates do."""
HUGE = dataclasses.replace(TINY, lr=2.0, weight_decay=0.02)
USUAL = dataclasses.replace(TINY, lr=0.1, epochs=8)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
SHOWN = 39
"""Steps whose updates are drawn: the last one of a pass has fewer examples."""
QUICK_RATES = (0.003, 0.03, 0.3, 1.0, 3.0)
GOOD_ENOUGH = 0.03
"""How far below the best validation accuracy a rate may end and still count as a good one."""
RULE_OF_THUMB = 1e-3
BAND = (1e-4, 1e-2)
"""An order of magnitude on either side of it."""


def ratio(seen: Watched) -> float:
    """Update norm over weight norm: the median over the sampled steps, of the middle layer.

    Example:
        >>> 1e-6 < ratio(watch(digits(), TINY)) < 2e-6
        True
    """
    return median(median_ratios(working_steps(seen.record)).values())


@SECTION.claim(
    "G8",
    "Updates are about a thousandth of the weights, with “a lot of variance in this range”; far less is too small, far "
    "more too large.",
    expected="1e-5 and below named UPD001, 0.2 and above named UPD002; good rates between 1e-4 and 1e-2",
    cost=25,
)
def the_size_of_the_updates(bench: Bench) -> Outcome:
    """Measure the updates of trainings at many rates.

    Example:
        >>> from babysit.lab.monitoring import updates, watched
        >>> for settings in (updates.TINY, updates.HUGE):
        ...     seen = watched.watch(watched.digits(), settings)
        ...     print(f"{updates.ratio(seen):.0e}", [finding.code for finding in seen.findings])
        1e-06 ['UPD001']
        2e-01 ['UPD002']
    """
    tiny, usual, huge = (
        [watch(digits(), dataclasses.replace(settings, seed=seed)) for seed in bench.seeds]
        for settings in (TINY, USUAL, HUGE)
    )
    rates = bench.pick(QUICK_RATES, RATES)
    seeds = bench.seeds[: bench.pick(1, 3)]
    swept = [[watch(digits(), dataclasses.replace(USUAL, lr=lr, seed=seed)) for seed in seeds] for lr in rates]
    measured = np.array([[ratio(seen) for seen in some] for some in swept])
    scores = np.array([[seen.scores[-1] for seen in some] for some in swept])
    good = measured[np.median(scores, axis=1) >= np.median(scores, axis=1).max() - GOOD_ENOUGH]
    return Outcome(
        [
            named("UPD001", [seen.findings for seen in tiny], name=f"lr {TINY.lr:g}: named by UPD001"),
            named("UPD002", [seen.findings for seen in huge], name=f"lr {HUGE.lr:g}: named by UPD002"),
            true(f"lr {USUAL.lr:g}: neither is named", [not seen.findings for seen in usual]),
            below(f"lr {TINY.lr:g}: update / weights", map(ratio, tiny), 1e-5),
            between(f"lr {USUAL.lr:g}: update / weights", map(ratio, usual), *BAND),
            above(f"lr {HUGE.lr:g}: update / weights", map(ratio, huge), 0.2),
            between("lowest update / weights that ends well", float(good.min()), *BAND),
            told("highest", float(good.max())),
            above("decades between them", math.log10(good.max() / good.min()), 0.5),
            told(
                f"update / weights at the best rate, lr {rates[int(scores.mean(axis=1).argmax())]:g}",
                measured[scores.mean(axis=1).argmax()],
            ),
        ],
        [
            Drawing(
                "updates",
                f"Updates of {ratio(tiny[0]):.0e} of the weights do nothing, of {ratio(huge[0]):.1f} replace them; "
                f"from {good.min():.0e} to {good.max():.0e} the network ends within {percent(GOOD_ENOUGH)} of its best",
                lambda figure: _draw(figure, (tiny[0], usual[0], huge[0]), measured, scores),
                size=(7.2, 3.8),
                finding=huge[0].finding("UPD002"),
            )
        ],
        distinct([*tiny, *huge]),
        subtle=_compare(measured, scores, good),
        note="On digits. UPD001 and UPD002 are read after one pass of 40 steps; of longer trainings at these rates "
        "LOS003 and LOS004 are the headline and the updates their symptom. The rates are of SGD without momentum.",
    )


def _compare(measured: np.ndarray, scores: np.ndarray, good: np.ndarray) -> str:
    """What is to be said where a thousandth is not among the good ones."""
    if good.min() <= RULE_OF_THUMB <= good.max():
        return ""
    at = np.abs(np.log(measured.mean(axis=1) / RULE_OF_THUMB)).argmin()
    return (
        f"In a training as short as this, of {USUAL.epochs} epochs, more pays than the lecture's thousandth: updates "
        f"of {good.min():.1g} to {good.max():.1g} of the weights end within {percent(GOOD_ENOUGH)} of the best "
        f"accuracy, {percent(float(scores.mean(axis=1).max()))}; the rate nearest to it ({measured[at].mean():.1g}) "
        f"ends at {percent(float(scores[at].mean()))}. There is a lot of variance in this range, as the lecture says."
    )


def _draw(figure: Figure, traced: Sequence[Watched], measured: np.ndarray, scores: np.ndarray) -> None:
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1])
    for seen, colour in zip(traced, (BLUE, GREEN, RED), strict=True):
        _draw_traces(left, seen, colour)
    left.set(yscale="log", xlabel="step", ylabel="update norm / weight norm", xlim=(0, SHOWN), ylim=(1e-7, 3))
    right.axvspan(*BAND, color=GREEN, alpha=0.12, linewidth=0)
    left.axhspan(*BAND, color=GREEN, alpha=0.12, linewidth=0)
    right.annotate(
        "around 1e-3", (1e-3, 0.03), xycoords=("data", "axes fraction"), ha="center", color=GREEN, fontsize=8.5
    )
    right.plot(np.median(measured, axis=1), 100 * np.median(scores, axis=1), color=GREY, linewidth=1)
    right.plot(measured.ravel(), 100 * scores.ravel(), color=BLUE, marker="o", markersize=4, linestyle="none")
    right.set(
        xscale="log", xlabel="update norm / weight norm (median)", ylabel="validation accuracy after 8 epochs (%)"
    )


def _draw_traces(axes: Axes, seen: Watched, colour: str) -> None:
    """A line a layer, and the rate and the verdict above them."""
    modules = list(median_ratios(seen.record.steps))
    for module, dashes in zip(modules, ("-", (0, (5, 1.5)), (0, (1, 1))), strict=False):
        points = [
            (step, layer.update_ratio)
            for step, layer in seen.record.layer(module)
            if step < SHOWN and layer.update_ratio
        ]
        axes.plot(*zip(*points, strict=True), color=colour, linestyle=dashes, linewidth=1.2)
    top = max(max(values) for values in ratios(seen.record.steps[SHOWN // 2 : SHOWN]).values())
    label = f"lr {seen.settings.lr:g}: {', '.join(seen.codes) or 'no finding'}"
    axes.annotate(label, (SHOWN, top), (-3, 4), textcoords="offset points", ha="right", color=colour, fontsize=8.5)

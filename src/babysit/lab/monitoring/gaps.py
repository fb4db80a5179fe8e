"""G6 and G7: what the gap between training and validation accuracy says about regularisation and capacity."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from babysit.lab.drawing import BLUE, ORANGE, RED
from babysit.lab.measures import above, below, between, named, told
from babysit.lab.monitoring.script import Data, Settings
from babysit.lab.monitoring.section import SECTION
from babysit.lab.monitoring.watched import Watched, digits, distinct, first_with, watch
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.rules._pairs import pairs
from babysit.rules._words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RELABELLED = 0.3
"""Share of the training labels that are drawn anew at random, so that there is something to memorise."""
WIDE = Settings(depth=1, width=200, activation="ReLU", epochs=30)
DECAY = 0.01
"""Weight decay that keeps the wide network from memorising."""
NARROW = Settings(depth=1, width=1, lr=0.04, batch_size=128, epochs=60)
WIDTHS = (1, 2, 4, 8, 16, 32, 64)


def mislabelled(seed: int) -> Data:
    """Digits with some wrong labels in the training split; the validation split is as it was.

    Example:
        >>> wrong = (mislabelled(0)[1] != digits()[1]).float().mean().item()
        >>> 0.24 < wrong < 0.3  # a tenth of those that are drawn anew are right all the same
        True
    """
    x, y, x_validation, y_validation = digits()
    generator = Bench.generator(seed)
    anew = torch.rand(len(y), generator=generator) < RELABELLED
    labels = torch.where(anew, torch.randint(0, 10, (len(y),), generator=generator), y)
    return x, labels, x_validation, y_validation


def final_pair(seen: Watched) -> tuple[float, float]:
    """Accuracy after the last epoch: of its batches as they were trained on, and of the validation images."""
    last = pairs(seen.record)[-1]
    return last.train.score, last.validation.score


@SECTION.claim(
    "G6",
    "A large gap between training and validation accuracy is overfitting: increase the regularisation.",
    expected="named GEN001; weight decay closes the gap and raises the validation accuracy",
    cost=15,
)
def a_large_gap(bench: Bench) -> Outcome:
    """Let a wide network memorise wrong labels, and keep it from doing so.

    Example:
        >>> from babysit.lab.monitoring import gaps, watched
        >>> seen = watched.watch(gaps.mislabelled(0), gaps.WIDE)
        >>> [finding.code for finding in seen.findings]
        ['GEN001']
        >>> train, validation = gaps.final_pair(seen)
        >>> train > 0.95, validation < 0.8
        (True, True)
    """
    free = [watch(mislabelled(seed), dataclasses.replace(WIDE, seed=seed)) for seed in bench.seeds]
    held = [watch(mislabelled(seed), dataclasses.replace(WIDE, seed=seed, weight_decay=DECAY)) for seed in bench.seeds]
    scores, scores_held = ([final_pair(seen) for seen in some] for some in (free, held))
    gaps, gaps_held = ([train - validation for train, validation in some] for some in (scores, scores_held))
    better = [after - before for (_, before), (_, after) in zip(scores, scores_held, strict=True)]
    return Outcome(
        [
            named("GEN001", [seen.findings for seen in free]),
            above("gap without weight decay", gaps, 0.1, unit="%"),
            below(f"gap with weight decay {DECAY:g}", gaps_held, 0.03, unit="%"),
            above("validation accuracy gained by it", better, 0.05, unit="%"),
            told("validation accuracy without", [validation for _, validation in scores], unit="%"),
            told("validation accuracy with", [validation for _, validation in scores_held], unit="%"),
        ],
        [
            Drawing(
                "gap",
                f"Without regularisation a gap of {percent(gaps[0])} opens; with weight decay {DECAY:g} the network "
                f"no longer memorises: validation rises from {percent(scores[0][1])} to {percent(scores_held[0][1])}",
                lambda figure: _draw_gaps(figure, free[0], held[0]),
                size=(6.8, 3.6),
                finding=first_with("GEN001", free),
            )
        ],
        distinct(free),
        note=f"On digits of which {RELABELLED:.0%} of the training labels were drawn anew at random: training accuracy "
        "is that on these labels, validation accuracy that on right ones.",
    )


def _draw_gaps(figure: Figure, free: Watched, held: Watched) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_accuracies(left, free, "no weight decay")
    _draw_accuracies(right, held, f"weight decay {DECAY:g}")
    left.set_ylabel("accuracy (%)")
    left.legend(loc="lower right")


def _draw_accuracies(axes: Axes, seen: Watched, title: str) -> None:
    found = pairs(seen.record)
    epochs = [pair.validation.epoch for pair in found]
    train, validation = (
        np.array([100 * side.score for side in sides])
        for sides in ([pair.train for pair in found], [pair.validation for pair in found])
    )
    axes.fill_between(
        epochs,
        train,
        validation,
        where=(train > validation).tolist(),
        color=ORANGE,
        alpha=0.25,
        linewidth=0,
        label="gap",
    )
    axes.plot(epochs, train, color=BLUE, linestyle="-", label="training")
    axes.plot(epochs, validation, color=RED, linestyle=(0, (5, 1.5)), label="validation")
    axes.set(xlabel="epoch", title=title)


@SECTION.claim(
    "G7",
    "No gap says that nothing is overfitted yet: the capacity could be increased.",
    expected="named GEN002; gap within 3 % or its sampling error; wider networks do better on both splits",
    cost=15,
)
def no_gap(bench: Bench) -> Outcome:
    """Train a network that is too small, and wider ones.

    Example:
        >>> from babysit.lab.monitoring import gaps, watched
        >>> seen = watched.watch(watched.digits(), gaps.NARROW)
        >>> seen.findings[0].message[-30:]
        'a larger network may do better'
    """
    widths = bench.pick((1, 4, 64), WIDTHS)
    seen = {
        width: [watch(digits(), dataclasses.replace(NARROW, width=width, seed=seed)) for seed in bench.seeds]
        for width in widths
    }
    scores = {width: np.array([final_pair(one) for one in some]) for width, some in seen.items()}
    narrow, wide = scores[widths[0]], scores[widths[-1]]
    gaps = narrow[:, 0] - narrow[:, 1]
    return Outcome(
        [
            named("GEN002", [one.findings for one in seen[1]]),
            between("gap with 1 hidden unit", gaps, -0.08, 0.08, unit="%"),
            above("training accuracy gained by 64 units", wide[:, 0] - narrow[:, 0], 0.5, unit="%"),
            above("validation accuracy gained by 64 units", wide[:, 1] - narrow[:, 1], 0.5, unit="%"),
            told("validation accuracy with 1 unit", narrow[:, 1], unit="%"),
            told("validation accuracy with 64 units", wide[:, 1], unit="%"),
        ],
        [
            Drawing(
                "capacity",
                f"With one hidden unit training and validation agree at {percent(float(np.median(narrow)))}; more "
                f"units take both up: {widths[-1]} get {percent(float(np.median(wide[:, 1])))} of the latter",
                lambda figure: _draw_capacity(figure, scores),
                finding=first_with("GEN002", seen[1]),
            )
        ],
        distinct(seen[1]),
        note="On digits. With 270 validation images a gap has a standard error of about 3 %, and GEN002 counts a gap "
        "within one of them as none: by sampling error alone it is silent in about one of six such trainings.",
    )


def _draw_capacity(figure: Figure, scores: dict[int, np.ndarray]) -> None:
    axes = figure.subplots()
    widths = list(scores)
    for place, (label, colour, dashes) in enumerate((("training", BLUE, "-"), ("validation", RED, (0, (5, 1.5))))):
        columns = [100 * some[:, place] for some in scores.values()]
        axes.plot(
            widths,
            [float(np.median(column)) for column in columns],
            color=colour,
            linestyle=dashes,
            marker="o",
            markersize=4,
            label=label,
        )
        axes.fill_between(
            widths,
            [column.min() for column in columns],
            [column.max() for column in columns],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    axes.set_xscale("log", base=2)
    axes.set(
        xlabel="hidden units",
        ylabel="accuracy (%)",
        xticks=widths,
        xticklabels=[str(width) for width in widths],
        ylim=(0, 102),
    )
    axes.minorticks_off()
    axes.legend(loc="lower right")

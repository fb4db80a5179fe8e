"""F2 and F5: coarse, then fine; and what happens where the best lie at the edge of a range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from babysit.lab.asking import first
from babysit.lab.drawing import GREY
from babysit.lab.measures import above, below, named, told, true
from babysit.lab.searching.clouds import draw_cloud
from babysit.lab.searching.problems import alive, decades, images
from babysit.lab.searching.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.record import RoundRecord
from babysit.rules._words import number, percent
from babysit.search import LogUniform, SearchResult, search

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = {"lr": LogUniform(1e-5, 10.0), "l2": LogUniform(1e-6, 1.0)}
LOW = {"lr": LogUniform(1e-7, 1e-4)}
"""Ends short of the rates that train best."""


def median_score(found: SearchResult, record: RoundRecord) -> float:
    """The middle validation score of a round's trials, killed ones counted as nothing."""
    return float(np.median([max(trial.score, 0.0) for trial in found.trials if trial.round == record.number]))


def _rounds(found: SearchResult, name: str) -> list[RoundRecord]:
    return [record for record in found.rounds if record.name == name]


@SECTION.claim(
    "F2",
    "Search in stages: coarse, with few epochs over a wide range; then fine, longer, over a narrowed one.",
    expected="the fine range is narrower, its trials longer and their middle one better",
    cost=30,
)
def coarse_then_fine(bench: Bench) -> Outcome:
    """Search over many decades and look at what each stage drew from.

    Example:
        >>> import babysit as bs
        >>> from babysit.lab.searching import problems, stages
        >>> some = problems.images()
        >>> found = bs.search(some.network, some.train, validation=some.validation, space=stages.WIDE, trials=24,
        ...                   epochs=12, batch_size=64, workers=1)
        >>> [(record.name, record.epochs) for record in found.rounds]
        [('coarse', 1.5), ('fine', 4.8), ('final', 12)]
    """
    some = images()
    found = [
        search(
            some.network, some.train, validation=some.validation, space=WIDE, seed=seed, workers=1,
            trials=bench.pick(24, 64), epochs=12, batch_size=64,
        )
        for seed in bench.seeds
    ]  # fmt: skip
    coarse = [one.rounds[0] for one in found]
    fine = [_rounds(one, "fine")[-1] for one in found]
    widths, widths_fine = ([decades(record.ranges["lr"]) for record in records] for records in (coarse, fine))
    scores, scores_fine = (
        [median_score(one, record) for one, record in zip(found, records, strict=True)] for records in (coarse, fine)
    )
    first = found[0]
    return Outcome(
        [
            above(
                "epochs of a fine trial / of a coarse one",
                [f.epochs / c.epochs for f, c in zip(fine, coarse, strict=True)],
                1,
            ),
            below("decades of the learning rate, last fine / coarse", np.divide(widths_fine, widths), 0.7),
            above(
                "middle validation accuracy gained by the fine stage", np.subtract(scores_fine, scores), 0.1, unit="%"
            ),
            told("middle validation accuracy, coarse", scores, unit="%"),
            told("middle validation accuracy, last fine", scores_fine, unit="%"),
            told("validation accuracy of the best", [one.score for one in found], unit="%"),
        ],
        [
            Drawing(
                "stages",
                f"Coarse over {number(widths[0])} decades of learning rate: half of the trials reach "
                f"{percent(scores[0])}; fine over {widths_fine[0]:.1f} decades: {percent(scores_fine[0])}",
                lambda figure: _draw_stages(figure, first),
                size=(7.0, 4.4),
            )
        ],
        [finding for one in found[:1] for finding in one.findings],
        note=f"On digits. {first.notes[0]}.",
    )


def _draw_stages(figure: Figure, found: SearchResult) -> None:
    axes = figure.subplots()
    draw_cloud(figure, axes, found.trials, found.rounds, ("lr", "l2"))
    axes.margins(0.08)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)


@SECTION.claim(
    "F5",
    "Best values at the edge of the range mean that the range is wrong: shift it.",
    expected="named SRC001; the next stage draws from past that edge and finds better",
    cost=30,
)
def the_best_at_the_edge(bench: Bench) -> Outcome:
    """Search a range whose best value lies beyond its upper end: once kept as it is, once free to move.

    Example:
        >>> import babysit as bs
        >>> from babysit.lab.searching import problems, stages
        >>> some = problems.images()
        >>> found = bs.search(some.network, some.train, validation=some.validation, space=stages.LOW, trials=48,
        ...                   epochs=10, batch_size=32, moves=0, workers=1)
        >>> [finding.code for finding in found.findings]
        ['SRC001']
    """
    some = images()
    kept, free = (
        [
            search(
                some.network, some.train, validation=some.validation, space=LOW, trials=48, epochs=10,
                batch_size=32, seed=seed, moves=moves, workers=1,
            )
            for seed in bench.seeds
        ]
        for moves in (0, 3)
    )  # fmt: skip
    ends = [[_high(record) for record in one.rounds] for one in free]
    gained = [one.score - other.score for one, other in zip(free, kept, strict=True)]
    finding = first("SRC001", *(one.findings for one in kept))
    return Outcome(
        [
            named("SRC001", [one.findings for one in kept], name="range kept as it was: named by SRC001"),
            true(
                "range free to move: the next stage goes past the edge", [second > first for first, second, *_ in ends]
            ),
            above("decades it moved in all", [np.log10(max(of_one) / of_one[0]) for of_one in ends], 1),
            true(
                "the best learning rate lies past the first range",
                [one.best["lr"] > of_one[0] for one, of_one in zip(free, ends, strict=True)],
            ),
            above("validation accuracy gained by moving", gained, 0.05, unit="%"),
            told("validation accuracy, range kept", [one.score for one in kept], unit="%"),
            told("validation accuracy, range moved", [one.score for one in free], unit="%"),
        ],
        [
            Drawing(
                "edge",
                f"The best coarse trials lie at the upper edge, {ends[0][0]:g}; free to move, the search goes up to "
                f"{max(ends[0]):.2g} and finds {percent(free[0].score)} instead of {percent(kept[0].score)}",
                lambda figure: _draw_edge(figure, kept[0], free[0]),
                size=(7.2, 3.8),
                finding=finding,
            )
        ],
        kept[0].findings,
        note="On digits.",
    )


def _high(record: RoundRecord) -> float:
    high = record.ranges["lr"].high
    assert high is not None
    return high


def _draw_edge(figure: Figure, kept: SearchResult, free: SearchResult) -> None:
    panels = figure.subplots(1, 2, sharey=True, sharex=True)
    for axes, found, title in zip(panels, (kept, free), ("range kept", "range free to move"), strict=True):
        for record in found.rounds:
            known = [trial for trial in alive(found.trials) if trial.round == record.number]
            axes.plot(
                [trial.params["lr"] for trial in known], [100 * trial.score for trial in known], linestyle="none",
                marker="osD^vP"[record.number % 6], markersize=5, label=f"{record.number + 1}: {record.name}",
            )  # fmt: skip
        axes.axvline(_high(found.rounds[0]), color=GREY, linestyle=(0, (3, 2)), linewidth=1.2)
        axes.set(xscale="log", xlabel="learning rate", title=title)
    panels[0].set_ylabel("validation accuracy (%)")
    panels[0].annotate(
        "edge of the\nfirst range", (_high(kept.rounds[0]), 0.05), xycoords=("data", "axes fraction"), xytext=(4, 0),
        textcoords="offset points", fontsize=8.5,
    )  # fmt: skip
    panels[1].legend(loc="lower right", title="round")

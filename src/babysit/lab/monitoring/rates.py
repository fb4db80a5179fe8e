"""G1 to G4: what the loss curve says about the learning rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from babysit.lab.drawing import BLUE, GREEN, GREY, ORANGE, RED
from babysit.lab.measures import above, below, between, named, told, true
from babysit.lab.monitoring.script import Settings
from babysit.lab.monitoring.section import SECTION
from babysit.lab.monitoring.watched import Watched, digits, distinct, first_with, same_as_script, smooth, watch
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.rules._curve import Curve
from babysit.rules._words import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORK = Settings(depth=3, batch_size=32, epochs=8)
"""Three hidden layers of 64 tanh units, on digits, for 320 steps."""
TOO_LOW, GOOD, HIGH, TOO_HIGH = 1e-4, 0.02, 0.3, 5.0
"""Learning rates of SGD with momentum 0.9 for it."""
BROKEN = dataclasses.replace(NETWORK, activation="ReLU", lr=1e3)
"""With rectifiers, which have no upper limit, a loss that explodes ends in NaN."""
NOTE = "On digits, which all of this section is trained on."
_STYLES = {
    TOO_LOW: (BLUE, (0, (1, 1))),
    GOOD: (GREEN, "-"),
    HIGH: (ORANGE, (0, (6, 1.5, 1, 1.5))),
    TOO_HIGH: (RED, (0, (5, 1.5))),
}


def trained(lr: float, seeds: Sequence[int]) -> list[Watched]:
    """The network trained at a learning rate, once a seed."""
    return [watch(digits(), dataclasses.replace(NETWORK, lr=lr, seed=seed)) for seed in seeds]


def draw_loss(axes: Axes, seen: Watched, label: str = "", **style: object) -> None:
    """The loss of every step faintly, and its running mean in full."""
    colour, dashes = _STYLES.get(seen.settings.lr, (RED, "-"))
    steps = np.arange(len(seen.losses))
    axes.plot(steps, seen.losses, color=colour, linestyle="-", linewidth=0.6, alpha=0.35)
    axes.plot(steps, smooth(seen.losses), color=colour, linestyle=dashes, label=label, **style)  # type: ignore[arg-type]
    axes.set(xlabel="step", ylabel="training loss (nats)")


@SECTION.claim(
    "G1",
    "A loss that explodes says that the learning rate is too high.",
    expected="over 3 × the initial loss, or NaN; named LOS002 or LOS001, also by babysit run",
    cost=12,
)
def the_loss_explodes(bench: Bench) -> Outcome:
    """Train at rates far too high and read what is found.

    Example:
        >>> import torch, babysit as bs
        >>> x = torch.randn(512, 4, generator=torch.Generator().manual_seed(0))
        >>> y = (x[:, 0] > 0).long()
        >>> result = bs.fit(torch.nn.Linear(4, 2), (x, y), lr=1e3, epochs=10, batch_size=16)
        >>> [finding.code for finding in result.findings]
        ['LOS002']
    """
    exploding = trained(TOO_HIGH, bench.seeds)
    broken = [watch(digits(), dataclasses.replace(BROKEN, seed=seed)) for seed in bench.seeds]
    peaks = [Curve.of(seen.record).losses.max() / Curve.of(seen.record).initial for seen in exploding]
    steps = [int(np.flatnonzero(~np.isfinite(seen.losses))[0]) for seen in broken]
    return Outcome(
        [
            named("LOS002", [seen.findings for seen in exploding], name=f"tanh, lr {TOO_HIGH:g}: named by LOS002"),
            named("LOS001", [seen.findings for seen in broken], name=f"ReLU, lr {BROKEN.lr:g}: named by LOS001"),
            above("tanh: highest loss / initial", peaks, 3),
            told("ReLU: first step with a loss that is no number", steps),
            same_as_script(digits(), exploding[0]),
        ],
        [
            Drawing(
                "explodes",
                f"At lr {TOO_HIGH:g} the loss climbs to {number(peaks[0])} times its initial level; with "
                f"rectifiers at lr {BROKEN.lr:g} it is NaN at step {steps[0]}",
                lambda figure: _draw_explosions(figure, exploding[0], broken[0]),
                finding=exploding[0].finding("LOS002"),
            )
        ],
        distinct([*exploding, *broken]),
        note=NOTE,
    )


def _draw_explosions(figure: Figure, exploding: Watched, broken: Watched) -> None:
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    draw_loss(left, exploding)
    left.axhline(3 * Curve.of(exploding.record).initial, color=GREY, linestyle=(0, (3, 2)), linewidth=1)
    left.annotate(
        "3 × the initial loss", (len(exploding.losses), 3 * Curve.of(exploding.record).initial), xytext=(0, -11),
        textcoords="offset points", ha="right", fontsize=8.5,
    )  # fmt: skip
    left.set(yscale="log", title=f"tanh, lr {exploding.settings.lr:g}")
    finite = broken.losses[np.isfinite(broken.losses)]
    right.plot(finite, color=BLUE, marker="o", markersize=5)
    right.axvline(len(finite), color=RED, linestyle=(0, (5, 1.5)))
    right.annotate("NaN", (len(finite), 1), (-4, 2), textcoords="offset points", color=RED, ha="right", fontsize=8.5)
    right.set(yscale="log", xlabel="step", xticks=range(len(finite) + 1), title=f"ReLU, lr {broken.settings.lr:g}")


@SECTION.claim(
    "G2",
    "A loss that falls slowly, almost along a straight line, says that the learning rate is too low.",
    expected="named LOS003, also by babysit run; the curve is nearly straight",
    cost=10,
)
def the_loss_falls_slowly(bench: Bench) -> Outcome:
    """Train at a rate far too low and read what is found.

    Example:
        >>> import torch, babysit as bs
        >>> x = torch.randn(512, 4, generator=torch.Generator().manual_seed(0))
        >>> y = (x[:, 0] > 0).long()
        >>> result = bs.fit(torch.nn.Sequential(torch.nn.Linear(4, 2)), (x, y), lr=1e-5, epochs=10, batch_size=16)
        >>> [finding.code for finding in result.findings]
        ['LOS003']
    """
    seen = trained(TOO_LOW, bench.seeds)
    good = trained(GOOD, bench.seeds[:1])[0]
    levels = [Curve.of(one.record).levels() for one in seen]
    fell = [1 - level[-1] / level[0] for level in levels]
    bends = [_bend(level) for level in levels]
    ten_times = trained(10 * TOO_LOW, bench.seeds)
    faster = [1 - Curve.of(one.record).final / level[0] for one, level in zip(ten_times, levels, strict=True)]
    return Outcome(
        [
            named("LOS003", [one.findings for one in seen]),
            between("share of the fall in the second half (0.5: a line)", bends, 0.3, 0.8),
            below("share the loss fell in 320 steps", fell, 0.25, unit="%"),
            told("share it falls with the remedy, 10 × the rate", faster, unit="%"),
            told("validation accuracy", [one.scores[-1] for one in seen], unit="%"),
            same_as_script(digits(), seen[0]),
        ],
        [
            Drawing(
                "slow",
                f"At lr {TOO_LOW:g} the loss falls by {percent(fell[0])} in {len(seen[0].losses)} steps, "
                f"{percent(bends[0])} of that in the second half: nearly a straight line",
                lambda figure: _draw_slow(figure, seen[0], good),
                finding=seen[0].finding("LOS003"),
            )
        ],
        distinct(seen),
        note=NOTE,
    )


def _bend(levels: np.ndarray) -> float:
    """Share of the fall that happened after the middle."""
    middle = float(levels[len(levels) // 2 - 1 : len(levels) // 2 + 1].mean())
    fall = float(levels[0] - levels[-1])
    return (middle - float(levels[-1])) / fall if fall > 0 else math.nan


def _draw_slow(figure: Figure, slow: Watched, good: Watched) -> None:
    axes = figure.subplots()
    draw_loss(axes, slow, f"lr {slow.settings.lr:g}")
    draw_loss(axes, good, f"lr {good.settings.lr:g}")
    axes.axhline(math.log(10), color=GREY, linestyle=(0, (3, 2)), linewidth=1)
    axes.annotate("guessing: ln 10", (320, math.log(10)), (0, 3), textcoords="offset points", ha="right", fontsize=8.5)
    axes.set_ylim(0, 2.75)
    axes.legend(loc="center right")


@SECTION.claim(
    "G3",
    "A steep fall and then a plateau say that the learning rate is probably too high.",
    expected="named LOS004; at a good rate the same network goes far lower",
    cost=8,
)
def the_loss_stays_on_a_plateau(bench: Bench) -> Outcome:
    """Train at a rate that is a little too high and read what is found.

    Example:
        >>> from babysit.lab.monitoring import rates
        >>> (seen,) = rates.trained(rates.HIGH, [0])
        >>> [finding.code for finding in seen.findings]
        ['LOS004']
    """
    high, good = trained(HIGH, bench.seeds), trained(GOOD, bench.seeds)
    ends, ends_good = ([Curve.of(one.record).final for one in some] for some in (high, good))
    levels = [Curve.of(one.record).levels() for one in high]
    kept = [float(np.median(level[8:]) / np.median(level[3:6])) for level in levels]
    levels_good = [Curve.of(one.record).levels() for one in good]
    return Outcome(
        [
            named("LOS004", [one.findings for one in high]),
            above("final loss / loss from 30 to 60 % of the steps", kept, 0.75),
            told("the same at lr 0.02", [float(np.median(level[8:]) / np.median(level[3:6])) for level in levels_good]),
            above("final loss / final loss at lr 0.02", np.divide(ends, ends_good), 5),
            told("final loss", ends),
            told("final loss at lr 0.02", ends_good),
        ],
        [
            Drawing(
                "plateau",
                f"At lr {HIGH:g} the loss stays at {number(ends[0])}, "
                f"{number(ends[0] / ends_good[0])} times where lr {GOOD:g} arrives",
                lambda figure: _draw_plateau(figure, high[0], good[0]),
                finding=first_with("LOS004", high),
            )
        ],
        distinct(high),
        note=f"{NOTE} At lr 0.33 the units saturate for some seeds, and ACT002 is then named as the plateau's cause.",
    )


def _draw_plateau(figure: Figure, high: Watched, good: Watched) -> None:
    axes = figure.subplots()
    for seen in (high, good):
        draw_loss(axes, seen, f"lr {seen.settings.lr:g}")
    axes.set_ylim(0, 3.2)
    axes.legend(loc="upper right")


@SECTION.claim(
    "G4",
    "A steep fall that keeps decreasing is good, and the product says so.",
    expected="verdict healthy, no finding; read as “steep fall that keeps decreasing … good”",
    cost=12,
)
def the_loss_keeps_falling(bench: Bench) -> Outcome:
    """Train at a good rate, read the verdict, and draw the lecture's chart of four rates.

    Example:
        >>> from babysit.lab.monitoring import rates
        >>> (seen,) = rates.trained(rates.GOOD, [0])
        >>> seen.diagnosis.verdict, seen.diagnosis.curve[:36]
        ('healthy', 'steep fall that keeps decreasing, fr')
    """
    good = trained(GOOD, bench.seeds)
    ends = [Curve.of(one.record).final / Curve.of(one.record).initial for one in good]
    chart = [*(trained(lr, bench.seeds[:1])[0] for lr in (TOO_HIGH, HIGH, TOO_LOW)), good[0]]
    sentence = good[0].diagnosis.curve
    return Outcome(
        [
            true("verdict healthy", [one.diagnosis.verdict == "healthy" and not one.findings for one in good]),
            true(
                "read as a steep fall that keeps decreasing: good",
                [
                    one.diagnosis.curve.startswith("steep fall that keeps") and one.diagnosis.curve.endswith("good")
                    for one in good
                ],
            ),
            below("final loss / initial", ends, 0.1),
            told("validation accuracy", [one.scores[-1] for one in good], unit="%"),
            same_as_script(digits(), good[0]),
        ],
        [
            Drawing(
                "rates",
                f"The lecture's chart, measured: lr {TOO_HIGH:g} explodes, {HIGH:g} ends on a plateau, "
                f"{TOO_LOW:g} hardly falls, {GOOD:g} keeps falling, to {number(Curve.of(good[0].record).final)}",
                lambda figure: _draw_chart(figure, chart),
                size=(6.4, 4.2),
            )
        ],
        note=f"{NOTE} The product's words: {sentence}.",
    )


def _draw_chart(figure: Figure, chart: Sequence[Watched]) -> None:
    axes = figure.subplots()
    words = {TOO_HIGH: "too high", HIGH: "high", TOO_LOW: "too low", GOOD: "good"}
    for seen in chart:
        lr, codes = seen.settings.lr, ", ".join(seen.codes) or "healthy"
        draw_loss(axes, seen, f"{words[lr]}: lr {lr:g} ({codes})", linewidth=2)
    axes.set_ylim(0, 5)
    axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.16))

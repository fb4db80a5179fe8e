"""G5: a loss that is flat and then suddenly falls points to the initial weights."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from babysit.lab.drawing import BLUE, GREEN, GREY
from babysit.lab.measures import above, below, named, told
from babysit.lab.monitoring.script import Settings
from babysit.lab.monitoring.section import SECTION
from babysit.lab.monitoring.watched import Watched, digits, distinct, smooth, watch
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.rules._curve import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL = Settings(depth=3, epochs=24, init=0.01, lr=0.05)
"""The lecture's 0.01·N(0, 1) in three hidden layers of 64 tanh units."""


def departure(seen: Watched) -> int:
    """The step at which a tenth of the loss's fall was done.

    Example:
        >>> departure(watch(digits(), dataclasses.replace(SMALL, init=0.0, epochs=3))) < 20
        True
    """
    losses = smooth(seen.losses)
    start = losses[0]
    return int(np.flatnonzero(losses < start - 0.1 * (start - losses.min()))[0])


@SECTION.claim(
    "G5",
    "A loss that lies flat and then suddenly falls points to bad initialisation.",
    expected="flat for a fifth of the training or more; named INI004; with 1/√n_in it falls at once",
    cost=12,
)
def the_loss_starts_late(bench: Bench) -> Outcome:
    """Train from weights too small, and the same network from weights of the right size.

    Example:
        >>> from babysit.lab.monitoring import late_start, watched
        >>> small = watched.watch(watched.digits(), late_start.SMALL)
        >>> [finding.code for finding in small.findings], late_start.departure(small) > 200
        (['INI004'], True)
    """
    late = [watch(digits(), dataclasses.replace(SMALL, seed=seed)) for seed in bench.seeds]
    prompt = [watch(digits(), dataclasses.replace(SMALL, init=0.0, seed=seed)) for seed in bench.seeds]
    steps, steps_prompt = [departure(seen) for seen in late], [departure(seen) for seen in prompt]
    ends = [Curve.of(seen.record).final for seen in (late[0], prompt[0])]
    return Outcome(
        [
            named("INI004", [seen.findings for seen in late]),
            above("flat for this share of the steps", [at / len(late[0].losses) for at in steps], 0.2, unit="%"),
            below("the same with 1/√n_in", [at / len(prompt[0].losses) for at in steps_prompt], 0.05, unit="%"),
            told("loss leaves its first level at step", steps),
            told("with 1/√n_in at step", steps_prompt),
        ],
        [
            Drawing(
                "late-start",
                f"From 0.01·N(0, 1) the loss lies flat for {steps[0]} steps and then falls to {ends[0]:.2g}; from "
                f"1/√n_in the same network falls at step {steps_prompt[0]}",
                lambda figure: _draw(figure, late[0], prompt[0], steps[0]),
                finding=late[0].finding("INI004"),
            )
        ],
        distinct(late),
        note="On digits. With four hidden layers or more the shrinking signal itself is seen (INI002) and named "
        "as the cause of the late start.",
    )


def _draw(figure: Figure, late: Watched, prompt: Watched, at: int) -> None:
    axes = figure.subplots()
    for seen, label, colour, dashes in (
        (late, "0.01·N(0, 1)", BLUE, (0, (5, 1.5))),
        (prompt, "N(0, 1)/√n_in", GREEN, "-"),
    ):
        axes.plot(seen.losses, color=colour, linestyle="-", linewidth=0.6, alpha=0.35)
        axes.plot(smooth(seen.losses), color=colour, linestyle=dashes, label=label, linewidth=2)
    axes.axhline(math.log(10), color=GREY, linestyle=(0, (3, 2)), linewidth=1)
    for text, where, offset, colour, side in (
        ("guessing: ln 10", (len(late.losses), math.log(10)), (0, 3), GREY, "right"),
        (f"step {at}", (at, smooth(late.losses)[at]), (10, 0), BLUE, "left"),
    ):
        axes.annotate(text, where, offset, textcoords="offset points", color=colour, ha=side, fontsize=8.5)
    axes.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, 2.8))
    axes.legend(loc="center left")

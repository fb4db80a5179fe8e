"""H5: the learning rate that is lowered while training, in all the ways the product knows, against one that stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

import babysit as bs
from babysit.fit import FitResult
from babysit.fit.schedules import SCHEDULES, schedule_factor
from babysit.lab.asking import first
from babysit.lab.drawing import BLACK, COLOURS, DASHES
from babysit.lab.measures import below, named, told
from babysit.lab.outline.sample import Sample, hard
from babysit.lab.outline.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONSTANT = "constant"
DECAYED = tuple(name for name in SCHEDULES if name != CONSTANT)
RATE = 12.0
"""Of plain gradient descent in batches of 20, over the one that suits momentum: too high to settle."""

Results = Mapping[str, Sequence[FitResult]]


def trained(sample: Sample, bench: Bench, seed: int, schedule: str) -> FitResult:
    """A small network trained from the same start with the same first rate; a constant one is watched."""
    return bs.fit(
        sample.network(seed, (30,)),
        sample.pair,
        validation=sample.held_out_pair,
        optimizer="sgd",
        lr=RATE * sample.lr,
        schedule=schedule,
        epochs=bench.pick(15, 20),
        batch_size=20,
        seed=seed,
        watch=schedule == CONSTANT or seed == bench.seeds[0],
        threads=1,
    )


def final(results: Sequence[FitResult], split: str) -> np.ndarray:
    """The loss at the end, a value a seed."""
    return np.array([result.record.evaluated(split)[-1].loss for result in results])


@SECTION.claim(
    "H5",
    "A learning rate that decays ends at a lower loss than one that stays as high as it began.",
    expected="final loss with every decay below that with a constant rate, with every seed",
    cost=13,
)
def decay_ends_lower(bench: Bench) -> Outcome:
    """Train the same network with every schedule, from the same first rate.

    Example:
        >>> from babysit.fit.schedules import schedule_factor
        >>> [round(schedule_factor("step", done), 3) for done in (0, 0.5, 0.75)]
        [1.0, 0.1, 0.01]
        >>> [round(schedule_factor("cosine", done), 3) for done in (0, 0.5, 1)]
        [1.0, 0.5, 0.0]
    """
    samples = {seed: hard(seed) for seed in bench.seeds}
    results: Results = {
        name: [trained(sample, bench, seed, name) for seed, sample in samples.items()] for name in SCHEDULES
    }
    ratios = {
        split: {name: final(results[name], split) / final(results[CONSTANT], split) for name in DECAYED}
        for split in ("validation", "train")
    }
    medians = {name: float(np.median(final(of, "validation"))) for name, of in results.items()}
    lowest = min(DECAYED, key=medians.__getitem__)
    title = (
        f"From the same first rate the held-out loss ends at {medians[CONSTANT]:.2f} where the rate stays, and at "
        f"{medians[lowest]:.2f} with {lowest} decay"
    )
    constant = results[CONSTANT]
    oscillating = first("LOS005", constant[0].findings)
    return Outcome(
        [
            *(below(f"held-out loss, {name} : constant", of, 1) for name, of in ratios["validation"].items()),
            *(told(f"training loss, {name} : constant", of) for name, of in ratios["train"].items()),
            told("held-out loss, constant", final(constant, "validation")),
            told("training loss, constant", final(constant, "train")),
            named("LOS005", [result.findings for result in constant]),
        ],
        [Drawing("decay", title, lambda figure: draw_decay(figure, results), (10.0, 3.6), oscillating)],
        findings=constant[0].findings,
        subtle=too_early(ratios["train"]),
        note=samples[bench.seeds[0]].note,
    )


def too_early(ratios: Mapping[str, np.ndarray]) -> str:
    """What to say of decays whose training loss ends higher than with a constant rate; ``""`` where there are none."""
    higher = {name: float(np.median(of)) for name, of in ratios.items() if np.median(of) >= 1}
    if not higher:
        return ""
    told_of = " and ".join(
        f"{name} decay, whose rate is a tenth after {100 * tenth(name):.0f} % of the steps, ends at {ratio:.1f} times "
        "the training loss"
        for name, ratio in higher.items()
    )
    return f"What falls too early stops learning: {told_of}, though at a lower held-out loss."


def tenth(schedule: str) -> float:
    """The share of the training after which the rate is a tenth of the first."""
    done = np.linspace(0, 1, 1001)
    return float(next(share for share in done if schedule_factor(schedule, float(share)) <= 0.1))


def draw_decay(figure: Figure, results: Results) -> None:
    """The rate over the steps, and the losses over the epochs, for every schedule."""
    rates, train, held_out = figure.subplots(1, 3)
    for (name, of), colour, dash in zip(results.items(), (BLACK, *COLOURS), ("-", *DASHES[1:]), strict=False):
        first = of[0].record
        rates.plot([step.step for step in first.steps], [step.lr for step in first.steps], color=colour, linestyle=dash)
        for axes, split in ((train, "train"), (held_out, "validation")):
            known = np.array([[e.loss for e in result.record.evaluated(split)] for result in of])
            epochs = [evaluation.epoch for evaluation in first.evaluated(split)]
            axes.plot(epochs, np.median(known, axis=0), color=colour, linestyle=dash, label=name)
    rates.set(xlabel="step", ylabel="learning rate", yscale="log", ylim=(5e-3 * (first.steps[0].lr or 1.0), None))
    train.set(xlabel="epoch", ylabel="training loss (cross-entropy)")
    held_out.set(xlabel="epoch", ylabel="held-out loss (cross-entropy)")
    held_out.legend(loc="center left", bbox_to_anchor=(1, 0.5))

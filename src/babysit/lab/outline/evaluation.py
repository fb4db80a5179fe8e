"""H6: how good the best of many trials is: what the examples that chose it say, and what others say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import babysit as bs
from babysit.fit.evaluation import predict
from babysit.lab.drawing import BLUE, GREY, RED
from babysit.lab.measures import above, below, told
from babysit.lab.outline.sample import Sample, few
from babysit.lab.outline.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.search import Choice, LogUniform, Space

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELD = 100
"""Examples in the validation split, and in the test split."""


def trials(sample: Sample, bench: Bench, seed: int) -> np.ndarray:
    """Which held-out examples the model of each trial gets right, ``(trials, held out)`` bool.

    The trials are those of a narrowed search: none is bad, and chance has a say in which is the best.
    """
    space = Space(
        {
            "lr": LogUniform(sample.lr / 2, sample.lr * 2),
            "l2": LogUniform(1e-4, 1e-2),
            "units": Choice(50, 100, 200),
        }
    )
    settings = space.draw_spread(np.random.default_rng(seed), bench.pick(16, 40))
    right = []
    for number, params in enumerate(settings):
        model = sample.network(number, (params["units"],))
        bs.fit(
            model,
            sample.pair,
            lr=params["lr"],
            l2=params["l2"],
            epochs=20,
            batch_size=50,
            seed=number,
            watch=False,
            threads=1,
        )
        right.append((predict(model, sample.held_out).argmax(dim=1) == sample.held_out.y).numpy())
    return np.array(right)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What was seen of the trial that does best on the validation split, ``(divisions, trials)`` accuracies.

    Column ``k`` is of the best of the first ``k + 1`` trials, which are in another order in every division.

    Attributes:
        validation: On the examples that chose it.
        test: On as many that had no say.
        rest: On all the others, which is close to what it is worth.
    """

    validation: np.ndarray
    test: np.ndarray
    rest: np.ndarray

    def excess(self, split: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much a split promises too much, on average over the divisions, and the standard error of that."""
        differences = split - self.rest
        return differences.mean(axis=0), differences.std(axis=0, ddof=1) / len(differences) ** 0.5


def choose(right: np.ndarray, seed: int, divisions: int) -> Chosen:
    """Divide the held-out examples again and again, and choose the best trial by the validation split each time.

    Args:
        right: ``(trials, held out)``, which examples each model gets right.
        seed: Of the divisions.
        divisions: How many.
    """
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(divisions):
        shuffled = right[random.permutation(len(right))][:, random.permutation(right.shape[1])]
        parts = shuffled[:, :HELD], shuffled[:, HELD : 2 * HELD], shuffled[:, 2 * HELD :]
        validation, test, rest = (part.mean(axis=1) for part in parts)
        # the first of the best so far, after each trial
        leader = np.maximum.accumulate(np.where(validation > _before(validation), np.arange(len(right)), 0))
        rows.append((validation[leader], test[leader], rest[leader]))
    return Chosen(*np.array(rows).transpose(1, 0, 2))


def _before(values: np.ndarray) -> np.ndarray:
    """The largest of the values before each."""
    return np.concatenate([[-np.inf], np.maximum.accumulate(values)[:-1]])


@SECTION.claim(
    "H6",
    "The validation accuracy of the best of many trials is too good to be true; that on a test split is not.",
    expected="validation above what the chosen model is worth, the more trials the more; test right on average",
    cost=12,
)
def the_best_of_many_is_lucky(bench: Bench) -> Outcome:
    """Choose the best of many trials on 100 examples, then ask 100 others, and then all that are left.

    Example:
        >>> import torch
        >>> coins = torch.rand(64, 200, generator=torch.Generator().manual_seed(0)) < 0.5  # 64 models that only guess
        >>> validation, test = coins[:, :100].float().mean(dim=1), coins[:, 100:].float().mean(dim=1)
        >>> best = validation.argmax()
        >>> f"{validation[best]:.2f} {test[best]:.2f}"
        '0.63 0.45'
    """
    samples = {seed: few(seed) for seed in bench.seeds}
    rights = [trials(sample, bench, seed) for seed, sample in samples.items()]
    divisions = bench.pick(500, 2_000)
    chosen = [choose(right, seed, divisions) for right, seed in zip(rights, bench.seeds, strict=True)]
    optimism = [of_one.excess(of_one.validation) for of_one in chosen]
    test = [of_one.excess(of_one.test) for of_one in chosen]
    count = len(rights[0])
    promised = [float(np.median([means[-1] for means, _ in found])) for found in (optimism, test)]
    title = (
        f"The best of {count} trials by {HELD} validation examples is {promised[0]:.1%} worse than they say; "
        f"{HELD} test examples are off by {abs(promised[1]):.1%} on average"
    )
    return Outcome(
        [
            above(f"validation − worth, best of {count} trials", [means[-1] for means, _ in optimism], 0, unit="%"),
            above("the same, in standard errors", [means[-1] / errors[-1] for means, errors in optimism], 4),
            below("|test − worth|, in standard errors", [abs(means[-1] / errors[-1]) for means, errors in test], 4),
            below("|validation − worth| of one trial, likewise", [abs(m[0] / errors[0]) for m, errors in optimism], 4),
            above(
                f"optimism with {count} trials − with 4", [means[-1] - means[3] for means, _ in optimism], 0, unit="%"
            ),
            told("test − worth", [means[-1] for means, _ in test], unit="%"),
            told("worth of the chosen", [of_one.rest[:, -1].mean() for of_one in chosen], unit="%"),
        ],
        [Drawing("optimism", title, lambda figure: draw_optimism(figure, rights[0], chosen), (9.4, 3.8))],
        note=f"{samples[bench.seeds[0]].note} {divisions:,} times {HELD} of these are drawn for validation and "
        f"{HELD} for test; the others say what the chosen model is worth.",
    )


def draw_optimism(figure: Figure, right: np.ndarray, chosen: list[Chosen]) -> None:
    """The trials of one division, and what the splits promise too much against the number of trials."""
    cloud, curves = figure.subplots(1, 2)
    order = np.random.default_rng(0).permutation(right.shape[1])
    validation, rest = (100 * right[:, part].mean(axis=1) for part in (order[:HELD], order[2 * HELD :]))
    test = 100 * right[:, order[HELD : 2 * HELD]].mean(axis=1)
    best = int(validation.argmax())
    low, high = min(validation.min(), rest.min()) - 1, max(validation.max(), rest.max()) + 1
    cloud.plot([low, high], [low, high], color=GREY, linestyle=":", linewidth=1, label="both the same")
    cloud.scatter(validation, rest, color=GREY, s=18, label="a trial")
    cloud.scatter(validation[best], rest[best], color=RED, s=60, zorder=3, label="the best in validation")
    cloud.scatter(test[best], rest[best], color=BLUE, marker="s", s=45, zorder=3, label="the same in the test split")
    cloud.set(xlabel=f"accuracy on {HELD} examples (%)", ylabel="accuracy on all the others (%)")
    cloud.legend(loc="upper left")
    counts = np.arange(1, len(right) + 1)
    curves.axhline(0, color="#5B6168", linewidth=0.8, linestyle="-")
    for name, label, colour, dash in (("validation", "validation", RED, "-"), ("test", "test", BLUE, "--")):
        means = 100 * np.array([of_one.excess(getattr(of_one, name))[0] for of_one in chosen])
        curves.plot(counts, np.median(means, axis=0), color=colour, linestyle=dash, label=label)
        curves.fill_between(counts, means.min(axis=0), means.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    curves.set(xlabel="trials to choose from", ylabel="accuracy − what the chosen is worth (%)", xscale="log")
    curves.set_xticks([count for count in (1, 2, 4, 8, 16, 32) if count <= len(right)])
    curves.xaxis.set_major_formatter("{x:.0f}")
    curves.minorticks_off()
    curves.legend()

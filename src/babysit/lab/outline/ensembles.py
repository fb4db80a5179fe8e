"""H7: independent models that vote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

import babysit as bs
from babysit.fit import Ensemble
from babysit.fit.ensemble import together
from babysit.fit.evaluation import Result, judge, predict
from babysit.fit.losses import CLASSIFICATION
from babysit.lab.drawing import BLUE, GREY
from babysit.lab.measures import above, below, told
from babysit.lab.outline.sample import Sample, few
from babysit.lab.outline.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def members(sample: Sample, bench: Bench, seed: int) -> list[nn.Module]:
    """Models that differ in their initial weights and in the order of their batches, and in nothing else."""
    found: list[nn.Module] = []
    for number in range(bench.pick(5, 10)):
        own = 100 * seed + number
        model = sample.network(own)
        bs.fit(model, sample.pair, lr=sample.lr, epochs=30, batch_size=50, seed=own, watch=False, threads=1)
        found.append(model)
    return found


def growing(outputs: Sequence[Tensor], sample: Sample) -> list[Result]:
    """Held-out results of one model, of two together, and so on, each a mean over as many choices as there are models.

    Args:
        outputs: Of each model for the held-out examples, in a ring: those that follow each other vote.
        sample: With the targets.
    """
    ring = [*outputs, *outputs]

    def mean_result(count: int) -> Result:
        votes = [together(ring[first : first + count], CLASSIFICATION) for first in range(len(outputs))]
        found = [judge(vote, sample.held_out.y, CLASSIFICATION) for vote in votes]
        loss, score = (float(np.mean([getattr(one, name) for one in found])) for name in ("loss", "score"))
        return Result(loss, score, len(sample.held_out), merit=score)

    return [mean_result(count) for count in range(1, len(outputs) + 1)]


@SECTION.claim(
    "H7",
    "Several independent models that vote do better than one of them.",
    expected="more held-out accuracy and less loss than its members have on average, with every seed",
    cost=5,
)
def independent_models_vote(bench: Bench) -> Outcome:
    """Train the same network several times from other initial weights, and average the probabilities.

    Example:
        >>> import torch
        >>> from babysit.fit import Ensemble
        >>> from babysit.nn import MLPConfig, build
        >>> x = torch.randn(2000, 10, generator=torch.Generator().manual_seed(0))
        >>> y = (x[:, 0] * x[:, 1] > 0).long()
        >>> nets = [bs.fit(build(MLPConfig((10,), 2), n), (x[:300], y[:300]), lr=0.1).model for n in range(5)]
        >>> right = [float((net(x[300:]).argmax(dim=1) == y[300:]).float().mean()) for net in (Ensemble(nets), *nets)]
        >>> right[0] > sum(right[1:]) / 5
        True
    """
    samples = {seed: few(seed) for seed in bench.seeds}
    models = [members(sample, bench, seed) for seed, sample in samples.items()]
    pairs = list(zip(models, samples.values(), strict=True))
    singles = [[sample.judge(model) for model in of_one] for of_one, sample in pairs]
    voted = [sample.judge(Ensemble(of_one)) for of_one, sample in pairs]
    grown = [growing([predict(model, sample.held_out) for model in of_one], sample) for of_one, sample in pairs]
    count = len(models[0])
    scores = np.array([[one.score for one in of_one] for of_one in singles])
    losses = np.array([[one.loss for one in of_one] for of_one in singles])
    together_scores = np.array([one.score for one in voted])
    together_losses = np.array([one.loss for one in voted])
    title = (
        f"{count} models that vote have a held-out accuracy of {np.median(together_scores):.1%}, one alone of "
        f"{np.median(scores.mean(axis=1)):.1%}"
    )
    return Outcome(
        [
            above(f"accuracy, {count} models − one", together_scores - scores.mean(axis=1), 0, unit="%"),
            below(f"loss, {count} models : one", together_losses / losses.mean(axis=1), 1),
            told("accuracy of one", scores.mean(axis=1), unit="%"),
            told(f"accuracy of {count}", together_scores, unit="%"),
            told("accuracy − that of the best member", together_scores - scores.max(axis=1), unit="%"),
        ],
        [Drawing("independent-models", title, lambda figure: draw_growth(figure, grown), (8.4, 3.4))],
        note=samples[bench.seeds[0]].note,
    )


def draw_growth(figure: Figure, grown: Sequence[Sequence[Result]]) -> None:
    """What is gained over one model against the number of models: a line a seed, and their median."""
    labels = {"score": "held-out accuracy gained (%)", "loss": "change of the held-out loss"}
    for axes, quantity, factor in zip(figure.subplots(1, 2), labels, (100, 1), strict=True):
        known = np.array([[factor * getattr(one, quantity) for one in of_one] for of_one in grown])
        known -= known[:, :1]
        counts = np.arange(1, known.shape[1] + 1)
        axes.axhline(0, color="#5B6168", linewidth=0.8, linestyle="-")
        axes.plot(counts, known.T, color=GREY, linewidth=0.8, linestyle="-", alpha=0.7)
        axes.plot([], [], color=GREY, linewidth=0.8, linestyle="-", label="one seed")
        axes.plot(counts, np.median(known, axis=0), color=BLUE, marker="o", linestyle="-", label="median of the seeds")
        axes.set_xticks(counts)
        axes.set(xlabel="number of models that vote", ylabel=labels[quantity])
    figure.axes[0].legend(loc="center right")

"""H8, H9: what one training gives when its snapshots vote, or when its weights are averaged along the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from babysit.data.batches import TensorBatches
from babysit.fit import Ensemble, TrainSettings
from babysit.fit.averages import Weights, copy_weights, with_weights
from babysit.fit.evaluation import Result
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.trainer import Trainer
from babysit.fit.training import Extras, Training
from babysit.lab.drawing import BLUE, GREY, RED
from babysit.lab.measures import Measure, above, below, told
from babysit.lab.outline.sample import Sample, few, hard
from babysit.lab.outline.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SNAPSHOTS = 5
RATE = 6.0
"""Of plain gradient descent, over the one that suits momentum: so high that the weights keep moving."""
BATCH = 10


@dataclass(frozen=True, eq=False)
class Run:
    """One training.

    Attributes:
        sample: Trained on and judged by.
        model: With the last weights.
        snapshots: Weights along the second half.
        polyak: Polyak's average of the weights at the end.
        path: The present weights and the average, every epoch.
    """

    sample: Sample
    model: nn.Module
    snapshots: list[Weights]
    polyak: Weights
    path: list[tuple[Weights, Weights]]

    def judge(self, weights: Weights) -> Result:
        """The model with other weights, held out."""
        return self.sample.judge(with_weights(self.model, weights))

    @property
    def last(self) -> Result:
        """The last weights, held out."""
        return self.sample.judge(self.model)

    @property
    def averaged(self) -> Result:
        """Polyak's average, held out."""
        return self.judge(self.polyak)

    @property
    def vote(self) -> Result:
        """The snapshots together, held out."""
        return self.sample.judge(Ensemble(with_weights(self.model, weights) for weights in self.snapshots))


def run(bench: Bench, seed: int, sample: Sample, hidden: tuple[int, ...], schedule: str = "constant") -> Run:
    """Train with small batches and plain gradient descent.

    Args:
        bench: How long.
        seed: Of the weights and the order of the examples.
        sample: What on.
        hidden: Units.
        schedule: Of the rate.
    """
    network = sample.network(seed, hidden)
    settings = TrainSettings("sgd", RATE * sample.lr, schedule=schedule, epochs=bench.pick(10, 20), seed=seed)
    batches = TensorBatches(*sample.pair, BATCH, seed)
    path: list[tuple[Weights, Weights]] = []

    def look(trainer: Trainer) -> None:
        if trainer.step % batches.steps_per_epoch == 0 and training.polyak is not None:
            average = {name: tensor.clone() for name, tensor in training.polyak.weights.items()}
            path.append((copy_weights(network), average))

    trainer = Trainer(network, CLASSIFICATION.loss, batches, settings)
    training = Training(trainer, CLASSIFICATION, {}, extras=Extras(snapshots=SNAPSHOTS, polyak=True), between=look)
    training.run()
    return Run(sample, network, training.snapshots, path[-1][1], path)


def restless(bench: Bench, seed: int) -> Run:
    """At a constant rate, on examples that the network cannot all fit: every step throws the weights about."""
    return run(bench, seed, hard(seed), (30,))


def at_rest(bench: Bench, seed: int) -> Run:
    """At a constant rate, on examples it learns by heart: the gradients end at zero, and the weights come to rest."""
    return run(bench, seed, few(seed), (100,))


def gains(name: str, better: Sequence[Result], last: Sequence[Result]) -> tuple[Measure, Measure]:
    """Accuracy gained and loss that is left, over that of the last weights, a value a seed."""
    pairs = list(zip(better, last, strict=True))
    return (
        above(f"held-out accuracy, {name} − last weights", [b.score - a.score for b, a in pairs], 0, unit="%"),
        below(f"held-out loss, {name} : last weights", [b.loss / a.loss for b, a in pairs], 1),
    )


@SECTION.claim(
    "H8",
    "Snapshots of one training that vote do better than its last weights, as long as the rate keeps these moving.",
    expected="better held-out accuracy and loss at a constant rate, with every seed",
    cost=7,
)
def snapshots_vote(bench: Bench) -> Outcome:
    """Keep the weights of five epochs of the second half of a training, and average their probabilities.

    Example:
        >>> import torch, babysit as bs
        >>> from babysit.fit import Ensemble
        >>> from babysit.fit.averages import with_weights
        >>> model, x = torch.nn.Linear(4, 3), torch.randn(90, 4)
        >>> result = bs.fit(model, (x, torch.arange(90) % 3), snapshots=5, schedule="constant")
        >>> vote = Ensemble(with_weights(model, weights) for weights in result.snapshots)
        >>> len(vote.members), tuple(vote(x).shape)
        (5, (90, 3))
    """
    runs = [restless(bench, seed) for seed in bench.seeds]
    last, votes = [one.last for one in runs], [one.vote for one in runs]
    each = [[one.judge(weights) for weights in one.snapshots] for one in runs]
    decayed = [run(bench, seed, one.sample, (30,), "cosine") for seed, one in zip(bench.seeds, runs, strict=True)]
    still = [at_rest(bench, seed) for seed in bench.seeds]
    accuracy = [float(np.median([result.score for result in results])) for results in (votes, last)]
    title = (
        f"{SNAPSHOTS} snapshots of one training at a constant rate vote: held-out accuracy {accuracy[0]:.1%}, "
        f"the last weights alone {accuracy[1]:.1%}"
    )
    return Outcome(
        [
            *gains(f"{SNAPSHOTS} snapshots", votes, last),
            told("one snapshot − last weights", _mean_gain(each, last), unit="%"),
            told("last weights", [result.score for result in last], unit="%"),
            told("gain with cosine decay, where they agree", [o.vote.score - o.last.score for o in decayed], unit="%"),
            told("gain where the weights come to rest", [one.vote.score - one.last.score for one in still], unit="%"),
        ],
        [Drawing("snapshots", title, lambda figure: draw_snapshots(figure, runs, each))],
        note=f"{runs[0].sample.note} {_rest_note('Where', still, [one.vote for one in still])}",
    )


@SECTION.claim(
    "H9",
    "At a constant rate, an average of the weights along the training does better than the weights themselves.",
    expected="better held-out accuracy and loss with every seed",
    cost=7,
)
def polyak_average_is_calmer(bench: Bench) -> Outcome:
    """Average the weights while training at a constant rate, and judge both every epoch.

    Example:
        >>> import torch, babysit as bs
        >>> from babysit.fit.averages import with_weights
        >>> model = torch.nn.Linear(1, 1)
        >>> x = torch.linspace(-1, 1, 100).unsqueeze(1)
        >>> y = x + torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
        >>> result = bs.fit(model, (x, y), lr=0.1, batch_size=2, epochs=20, schedule="constant")
        >>> both = model, with_weights(model, result.polyak)
        >>> last, average = ((net(x) - y).square().mean().item() for net in both)
        >>> average < last
        True
    """
    runs = [restless(bench, seed) for seed in bench.seeds]
    last, averaged = [one.last for one in runs], [one.averaged for one in runs]
    decayed = [run(bench, seed, one.sample, (30,), "cosine").last for seed, one in zip(bench.seeds, runs, strict=True)]
    still = [at_rest(bench, seed) for seed in bench.seeds]
    accuracy = [float(np.median([result.score for result in results])) for results in (averaged, last)]
    title = f"At a constant rate the averaged weights reach {accuracy[0]:.1%} held-out accuracy, the last weights "
    return Outcome(
        [
            *gains("Polyak's average", averaged, last),
            told("last weights", [result.score for result in last], unit="%"),
            told("Polyak's average", [result.score for result in averaged], unit="%"),
            told("last weights with cosine decay instead", [result.score for result in decayed], unit="%"),
            told("gain where the weights come to rest", [o.averaged.score - o.last.score for o in still], unit="%"),
        ],
        [Drawing("polyak", f"{title}{accuracy[1]:.1%}", lambda figure: draw_polyak(figure, runs))],
        note=f"{runs[0].sample.note} {_rest_note('Where', still, [one.averaged for one in still])}",
    )


def _mean_gain(each: Sequence[Sequence[Result]], last: Sequence[Result]) -> list[float]:
    """Of the single snapshots, a value a seed."""
    return [
        float(np.mean([result.score for result in of_one]) - alone.score)
        for of_one, alone in zip(each, last, strict=True)
    ]


def _rest_note(begin: str, still: Sequence[Run], better: Sequence[Result]) -> str:
    """What is left of the gain where the weights no longer move, and how far chance alone takes it."""
    found = [result.score - one.last.score for one, result in zip(still, better, strict=True)]
    score, count = still[0].last.score, len(still[0].sample.held_out)
    error = (score * (1 - score) / count) ** 0.5
    return (
        f"{begin} a network fits all its examples ({still[0].sample.note.split(':')[0]}, 100 units) the weights come "
        f"to rest, and averaging gains nothing: {100 * np.median(found):+.2f} % where the standard error of such an "
        f"accuracy is {100 * error:.2f} %."
    )


def draw_snapshots(figure: Figure, runs: Sequence[Run], each: Sequence[Sequence[Result]]) -> None:
    """For every seed the last weights, the single snapshots and their vote."""
    axes = figure.subplots()
    for place, (one, results) in enumerate(zip(runs, each, strict=True)):
        labels = ("single snapshots", "last weights", f"vote of {len(results)}") if place == 0 else (None,) * 3
        scores = [100 * result.score for result in results]
        axes.scatter([place] * len(scores), scores, color=GREY, marker="_", s=160, label=labels[0])
        axes.scatter(place, 100 * one.last.score, color=RED, marker="v", s=50, zorder=3, label=labels[1])
        axes.scatter(place, 100 * one.vote.score, color=BLUE, marker="o", s=50, zorder=3, label=labels[2])
    axes.set_xticks(range(len(runs)), [str(place + 1) for place in range(len(runs))])
    axes.set(xlabel="training (seed)", ylabel="held-out accuracy (%)", xlim=(-0.5, len(runs) - 0.5))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def draw_polyak(figure: Figure, runs: Sequence[Run]) -> None:
    """Held-out accuracy and loss of the present and of the averaged weights over the epochs."""
    panels = figure.subplots(1, 2)
    judged = [[(one.judge(present), one.judge(average)) for present, average in one.path] for one in runs]
    epochs = range(1, len(judged[0]) + 1)
    for axes, quantity, factor in zip(panels, ("score", "loss"), (100, 1), strict=True):
        for which, (label, colour, dash) in enumerate((("present weights", RED, "--"), ("their average", BLUE, "-"))):
            known = np.array([[factor * getattr(pair[which], quantity) for pair in of_one] for of_one in judged])
            axes.plot(epochs, np.median(known, axis=0), color=colour, linestyle=dash, label=label)
            axes.fill_between(epochs, known.min(axis=0), known.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        axes.set_xlabel("epoch at a constant rate")
    panels[0].set_ylabel("held-out accuracy (%)")
    panels[1].set(ylabel="held-out cross-entropy", ylim=(0, None))
    panels[1].legend(loc="lower left")

"""D5: an example's output depends on its batch, and whether that regularises."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import babysit as bs
from babysit.lab.drawing import BLUE, GREEN, GREY, RED, short
from babysit.lab.measures import above, below, told
from babysit.lab.normalization.networks import two_layers
from babysit.lab.normalization.section import SECTION
from babysit.lab.preprocessing.examples import Pair, pictures, prepared, stood_in, suited
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.lab.subsets import fewer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWS = 200
SIZES = (4, 8, 32, 128)
SMALL, LARGE = 16, 128
"""Batches with much and with little jitter."""


@torch.no_grad()
def outputs_beside_others(
    network: nn.Module, x: Tensor, others: Tensor, size: int, *, training: bool, draws: int = DRAWS
) -> Tensor:
    """What a network says of one example in random batches.

    Args:
        network: Left as it is.
        x: The example.
        others: What the rest of each batch is drawn from.
        size: Of the batches.
        training: In which mode.
        draws: Number of batches.

    Returns:
        ``(draws, outputs)``.
    """
    own = copy.deepcopy(network).train(training)
    generator = Bench.generator(0)
    rest = (others[torch.randint(len(others), (size - 1,), generator=generator)] for _ in range(draws))
    return torch.stack([own(torch.cat([x.unsqueeze(0), batch]))[0] for batch in rest])


def jitter(outputs: Tensor) -> float:
    """Standard deviation of the outputs over the batches, root mean square over the outputs."""
    return outputs.var(0, correction=0).mean().sqrt().item()


@torch.no_grad()
def spread(network: nn.Module, x: Tensor) -> float:
    """Standard deviation of the outputs over the examples in evaluation mode, root mean square over the outputs."""
    return jitter(copy.deepcopy(network).eval()(x))


@dataclass(frozen=True)
class Scores:
    """How a training without early stopping ended."""

    train: float
    validation: float
    validation_loss: float

    @property
    def gap(self) -> float:
        """Accuracy on training examples less accuracy on validation examples."""
        return self.train - self.validation


def ended(train: Pair, validation: Pair, seed: int, size: int, epochs: int, *, batch_norm: bool) -> Scores:
    """Train to the end with few examples, so that the network can learn them by heart."""
    network = two_layers(tuple(train[0].shape[1:]), seed, batch_norm=batch_norm)
    result = bs.fit(
        network,
        train,
        validation=validation,
        lr=suited(0.02, train[0]),
        epochs=epochs,
        batch_size=size,
        schedule="constant",
        seed=seed,
        watch=False,
    )
    last = {split: result.record.evaluated(split)[-1] for split in ("train", "validation")}
    return Scores(last["train"].score, last["validation"].score, last["validation"].loss)


@SECTION.claim(
    "D5",
    "Batch normalisation regularises: the output for an example depends on the rest of its batch.",
    expected="variance over batches > 0 in training, = 0 in evaluation; the gap to validation, measured",
    cost=40,
)
def output_depends_on_the_batch(bench: Bench) -> Outcome:
    """Put one example into many batches, and measure the gap to validation with and without normalisation.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        >>> x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        >>> for training in (True, False):
        ...     one, other = (network.train(training)(batch)[0] for batch in (x[:4], x[[0, 5, 6, 7]]))
        ...     print(torch.allclose(one, other))
        False
        True
    """
    dataset = pictures(bench)
    train, validation = prepared("mean-image,scale", fewer(dataset, bench.pick(300, 600)))
    x, others = validation[0][0], train[0]
    shape, rate = tuple(others.shape[1:]), suited(0.02, others)
    networks: dict[bool, list[nn.Module]] = {True: [], False: []}
    for seed in bench.seeds:
        for batch_norm, group in networks.items():
            network = two_layers(shape, seed, batch_norm=batch_norm)
            bs.fit(network, train, lr=rate, epochs=bench.pick(3, 10), batch_size=32, seed=seed, watch=False)
            group.append(network)

    def jitters(size: int, *, batch_norm: bool = True, training: bool = True) -> list[float]:
        group = networks[batch_norm]
        return [jitter(outputs_beside_others(one, x, others, size, training=training)) for one in group]

    by_size = {size: jitters(size) for size in SIZES}
    relative = [one / spread(network, others) for one, network in zip(by_size[32], networks[True], strict=True)]
    epochs = bench.pick(15, 40)
    small, large = (
        {
            norm: [ended(train, validation, seed, size, epochs, batch_norm=norm) for seed in bench.seeds]
            for norm in (False, True)
        }
        for size in (SMALL, LARGE)
    )
    smaller, smaller_of_large = (_gap_closed(scores) for scores in (small, large))
    losses = {norm: [one.validation_loss for one in group] for norm, group in small.items()}
    return Outcome(
        [
            above("jitter in training, batches of 32 / spread over the examples", relative, 0.05),
            below("jitter in evaluation", jitters(32, training=False), 1e-5),
            below("jitter in training, without batch norm", jitters(32, batch_norm=False), 1e-5),
            above("jitter, batches of 4 / of 128", [a / b for a, b in zip(by_size[4], by_size[128], strict=True)], 2),
            told("jitter of a logit in training, batches of 32", by_size[32]),
            told("gap, without batch norm", [one.gap for one in small[False]], unit="%"),
            told("gap, with batch norm", [one.gap for one in small[True]], unit="%"),
            told(f"gap closed by batch norm, batches of {SMALL}", smaller, unit="%"),
            told(f"gap closed by batch norm, batches of {LARGE}", smaller_of_large, unit="%"),
            told("validation loss, without", losses[False]),
            told("validation loss, with", losses[True]),
        ],
        [
            Drawing(
                "jitter",
                f"One example in {DRAWS} batches: in training its output jitters by {short(by_size[4][0])} beside 3 "
                f"others and by {short(by_size[128][0])} beside 127; in evaluation not at all",
                partial(
                    _draw_jitter,
                    outputs={
                        **{
                            f"{size}": outputs_beside_others(networks[True][0], x, others, size, training=True)
                            for size in by_size
                        },
                        "evaluation": outputs_beside_others(networks[True][0], x, others, 32, training=False),
                    },
                    target=int(validation[1][0]),
                ),
            ),
            Drawing(
                "gap",
                f"The gap to validation is {_median_gap(small[False])} points without and {_median_gap(small[True])} "
                "with batch normalisation (median)",
                partial(_draw_gaps, scores=small),
            ),
        ],
        subtle=_judgement(smaller, smaller_of_large, losses),
        note=f"{len(others)} training examples, batches of {SMALL}. {stood_in(bench)}",
    )


def _median_gap(scores: Sequence[Scores]) -> str:
    return f"{100 * median([one.gap for one in scores]):.1f}"


def _gap_closed(scores: Mapping[bool, Sequence[Scores]]) -> list[float]:
    return [plain.gap - normalised.gap for plain, normalised in zip(scores[False], scores[True], strict=True)]


def _judgement(smaller: Sequence[float], of_large: Sequence[float], losses: Mapping[bool, Sequence[float]]) -> str:
    """What the numbers say of "regularises", in words; ``""`` where it is so with every seed, and due to the jitter.

    Args:
        smaller: By how much the gap is smaller with batch norm, in small batches.
        of_large: Likewise in large ones, where there is less jitter.
        losses: Validation losses in small batches, without and with.
    """
    mean, mean_of_large = (sum(values) / len(values) for values in (smaller, of_large))
    if min(smaller) > 0.02 and mean > mean_of_large + 0.02:
        return ""
    ratio = median(losses[True]) / median(losses[False])
    return (
        "The jitter is there; that it regularises cannot be taken for granted: the gap to validation is smaller with "
        f"batch norm in {sum(one > 0 for one in smaller)} of {len(smaller)} trainings, by {100 * mean:.1f} points on "
        f"average ({100 * mean_of_large:.1f} in batches of {LARGE}, with less jitter), and the validation loss is "
        f"{ratio:.2f} times that without.".replace("-", "−")
    )


def _draw_jitter(figure: Figure, outputs: Mapping[str, Tensor], target: int) -> None:
    axes = figure.subplots()
    spread = torch.rand(DRAWS, generator=Bench.generator(1)) * 0.5 - 0.25
    for place, (name, values) in enumerate(outputs.items()):
        colour = GREEN if name == "evaluation" else BLUE
        axes.scatter((place + spread).numpy(), values[:, target].numpy(), s=6, color=colour, alpha=0.5, linewidths=0,
                     rasterized=True)  # fmt: skip
    names = [name if name == "evaluation" else f"training,\nbatch of {name}" for name in outputs]
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("logit of the example's own class")
    axes.grid(axis="x", visible=False)


def _draw_gaps(figure: Figure, scores: Mapping[bool, Sequence[Scores]]) -> None:
    left, right = figure.subplots(1, 2)
    for place, (_, group) in enumerate(scores.items()):
        for number, one in enumerate(group):
            shown = number == 0 and place == 0
            xs = [place - 0.15, place + 0.15]
            left.plot(xs, [100 * one.train, 100 * one.validation], color=GREY, linewidth=1, linestyle="-")
            left.plot(xs[0], 100 * one.train, "o", color=BLUE, label="training" if shown else None)
            left.plot(xs[1], 100 * one.validation, "s", color=RED, label="validation" if shown else None)
            right.plot(place + 0.06 * (number - len(group) / 2), one.validation_loss, "s", color=RED)
    for axes in (left, right):
        axes.set_xticks([0, 1], ["without\nbatch norm", "with\nbatch norm"])
        axes.set_xlim(-0.5, 1.5)
        axes.grid(axis="x", visible=False)
    left.set_ylabel("accuracy at the end (%)")
    left.legend(loc="center")
    highest = max(one.validation_loss for group in scores.values() for one in group)
    right.set(ylabel="validation loss at the end", ylim=(0, 1.1 * highest))

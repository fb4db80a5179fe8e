"""D5, D7: an example's output depends on its batch, and the smaller the batch the more."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import babysit as bs
from babysit.fit.settings import TrainSettings
from babysit.lab.drawing import BLUE, GREEN, GREY, RED
from babysit.lab.measures import above, below, named, near, told, true
from babysit.lab.normalization.formula import layer_of
from babysit.lab.normalization.section import SECTION
from babysit.lab.preprocessing.axes import plain_log
from babysit.lab.preprocessing.examples import Pair, fewer, pictures, prepared, stood_in
from babysit.lab.preprocessing.loops import Watched, train_watched
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.models import MLPConfig, build
from babysit.search.engines import SingleEngine
from babysit.search.given import problem_of
from babysit.search.states import MemoryStates
from babysit.search.trials import TrialSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWS = 200
SIZES = (2, 4, 8, 32, 128)
RATE = 0.01
STEPS = 200, 400


def two_layers(shape: tuple[int, ...], seed: int, *, batch_norm: bool) -> nn.Sequential:
    """Two hidden layers of 50 ReLU units."""
    return build(MLPConfig(shape, 10, hidden=(50, 50), batch_norm=batch_norm), seed)


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
        lr=0.02,
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
        >>> network = build(MLPConfig((4,), 2, batch_norm=True), seed=0)
        >>> x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        >>> for training in (True, False):
        ...     outputs = outputs_beside_others(network, x[0], x[1:], 4, training=training)
        ...     print(jitter(outputs) > 1e-6)
        True
        False
    """
    dataset = pictures(bench)
    train, validation = prepared("mean-image,scale", fewer(dataset, bench.pick(300, 600)))
    x, others = validation[0][0], train[0]
    shape = tuple(others.shape[1:])
    networks: dict[bool, list[nn.Module]] = {True: [], False: []}
    for seed in bench.seeds:
        for batch_norm, group in networks.items():
            network = two_layers(shape, seed, batch_norm=batch_norm)
            bs.fit(network, train, lr=0.02, epochs=bench.pick(3, 10), batch_size=32, seed=seed, watch=False)
            group.append(network)

    def jitters(size: int, *, batch_norm: bool = True, training: bool = True) -> list[float]:
        group = networks[batch_norm]
        return [jitter(outputs_beside_others(one, x, others, size, training=training)) for one in group]

    by_size = {size: jitters(size) for size in SIZES[1:]}
    small, epochs = 16, bench.pick(15, 40)
    scores = {
        norm: [ended(train, validation, seed, small, epochs, batch_norm=norm) for seed in bench.seeds]
        for norm in (False, True)
    }
    gaps = {norm: [one.gap for one in group] for norm, group in scores.items()}
    smaller = [plain - with_it for plain, with_it in zip(gaps[False], gaps[True], strict=True)]
    losses = {norm: [one.validation_loss for one in group] for norm, group in scores.items()}
    return Outcome(
        [
            above("jitter of a logit in training, batches of 32", by_size[32], 0.01),
            below("jitter in evaluation", jitters(32, training=False), 1e-5),
            below("jitter in training, without batch norm", jitters(32, batch_norm=False), 1e-5),
            above("jitter, batches of 4 / of 128", [a / b for a, b in zip(by_size[4], by_size[128], strict=True)], 2),
            told("gap, without batch norm", gaps[False], unit="%"),
            told("gap, with batch norm", gaps[True], unit="%"),
            told("gap, smaller by", smaller, unit="%"),
            told("validation loss, without", losses[False]),
            told("validation loss, with", losses[True]),
        ],
        [
            Drawing(
                "jitter",
                f"One example in {DRAWS} batches: in training its output jitters by {by_size[4][0]:.2f} beside 3 "
                f"others and by {by_size[128][0]:.2f} beside 127; in evaluation not at all",
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
                f"The gap to validation is {100 * _median(gaps[False]):.1f} points without and "
                f"{100 * _median(gaps[True]):.1f} with batch normalisation (median)",
                partial(_draw_gaps, scores=scores),
            ),
        ],
        subtle=_judgement(smaller, losses),
        note=f"{len(others)} training examples, batches of {small}. {stood_in(bench)}",
    )


def _median(values: Sequence[float]) -> float:
    return torch.tensor(values).quantile(0.5).item()


def _judgement(smaller: Sequence[float], losses: Mapping[bool, Sequence[float]]) -> str:
    """What the numbers say of "regularises", in words; ``""`` where the gap is clearly smaller with every seed."""
    better = sum(one > 0 for one in smaller)
    mean = sum(smaller) / len(smaller)
    if better == len(smaller) and mean > 0.02:
        return ""
    ratio = _median(losses[True]) / _median(losses[False])
    return (
        f"The jitter is there; that it regularises cannot be taken for granted: the gap to validation is smaller "
        f"with batch norm in {better} of {len(smaller)} trainings, by {100 * mean:.1f} points on average, and the "
        f"validation loss is {ratio:.2f} times that without."
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


@dataclass(frozen=True)
class Estimates:
    """How far a batch's mean and variance are from the truth, relative to its spread and its variance."""

    mean: float
    variance: float


@torch.no_grad()
def estimates(size: int, seed: int, draws: int) -> Estimates:
    """Ask the layer for the statistics of random batches of Gaussian sums whose true statistics are known."""
    inputs, units = 100, 50
    generator = Bench.generator(1_000 + seed)  # not that of the weights
    network = build(MLPConfig((inputs,), 2, hidden=(units,), batch_norm=True), seed)
    linear, norm = network.get_submodule("fc1"), layer_of("mlp", units)
    norm.momentum = 1.0  # the running statistics are then those of the last batch
    variance = linear.get_parameter("weight").square().sum(dim=1)
    means, variances = [], []
    for _ in range(draws):
        norm(linear(torch.randn(size, inputs, generator=generator)))
        means.append(norm.get_buffer("running_mean") / variance.sqrt())
        variances.append(norm.get_buffer("running_var") / variance - 1)
    return Estimates(*(torch.stack(values).square().mean().sqrt().item() for values in (means, variances)))


def pairs_come_out_as_ones(seed: int) -> float:
    """Median size of what a batch of two is made, whatever it was."""
    x = 3 * torch.randn(2, 1000, generator=Bench.generator(seed)) + 5
    return float(layer_of("mlp", 1000)(x).detach().abs().median())


def watched_in_batches(size: int, train: Pair, seed: int) -> Watched:
    """Forty updates, which is enough for the rule."""
    network = two_layers(tuple(train[0].shape[1:]), seed, batch_norm=True)
    return train_watched(network, train, lr=RATE, epochs=40, batch_size=size, seed=seed, steps=40)


Scored = Mapping[int, Sequence[float]]
"""Accuracies of every seed by batch size."""


def accuracies(train: Pair, validation: Pair, sizes: Sequence[int], bench: Bench, *, batch_norm: bool) -> Scored:
    """Validation accuracy after the same number of updates for every batch size, at a rate that suits all of them."""
    shape = tuple(train[0].shape[1:])
    problem = problem_of(
        lambda chosen: two_layers(shape, chosen["seed"], batch_norm=batch_norm),
        train,
        validation=validation,
        settings=TrainSettings(optimizer="momentum", lr=RATE, schedule="constant"),
    )
    engine = SingleEngine(dataclasses.replace(problem, kill_ratio=math.inf), MemoryStates())
    steps = bench.pick(*STEPS)

    def score(size: int, seed: int) -> float:
        epochs = steps / math.ceil(len(train[1]) / size)
        trial = TrialSpec(0, 0, {"batch_size": size, "seed": seed}, seed, epochs, order=seed)
        return engine.train([trial], epochs)[0].score

    return {size: [score(size, seed) for seed in bench.seeds] for size in sizes}


@SECTION.claim(
    "D7",
    "Small batches make batch normalisation less accurate.",
    expected="the estimated variance is off by √(2/(B−1)): 53 % in batches of 8, 13 % in 128; batches of 4 named",
    cost=30,
)
def small_batches_estimate_badly(bench: Bench) -> Outcome:
    """Compare the statistics of batches with the truth, and train with ever smaller batches.

    Example:
        >>> for size in (4, 128):
        ...     x = torch.randn(1000, size, generator=torch.Generator().manual_seed(0))
        ...     print(f"{(x.var(dim=1) - 1).square().mean().sqrt():.2f}")
        0.81
        0.13
    """
    draws = bench.pick(100, 200)
    found = {size: [estimates(size, seed, draws) for seed in bench.seeds] for size in SIZES}
    train, validation = prepared("mean-image,scale", pictures(bench))
    watched = {size: [watched_in_batches(size, train, seed) for seed in bench.seeds] for size in (4, 32)}
    finding = watched[4][0].finding("NRM001")
    sizes = bench.pick((2, 4, 128), SIZES)
    scores, without = (accuracies(train, validation, sizes, bench, batch_norm=norm) for norm in (True, False))
    gains = {size: [a - b for a, b in zip(scores[size], without[size], strict=True)] for size in sizes}
    of_eight, of_many = ([one.variance for one in found[size]] for size in (8, 128))
    worst = max(abs(one.variance / _expected(size) - 1) for size, group in found.items() for one in group)
    return Outcome(
        [
            near("error of the variance, batches of 8", of_eight, _expected(8), within=0.05, unit="%"),
            near("error of the variance, batches of 128", of_many, _expected(128), within=0.01, unit="%"),
            near("error of the mean, batches of 8 × √8", [one.mean * math.sqrt(8) for one in found[8]], 1, within=0.05),
            # the fourth moments of two values make the error of the error 3 %
            below("farthest from √(2/(B−1)), 2 to 128", worst, 0.15, unit="%"),
            near("a batch of two comes out as", [pairs_come_out_as_ones(seed) for seed in bench.seeds], 1, within=1e-3),
            named("NRM001", [one.findings for one in watched[4]], name="batches of 4 named by NRM001"),
            true("NRM001 silent for 32", [one.finding("NRM001") is None for one in watched[32]]),
            above(
                "gain of accuracy by batch norm, batches of 128 − of 2",
                [large - small for large, small in zip(gains[128], gains[2], strict=True)],
                0.05,
                unit="%",
            ),
            *(told(f"gain, batches of {size}", values, unit="%") for size, values in gains.items()),
        ],
        [
            Drawing(
                "batches",
                f"A variance of 4 values is off by {100 * found[4][0].variance:.0f} %, of 128 by "
                f"{100 * found[128][0].variance:.0f} %; batch norm changes the accuracy by {_points(gains[2])} points "
                f"in batches of 2 and by {_points(gains[128])} in batches of 128",
                partial(_draw_estimates, found=found, scores=scores, without=without),
                size=(7.4, 3.4),
                finding=finding,
            )
        ],
        findings=[finding] if finding else [],
        note=f"Accuracies after {bench.pick(*STEPS)} updates whatever the batch, with and without it. "
        f"{stood_in(bench)}",
    )


def _points(gains: Sequence[float]) -> str:
    return f"{100 * _median(gains):+.0f}".replace("-", "−")


def _expected(size: int) -> float:
    return math.sqrt(2 / (size - 1))


def _draw_estimates(
    figure: Figure,
    found: Mapping[int, Sequence[Estimates]],
    scores: Mapping[int, Sequence[float]],
    without: Mapping[int, Sequence[float]],
) -> None:
    left, right = figure.subplots(1, 2)
    for size, group in found.items():
        for one in group:
            left.plot(size, one.variance, "o", color=BLUE, label="variance" if size == 2 and one is group[0] else None)
            left.plot(size, one.mean, "s", color=RED, label="mean" if size == 2 and one is group[0] else None)
    sizes = list(found)
    left.plot(sizes, [_expected(size) for size in sizes], color=BLUE, linestyle="-", linewidth=1, label="√(2/(B−1))")
    left.plot(sizes, [1 / math.sqrt(size) for size in sizes], color=RED, linestyle="--", linewidth=1, label="1/√B")
    left.set(xlabel="batch size B", ylabel="error of the estimate", xscale="log", yscale="log")
    plain_log(left.yaxis)
    left.legend()
    for kind, colour, mark, dashes, name in ((scores, GREEN, "o", "-", "with"), (without, GREY, "s", "--", "without")):
        medians = [100 * _median(values) for values in kind.values()]
        right.plot(list(kind), medians, color=colour, linestyle=dashes, linewidth=1, label=f"{name} batch norm")
        for size, values in kind.items():
            right.plot([size] * len(values), [100 * value for value in values], mark, color=colour, markersize=4)
    right.set(xlabel="batch size B", ylabel="accuracy in evaluation (%)", xscale="log")
    right.legend()
    for axes in (left, right):
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()

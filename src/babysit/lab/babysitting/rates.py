"""E4, E5, E6: learning rates that are too low, far too high, and just too high on raw pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from babysit.fit import FitResult
from babysit.fit.losses import CLASSIFICATION, score
from babysit.fit.optimizers import make_optimizer
from babysit.lab.asking import ask, first
from babysit.lab.babysitting.first_loss import CHANCE
from babysit.lab.babysitting.section import SECTION
from babysit.lab.babysitting.walk import Pixels, network, pixels, train
from babysit.lab.drawing import BLACK, BLUE, COLOURS, DASHES, GREY, RED, SKY, short
from babysit.lab.measures import above, below, between, named, near, told, true
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.record import Probe
from babysit.preflight.learning_rate import EXPLODES, probe_learning_rates
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOO_LOW, GOOD, TOO_HIGH, FAR_TOO_HIGH = 1e-6, 1e-4, 3e-3, 1e6
EPOCHS = 10
"""The lecture's, at 1e-6."""
LECTURE_RANGE = (1e-5, 1e-3)
RANGE_STEPS = 200
"""Steps at each rate of the range, so that the lowest rates have time to leave the start of small weights."""
RATES = tuple(10 ** (exponent / 2) for exponent in range(-14, -1))
DIFFUSE = 0.11
"""Of ten probabilities none stands out while the largest is about a tenth."""
LEAST_GAIN, LEAST_MOVED = 0.03, 0.25
"""Of the accuracy, and of the examples that change their class: far more than one seed differs from another."""
_BINS = 50
_CEILING = 1.25  # where the picture has what exploded
HALF_A_DECADE = math.sqrt(10) * 1.01  # the distance of the rates that are tried, and a rounding


@dataclass(frozen=True)
class Beliefs:
    """What a network thinks of the training examples.

    Attributes:
        largest: The largest of the ten probabilities, one an example.
        choice: The class that has it.
        right: The probability of the example's own class.
        accuracy: Share of the examples whose class it is.
        loss: Cross-entropy.
    """

    largest: Tensor
    choice: Tensor
    right: Tensor
    accuracy: float
    loss: float


@torch.no_grad()
def beliefs(model: torch.nn.Module, images: Pixels) -> Beliefs:
    """The probabilities of a network on the training examples."""
    outputs = model(images.x)
    probabilities = F.softmax(outputs, dim=1)
    largest, choice = probabilities.max(dim=1)
    right = probabilities.gather(1, images.y.unsqueeze(1)).squeeze(1)
    accuracy, loss = score(CLASSIFICATION, outputs, images.y), CLASSIFICATION.loss(outputs, images.y).item()
    return Beliefs(largest, choice, right, accuracy, loss)


@SECTION.claim(
    "E4",
    "At a learning rate of 1e-6 the loss hardly moves, although the accuracy already rises.",
    expected="loss 2.30 to the end, LOS003; the probabilities stay diffuse while the largest one changes its place",
    cost=20,
)
def loss_hardly_moves(bench: Bench) -> Outcome:
    """Train at 1e-6, and look at the probabilities before and after.

    Example:
        >>> logits = torch.tensor([[0.000, 0.001], [0.001, 0.000]])  # diffuse, but which is larger decides
        >>> target = torch.tensor([1, 1])
        >>> torch.nn.functional.cross_entropy(logits, target).item(), torch.log(torch.tensor(2.0)).item()
        (0.693..., 0.693...)
        >>> moved = logits + torch.tensor([[0.0, 0.0], [0.0, 0.002]])
        >>> torch.nn.functional.cross_entropy(moved, target).item(), (moved.argmax(1) == target).float().mean().item()
        (0.692..., 1.0)
    """
    images = pixels(bench)
    starts = [beliefs(network(images.shape, seed), images) for seed in bench.seeds]
    results = [train(images, seed, lr=TOO_LOW, epochs=EPOCHS) for seed in bench.seeds]
    ends = [beliefs(result.model, images) for result in results]
    pairs = list(zip(starts, ends, strict=True))
    findings = [list(result.findings) for result in results]
    gained = [end.accuracy - start.accuracy for start, end in pairs]
    return Outcome(
        [
            named("LOS003", findings),
            near("loss at the end", [end.loss for end in ends], 2.30, within=0.005),
            above("rise of the training accuracy", gained, LEAST_GAIN, unit="%"),
            below("largest of ten probabilities, mean over the examples", _largest(ends), DIFFUSE, unit="%"),
            above("examples whose largest probability changed its place", _moved(pairs), LEAST_MOVED, unit="%"),
            told("training accuracy before", [start.accuracy for start in starts], unit="%"),
            told("training accuracy after", [end.accuracy for end in ends], unit="%"),
            told("fall of the loss", [start.loss - end.loss for start, end in pairs]),
        ],
        [
            Drawing(
                "diffuse",
                f"At lr {short(TOO_LOW)} all probabilities stay near 10 % and the loss at "
                f"{ends[0].loss:.2f}, but the accuracy goes from {starts[0].accuracy:.0%} to {ends[0].accuracy:.0%}",
                lambda figure: _draw_beliefs(figure, pairs[0], results[0]),
                (9.6, 3.4),
                first("LOS003", *findings),
            )
        ],
        findings=list(chain.from_iterable(findings)),
        note=images.note,
    )


@SECTION.claim(
    "E5",
    "At a learning rate of 1e6 the loss becomes NaN.",
    expected="LOS001 at the step at which it happens, with the learning rate as its cause",
    cost=6,
)
def loss_becomes_nan(bench: Bench) -> Outcome:
    """Train at 1e6 until the loss is no number.

    Example:
        >>> import babysit as bs
        >>> from babysit.nn import MLPConfig, build
        >>> x, y = 64 * torch.randn(200, 3072, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 10
        >>> result = bs.fit(build(MLPConfig((3072,), 10), seed=0), (x, y), lr=1e6, batch_size=20)
        >>> [finding.code for finding in result.findings]
        ['LOS001']
    """
    images = pixels(bench)
    results = [train(images, seed, lr=FAR_TOO_HIGH, epochs=1) for seed in bench.seeds]
    findings = [list(result.findings) for result in results]
    steps = [_first_broken(result.record.losses) for result in results]
    said = [first("LOS001", of_one) for of_one in findings]
    curve = results[0].record.losses[: steps[0]]
    return Outcome(
        [
            named("LOS001", findings),
            true("at the very step", [f is not None and f.first_step == s for f, s in zip(said, steps, strict=True)]),
            true("the learning rate is its cause", [_blames(of_one) for of_one in findings]),
            told("first step whose loss is no number", steps),
            told("last loss before", [result.record.losses[s - 1] for result, s in zip(results, steps, strict=True)]),
        ],
        [
            Drawing(
                "nan",
                f"At lr {short(FAR_TOO_HIGH)} the loss grows to {short(curve[-1])}, and is NaN at step {steps[0]}",
                lambda figure: _draw_end(figure, curve),
                finding=said[0],
            )
        ],
        findings=list(chain.from_iterable(findings)),
        note=images.note,
    )


@SECTION.claim(
    "E6",
    "On raw pixels and with momentum the loss still explodes at 3e-3; rates of 1e-5 to 1e-3 are worth trying.",
    expected="LOS002 (or LOS001, where it ends in NaN); usable from about 1e-5 to 1e-3, to half a power of ten",
    cost=25,
)
def loss_still_explodes(bench: Bench) -> Outcome:
    """Train at 3e-3, and try rates from 1e-7 on.

    Example:
        >>> import babysit as bs
        >>> from babysit.nn import MLPConfig, build
        >>> x, y = 64 * torch.randn(200, 3072, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 10
        >>> result = bs.fit(build(MLPConfig((3072,), 10), seed=0), (x, y), lr=3e-3, batch_size=20)
        >>> [finding.code for finding in result.findings]
        ['LOS002']
    """
    images = pixels(bench)
    results = [train(images, seed, lr=TOO_HIGH, epochs=3) for seed in bench.seeds]
    findings = [list(result.findings) for result in results]
    ranges = [learning_rates(images, seed) for seed in bench.seeds[:2]]
    lows, highs = ([probe.numbers.get(end, math.nan) for probe in ranges] for end in ("low", "high"))
    growth = [_largest_loss(result) / result.record.losses[0] for result in results]
    low, high = LECTURE_RANGE
    curves = {
        f"lr {short(rate)}": train(images, bench.seeds[0], lr=rate, epochs=3).record.losses
        for rate in (TOO_LOW, GOOD, TOO_HIGH, FAR_TOO_HIGH)
    }
    return Outcome(
        [
            named("LOS002", [ask("LOS002", result.record) for result in results], name="LOS002 sees it"),
            true("the worst finding blames the learning rate", [_blames(of_one) for of_one in findings]),
            above("largest loss / first", growth, EXPLODES),
            between("lowest rate that works", lows, low / HALF_A_DECADE, low * HALF_A_DECADE),
            between("upper end of the range", highs, high / HALF_A_DECADE, high * HALF_A_DECADE),
            told("best rate tried", [probe.numbers.get("best", math.nan) for probe in ranges]),
        ],
        [
            Drawing(
                "curves",
                f"At lr {short(TOO_HIGH)} the loss explodes {short(growth[0])}-fold; at {short(GOOD)} it falls",
                lambda figure: _draw_curves(figure, curves),
                finding=next(iter(findings[0]), None),
            ),
            Drawing(
                "range",
                f"On raw pixels rates from {short(median(lows))} to {short(median(highs))} are worth trying",
                lambda figure: _draw_range(figure, ranges),
            ),
        ],
        findings=list(chain.from_iterable(findings)),
        note=images.note,
    )


def learning_rates(images: Pixels, seed: int) -> Probe:
    """What becomes of the loss at rates from 1e-7 on."""
    return probe_learning_rates(
        network(images.shape, seed),
        F.cross_entropy,
        images.batches(RANGE_STEPS, seed),
        lambda model, rate: make_optimizer("momentum", model, lr=rate),
        rates=RATES,
    )


def _largest(ends: Sequence[Beliefs]) -> list[float]:
    return [end.largest.mean().item() for end in ends]


def _moved(pairs: Sequence[tuple[Beliefs, Beliefs]]) -> list[float]:
    return [(start.choice != end.choice).float().mean().item() for start, end in pairs]


def _blames(findings: Sequence[Finding]) -> bool:
    """Whether the first and worst of some findings names the learning rate as the cause."""
    return bool(findings) and "the learning rate is too high" in findings[0].message


def _first_broken(losses: Sequence[float]) -> int:
    return next((step for step, loss in enumerate(losses) if not math.isfinite(loss)), -1)


def _largest_loss(result: FitResult) -> float:
    return max((loss for loss in result.record.losses if math.isfinite(loss)), default=math.nan)


def _draw_beliefs(figure: Figure, pair: tuple[Beliefs, Beliefs], result: FitResult) -> None:
    wide, close, right = figure.subplots(1, 3)
    reach = (pair[1].right - 0.1).abs().quantile(0.99).item()
    unit = 10.0 ** math.floor(math.log10(reach))
    for one, label, colour in zip(pair, ("before", "after"), (GREY, BLUE), strict=True):
        _steps(wide, one.largest, (0, 1), colour, label)
        _steps(close, (one.right - 0.1) / unit, (-reach / unit, reach / unit), colour, label)
    wide.set(xlabel="largest of ten probabilities", ylabel="share of the examples", ylim=(0, 1.05))
    wide.legend(loc="center right")
    close.set(xlabel=f"probability of the right class − 0.1, in {short(unit)}")
    close.axvline(0, color=BLACK, linewidth=0.8)
    run = result.record.evaluated("train")
    epochs = [0, *(item.epoch for item in run)]
    right.plot(epochs, [pair[0].accuracy, *(item.score for item in run)], "-", color=RED, label="accuracy")
    right.set(xlabel="epoch", ylabel="training accuracy", ylim=(0, 1))
    other = right.twinx()
    other.plot(epochs, [pair[0].loss, *(item.loss for item in run)], "--", color=BLACK, label="loss")
    other.set(ylabel="training loss", ylim=(0, 2.6))
    other.grid(visible=False)
    other.spines["right"].set_visible(True)
    lines = [*right.get_lines(), *other.get_lines()]
    right.legend(lines, [str(line.get_label()) for line in lines], loc="upper left", bbox_to_anchor=(0, 0.85))


def _steps(axes: Axes, values: Tensor, ends: tuple[float, float], colour: str, label: str) -> None:
    """A histogram in shares: the first one filled, as a later one may lie right on it."""
    counts = torch.histc(values, bins=_BINS, min=ends[0], max=ends[1]) / len(values)
    edges = torch.linspace(*ends, _BINS + 1)
    axes.stairs(counts, edges, color=colour, linewidth=1.4, fill=label == "before", label=label)


def _draw_end(figure: Figure, losses: Sequence[float]) -> None:
    axes = figure.subplots()
    axes.plot(losses, "o-", color=BLUE)
    axes.axvline(len(losses), color=RED, linestyle="--")
    axes.annotate("NaN", (len(losses), losses[0]), xytext=(-6, 0), textcoords="offset points", color=RED, ha="right")
    axes.set(yscale="log", xlabel="step", ylabel="training loss", xticks=range(len(losses) + 1))


def _draw_curves(figure: Figure, curves: Mapping[str, Sequence[float]]) -> None:
    axes = figure.subplots()
    for (label, losses), colour, dash in zip(curves.items(), COLOURS, DASHES, strict=False):
        known = [(step, loss) for step, loss in enumerate(losses) if math.isfinite(loss)]
        ends = "" if len(known) == len(losses) else f", NaN at step {len(known)}"
        axes.plot(*zip(*known, strict=True), color=colour, linestyle=dash, linewidth=1.2, label=label + ends)
    axes.axhline(EXPLODES * CHANCE, color=GREY, linewidth=0.8, linestyle=":", label="3 × the first loss")
    axes.set(yscale="log", xlabel="step", ylabel="training loss")
    axes.legend()


def _draw_range(figure: Figure, ranges: Sequence[Probe]) -> None:
    axes = figure.subplots()
    axes.axvspan(*LECTURE_RANGE, color=SKY, alpha=0.25, linewidth=0, label="the lecture's range")
    for number, probe in enumerate(ranges):
        tried = list(zip(probe.series["lr"], probe.series["ratio"], strict=True))
        fine = [(rate, ratio) for rate, ratio in tried if math.isfinite(ratio)]
        exploded = [rate for rate, ratio in tried if not math.isfinite(ratio)]
        first = number == 0
        axes.plot(
            *zip(*fine, strict=True), "o-", color=BLUE, markersize=3, linewidth=1, label="ends at" if first else None
        )
        axes.plot(exploded, [_CEILING] * len(exploded), "x", color=RED, label="explodes" if first else None)
    axes.set(xscale="log", xlabel="learning rate", ylabel=f"loss after {RANGE_STEPS} steps / first loss", ylim=(0, 1.4))
    axes.legend(loc="lower left")

"""E1, E2: the loss before any training, without regularisation and with a lot of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from torch.nn import functional as F

from babysit.lab.asking import ask
from babysit.lab.babysitting.section import SECTION
from babysit.lab.babysitting.walk import SCORES, STD, Pixels, network, pixels
from babysit.lab.drawing import BLUE, GREY, RED, short
from babysit.lab.measures import named, near, told, true
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.record import Probe, RunHeader, collect
from babysit.preflight.initial_loss import probe_initial_loss
from babysit.preflight.regularization import STRENGTH, probe_regularization
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANCE = math.log(10)
"""−ln(1/10)."""
CHANCE_WITHIN = SCORES + 5e-5
"""The first loss differs from that of guessing by as much as the scores do, and 2.3026 is rounded."""
WIDE = 0.1
"""A standard deviation of weights that starts far from guessing on this scale."""
CLOSE = 0.01
"""Relative difference of a loss that is as good as that of guessing, for the picture's title."""
DEVIATIONS = 3.0
"""Standard deviations of the weights' sum of squares that are put down to chance."""
STDS = tuple(10 ** (exponent / 2) for exponent in range(-10, -1))
STRENGTHS = tuple(10 ** (exponent / 2) for exponent in range(9))


def judged(code: str, probe: Probe) -> list[Finding]:
    """What a rule says of a probe of this classification."""
    header = RunHeader(task="classification", loss_name="cross_entropy", classes=10, chance_loss=CHANCE)
    return ask(code, collect(header, [probe]))


def initial_loss(images: Pixels, seed: int, std: float) -> Probe:
    """The loss on eight batches before any training."""
    return probe_initial_loss(
        network(images.shape, seed, std),
        F.cross_entropy,
        images.batches(8, seed),
        expected=CHANCE,
        loss_name="cross_entropy",
    )


def penalised(images: Pixels, seed: int, strength: float) -> Probe:
    """The loss without and with regularisation of some strength."""
    x, y = images.batches(1, seed)[0]
    return probe_regularization(network(images.shape, seed), F.cross_entropy, x, y, strength=strength)


@SECTION.claim(
    "E1",
    "With no regularisation and small weights the first loss of a softmax over ten classes is −ln(1/10).",
    expected="2.3026; PRE001 says nothing of it, and names weights that are too large",
    cost=6,
)
def first_loss_is_that_of_guessing(bench: Bench) -> Outcome:
    """Ask the check of the initial loss, for the lecture's weights and for larger ones.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build
        >>> network = build(MLPConfig((3, 32, 32), 10, hidden=(50,)), seed=0)
        >>> own = torch.Generator().manual_seed(1)
        >>> x, y = torch.randn(100, 3, 32, 32, generator=own), torch.randint(10, (100,), generator=own)
        >>> loss = torch.nn.functional.cross_entropy(network(x), y).item()
        >>> round(loss, 2)
        2.3
    """
    images = pixels(bench)
    probes = [initial_loss(images, seed, STD) for seed in bench.seeds]
    wide = [initial_loss(images, seed, WIDE) for seed in bench.seeds]
    found = [judged("PRE001", probe) for probe in wide]
    losses = [[initial_loss(images, seed, std).numbers["loss"] for seed in bench.seeds] for std in STDS]
    small = max(std for std, of_seeds in zip(STDS, losses, strict=True) if max(of_seeds) < (1 + CLOSE) * CHANCE)
    return Outcome(
        [
            near("first loss", [probe.numbers["loss"] for probe in probes], CHANCE, within=CHANCE_WITHIN),
            true("PRE001 says nothing", [not judged("PRE001", probe) for probe in probes]),
            told(f"first loss, weights {WIDE:g}·N(0, 1)", [probe.numbers["loss"] for probe in wide]),
            named("PRE001", found, name=f"PRE001 names weights {WIDE:g}·N(0, 1)"),
        ],
        [
            Drawing(
                "first-loss",
                f"The first loss is ln 10 = {CHANCE:.4f} up to weights of {short(small)}·N(0, 1), and "
                f"{short(median(losses[-1]), 3)} with {short(STDS[-1])}·N(0, 1)",
                lambda figure: _draw_first_loss(figure, losses),
                finding=next(iter(found[0]), None),
            )
        ],
        findings=list(chain.from_iterable(found)),
        note=images.note,
    )


@SECTION.claim(
    "E2",
    "Turning the regularisation up to 1e3 raises the first loss.",
    expected="ln 10 + ½·λ·σ²·number of weights: 3.07 with CIFAR-10's 154,100 weights of 1e-4·N(0, 1)",
    cost=5,
)
def regularisation_raises_the_loss(bench: Bench) -> Outcome:
    """Ask the check of the regularisation for the loss without and with it.

    Example:
        >>> import torch
        >>> from babysit.nn import MLPConfig, build, initialize, l2_penalty
        >>> network = build(MLPConfig((3, 32, 32), 10, hidden=(50,)), seed=0)
        >>> initialize(network, "normal:0.0001", generator=torch.Generator().manual_seed(0))
        >>> round(torch.tensor(10.0).log().item() + l2_penalty(network, 1e3).item(), 2)
        3.07
    """
    images = pixels(bench)
    count = sum(weight.numel() for weight in network(images.shape, 0).parameters() if weight.dim() > 1)
    probes = [penalised(images, seed, STRENGTH) for seed in bench.seeds]
    found = [judged("PRE002", probe) for probe in probes]
    curve = [penalised(images, bench.seeds[0], strength).numbers["loss_with"] for strength in STRENGTHS]
    loss, penalty = median(probe.numbers["loss_with"] for probe in probes), 0.5 * STRENGTH * STD**2 * count
    # Σw² of n Gaussians has the relative standard deviation √(2/n)
    within = DEVIATIONS * math.sqrt(2 / count) * penalty + CHANCE_WITHIN
    return Outcome(
        [
            near(f"loss with λ = {short(STRENGTH)}", _of(probes, "loss_with"), CHANCE + penalty, within=within),
            near("loss without", _of(probes, "loss_without"), CHANCE, within=CHANCE_WITHIN),
            true("PRE002 says nothing", [not of_one for of_one in found]),
            true("a step of decay alone shrinks the weights", [_shrinks(probe) for probe in probes]),
            told("weights", count),
        ],
        [
            Drawing(
                "strength",
                f"λ = {short(STRENGTH)} takes the first loss from {CHANCE:.2f} to {loss:.2f}, "
                f"as {count:,} weights should",
                lambda figure: _draw_strengths(figure, curve, count),
            )
        ],
        note=images.note,
    )


def _of(probes: Sequence[Probe], name: str) -> list[float]:
    return [probe.numbers[name] for probe in probes]


def _shrinks(probe: Probe) -> bool:
    return probe.numbers["weight_norm_after"] < probe.numbers["weight_norm_before"]


def _draw_first_loss(figure: Figure, losses: Sequence[Sequence[float]]) -> None:
    axes = figure.subplots()
    for number in range(len(losses[0])):
        axes.plot(STDS, [of_seeds[number] for of_seeds in losses], "o-", color=BLUE, markersize=3, linewidth=1)
    axes.axhline(CHANCE, color=RED, linestyle="--")
    axes.annotate("−ln(1/10)", (STDS[0], CHANCE), xytext=(0, 6), textcoords="offset points", color=RED)
    axes.set(xscale="log", yscale="log", xlabel="standard deviation of the first weights", ylabel="first loss")


def _draw_strengths(figure: Figure, curve: Sequence[float], count: int) -> None:
    axes = figure.subplots()
    expected = [CHANCE + 0.5 * strength * STD**2 * count for strength in STRENGTHS]
    axes.plot(STRENGTHS, expected, color=GREY, linestyle="--", label="ln 10 + ½·λ·σ²·number of weights")
    axes.plot(STRENGTHS, curve, "o", color=BLUE, markersize=4, label="measured")
    axes.axvline(STRENGTH, color=RED, linewidth=0.8)
    axes.annotate("the lecture's λ", (STRENGTH, axes.get_ylim()[1]), xytext=(-4, -10), textcoords="offset points",
                  color=RED, ha="right")  # fmt: skip
    axes.set(xscale="log", xlabel="strength λ of the regularisation ½·λ·‖W‖²", ylabel="first loss")
    axes.legend()

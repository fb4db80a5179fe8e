"""E3: twenty examples are learnt by heart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from babysit.fit import FitResult, fit
from babysit.fit.losses import CLASSIFICATION, score
from babysit.lab.babysitting.first_loss import CHANCE, judged
from babysit.lab.babysitting.section import SECTION
from babysit.lab.babysitting.walk import Pixels, network, pixels
from babysit.lab.drawing import BLUE, RED, short
from babysit.lab.measures import below, named, near, told, true
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.record import Evaluation, Probe
from babysit.preflight.overfit import TARGET, probe_overfit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPOCHS, RATE, ZERO = 200, 1e-3, 0.01
"""The lecture's, and what counts as a loss of zero."""


def learn_by_heart(images: Pixels, seed: int) -> FitResult:
    """The lecture's training: all twenty examples at every step, no regularisation, plain gradient descent."""
    few = images.few
    return fit(
        network(images.shape, seed),
        few,
        validation=few,  # the same ones, to have the accuracy after every epoch
        optimizer="sgd",
        lr=RATE,
        schedule="constant",
        epochs=EPOCHS,
        batch_size=len(few[1]),
        seed=seed,
        threads=1,
    )


def overfit(model: nn.Module, few: tuple[Tensor, Tensor]) -> Probe:
    """The check that `babysit train` makes."""
    return probe_overfit(
        model,
        CLASSIFICATION.loss,
        lambda outputs, targets: score(CLASSIFICATION, outputs, targets),
        *few,
        chance_loss=CHANCE,
    )


@SECTION.claim(
    "E3",
    "Without regularisation twenty examples are learnt by heart: the loss goes to zero, the accuracy to 1.00.",
    expected="loss < 0.01 and accuracy 1.00 in 200 epochs at lr 1e-3; PRE003 says nothing",
    cost=10,
)
def twenty_examples_are_learnt_by_heart(bench: Bench) -> Outcome:
    """Train on twenty images, as the lecture does and as the check before a training does.

    Example:
        >>> import babysit as bs
        >>> from babysit.nn import MLPConfig, build
        >>> network = build(MLPConfig((3072,), 10, hidden=(50,)), seed=0)
        >>> x, y = torch.randn(20, 3072, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 10
        >>> result = bs.fit(network, (x, y), validation=(x, y), lr=0.01, epochs=200, batch_size=20)
        >>> result.best.score, result.best.loss < 0.01
        (1.0, True)
    """
    images = pixels(bench)
    ends = [learn_by_heart(images, seed).record.evaluated("train") for seed in bench.seeds]
    probes = [overfit(network(images.shape, seed), images.few) for seed in bench.seeds]
    found = [judged("PRE003", probe) for probe in probes]
    without = [judged("PRE003", overfit(_zeros(images, seed), images.few)) for seed in bench.seeds[:1]]
    losses = [of_one[-1].loss for of_one in ends]
    perfect = median(next((item.epoch for item in of_one if item.score == 1), EPOCHS) for of_one in ends)
    return Outcome(
        [
            below(f"loss after {EPOCHS} epochs", losses, ZERO),
            near("accuracy then", [of_one[-1].score for of_one in ends], 1, within=0),
            below("loss of the check", [probe.numbers["loss"] for probe in probes], TARGET * CHANCE),
            true("PRE003 says nothing", [not of_one for of_one in found]),
            named("PRE003", without, name="PRE003 names a net whose weights are all zero"),
            told("steps of the check, with Adam", [probe.numbers["epochs"] for probe in probes]),
        ],
        [
            Drawing(
                "by-heart",
                f"Twenty examples: all right after {perfect:.0f} epochs, loss {short(median(losses))} after {EPOCHS}",
                lambda figure: _draw_by_heart(figure, ends),
            )
        ],
        findings=list(chain.from_iterable(without)),
        note=images.note,
    )


def _zeros(images: Pixels, seed: int) -> nn.Module:
    model = network(images.shape, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def _draw_by_heart(figure: Figure, runs: Sequence[Sequence[Evaluation]]) -> None:
    above, beneath = figure.subplots(2, sharex=True)
    for number, run in enumerate(runs):
        epochs = [item.epoch for item in run]
        label = {True: "one seed each", False: None}[number == 0]
        above.plot(epochs, [item.loss for item in run], color=BLUE, linestyle="-", linewidth=1, label=label)
        beneath.plot(epochs, [item.score for item in run], color=RED, linestyle="-", linewidth=1)
    above.axhline(ZERO, color=BLUE, linestyle=":", label=f"loss {ZERO:g}")
    above.set(yscale="log", ylabel="loss")
    above.legend()
    beneath.set(ylim=(0, 1.05), xlabel="epoch (one step on all twenty)", ylabel="accuracy")

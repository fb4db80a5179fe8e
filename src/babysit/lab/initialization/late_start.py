"""C9: a loss that is flat and then suddenly falls."""

from __future__ import annotations

import math
from itertools import chain

from babysit.fit import FitResult
from babysit.lab.asking import first
from babysit.lab.initialization.pictures import draw_losses
from babysit.lab.initialization.section import SECTION
from babysit.lab.initialization.ten_layers import unnamed
from babysit.lab.initialization.trainings import last_loss, train
from babysit.lab.measures import above, below, named, told
from babysit.lab.section import Bench, Drawing, Outcome

HIDDEN = (100, 100, 100)
SMALL, HE = "normal:0.02", "he"
FLAT = 0.95 * math.log(10)
"""A loss above this has hardly left that of guessing."""


def start(result: FitResult) -> int:
    """The step at which the loss leaves that of guessing for good."""
    return max((step for step, loss in enumerate(result.record.losses) if loss > FLAT), default=-1) + 1


def fall(result: FitResult) -> int:
    """How many steps it then takes to half of that loss."""
    first = start(result)
    losses = result.record.losses[first:]
    return next((step for step, loss in enumerate(losses) if loss < FLAT / 2), len(losses))


@SECTION.claim(
    "C9",
    "A loss that is flat and then suddenly falls points to a bad initialisation.",
    expected="such a curve from weights that are too small, none from He's; INI004 names it",
    cost=12,
)
def flat_then_falling(bench: Bench) -> Outcome:
    """Train three hidden layers on digits from weights of a seventh of He's, and from He's.

    Example:
        >>> import torch
        >>> import babysit as bs
        >>> from babysit.nn import MLPConfig, build
        >>> x = torch.randn(640, 20, generator=torch.Generator().manual_seed(0))
        >>> net = build(MLPConfig((20,), 2, hidden=(100,) * 3, init="normal:0.02"), seed=0)
        >>> result = bs.fit(net, (x, (x[:, 0] > 0).long()), epochs=40, batch_size=64, lr=0.05, schedule="constant")
        >>> [finding.code for finding in result.findings]
        ['INI004']
    """
    epochs = bench.pick(18, 20)
    small, he = (
        [train(HIDDEN, "relu", scheme, seed, lr=0.05, epochs=epochs) for seed in bench.seeds] for scheme in (SMALL, HE)
    )
    found = [list(result.findings) for result in small]
    flat, sudden = [start(result) for result in small], [fall(result) for result in small]
    return Outcome(
        [
            named("INI004", found),
            above("steps with a flat loss, 0.02·N(0, 1)", flat, 100),
            below(
                "steps from there to half the loss / flat steps",
                [s / f for f, s in zip(flat, sudden, strict=True)],
                0.5,
            ),
            below("steps with a flat loss, He's weights", [start(result) for result in he], 20),
            unnamed([list(result.findings) for result in he]),
            told("loss at the end, 0.02·N(0, 1)", [last_loss(result) for result in small]),
            told("loss at the end, He's weights", [last_loss(result) for result in he]),
        ],
        [
            Drawing(
                "late-start",
                f"From small weights the loss is flat for {flat[0]} steps and then halves within "
                f"{sudden[0]}; from He's weights it falls at once",
                lambda figure: draw_losses(
                    figure, {"0.02·N(0, 1)": small[0].record.losses, "He's weights": he[0].record.losses}
                ),
                finding=first("INI004", found[0]),
            )
        ],
        findings=list(chain.from_iterable(found)),
    )

"""A10: PReLU's slope below zero is a parameter that backpropagation reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

import babysit as bs
from babysit.lab.activations.section import SECTION
from babysit.lab.activations.trainings import descend, digits, mlp
from babysit.lab.drawing import COLOURS, DASHES, GREY, label_lines
from babysit.lab.measures import above, near, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HIDDEN = (100, 100, 100)
_INITIAL = 0.25  # torch's, and He et al.'s


@dataclass(frozen=True)
class _Training:
    """The slopes of the layers, from before the first step to after the last; what the rules said."""

    slopes: tuple[tuple[float, ...], ...]
    findings: tuple[Finding, ...]

    @property
    def moved(self) -> float:
        """How far the slope that moved least went from its initial value."""
        return min(abs(slope - _INITIAL) for slope in self.slopes[-1])


@SECTION.claim(
    "A10",
    "PReLU: the slope α is learned by backprop.",
    expected="α moves from its initial value in training; its gradient is that of Σ min(0, z)",
    cost=6,
)
def slopes_are_learned(bench: Bench) -> Outcome:
    """Train a network of PReLUs and note every layer's α after every step.

    Example:
        >>> prelu, z = torch.nn.PReLU(), torch.tensor([-3.0, -1.0, 2.0])
        >>> prelu(z).sum().backward()
        >>> prelu.weight.grad.item()  # the sum of the negative inputs
        -4.0
    """
    steps = bench.pick(150, 500)
    trained = [_train(seed, steps) for seed in bench.seeds]
    ends = list(zip(*(one.slopes[-1] for one in trained), strict=True))
    return Outcome(
        [
            above("how far α moved, in the layer where it moved least", [one.moved for one in trained], 0.01),
            *(told(f"α of layer {depth} at the end", values) for depth, values in enumerate(ends, start=1)),
            near("gradient of α less Σ min(0, z)", [_gradient_error(seed) for seed in bench.seeds], 0, within=1e-12),
            near("findings", [float(len(one.findings)) for one in trained], 0, within=0),
        ],
        [
            Drawing(
                "slopes",
                f"PReLU's slopes start at {_INITIAL:g} and are at "
                f"{', '.join(f'{slope:.2f}' for slope in trained[0].slopes[-1])} after {steps} steps",
                lambda figure: _draw(figure, trained),
            )
        ],
        findings=[finding for one in trained for finding in one.findings],
    )


def _train(seed: int, steps: int) -> _Training:
    data = digits()
    model = mlp(data, "prelu", _HIDDEN, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    learned = [model.get_parameter(f"act{depth}.weight") for depth in range(1, len(_HIDDEN) + 1)]
    path = [tuple(slope.item() for slope in learned)]
    with bs.watch(model, optimizer) as monitor:
        for _ in descend(model, optimizer, data.train, steps=steps, seed=seed):
            path.append(tuple(slope.item() for slope in learned))
    return _Training(tuple(path), monitor.findings)


def _gradient_error(seed: int) -> float:
    """Autograd's gradient of α beside the formula, relative to it."""
    z = torch.randn(1000, generator=Bench.generator(seed), dtype=torch.float64)
    prelu = nn.PReLU(dtype=torch.float64)
    (gradient,) = torch.autograd.grad(prelu(z).sum(), [prelu.weight])
    wanted = z.clamp(max=0).sum()
    return ((gradient - wanted) / wanted).item()


def _draw(figure: Figure, trained: list[_Training]) -> None:
    axes = figure.subplots()
    for depth, (colour, dash) in enumerate(zip(COLOURS, DASHES, strict=True)):
        if depth == len(_HIDDEN):
            break
        for place, one in enumerate(reversed(trained)):
            last = place == len(trained) - 1
            axes.plot([slopes[depth] for slopes in one.slopes], color=colour, linestyle=dash,
                      alpha=1 if last else 0.35, linewidth=1.8 if last else 0.9,
                      label=f"layer {depth + 1}" if last else "_")  # fmt: skip
    axes.axhline(_INITIAL, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="step", ylabel="slope α below zero", xlim=(0, 1.12 * len(trained[0].slopes)))
    label_lines(axes)

"""A1, A4: what saturates has no gradient; and a network that saturated is named so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import babysit as bs
from babysit.lab.activations.section import SECTION
from babysit.lab.activations.shapes import draw_with_slope, outputs, slopes
from babysit.lab.activations.trainings import BATCH, digits, layer_outputs, percent
from babysit.lab.asking import first
from babysit.lab.drawing import BLUE, RED
from babysit.lab.measures import Measure, above, below, named, near, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.measure.statistics import saturated_fraction
from babysit.nn import BOUNDS, MLPConfig, build
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HIDDEN = (100, 100)
_CURVE = 801  # points


@dataclass(frozen=True, eq=False)
class _Training:
    """One network's first hidden layer at the start, and what the rules said of its training.

    Attributes:
        given: The layer's outputs on the training set, before any step.
        saturated: Share of them at their limits.
        slope: Mean gradient that the activation passes back there.
        loss: Of the last step.
        findings: Of the training.
    """

    given: Tensor
    saturated: float
    slope: float
    loss: float
    findings: tuple[Finding, ...]


@SECTION.claim(
    "A1",
    "Sigmoid squashes to [0, 1], and its gradient dies at both ends.",
    expected="σ′(±10) < 5e-5, σ′(0) = 0.25; a saturated network is named by ACT002",
    cost=6,
)
def sigmoid_dies_at_both_ends(bench: Bench) -> Outcome:
    """Ask autograd for the gradient of the sigmoid, then start a sigmoid network with far too large weights.

    Example:
        >>> x = torch.tensor([-10.0, 0.0, 10.0], requires_grad=True)
        >>> torch.sigmoid(x).sum().backward()
        >>> [f"{slope:.2g}" for slope in x.grad.tolist()]
        ['4.5e-05', '0.25', '4.5e-05']
    """
    left, middle, right = slopes("sigmoid", torch.tensor([-10.0, 0.0, 10.0], dtype=torch.float64)).tolist()
    out = outputs("sigmoid", torch.linspace(-1e3, 1e3, _CURVE))
    saturated, healthy = _both(bench, "sigmoid", "normal:3")
    return Outcome(
        [
            below("σ′(−10)", left, 5e-5),
            below("σ′(10)", right, 5e-5),
            near("σ′(0)", middle, 0.25, within=1e-12),
            near("least output", out.min().item(), 0, within=1e-6),
            near("greatest output", out.max().item(), 1, within=1e-6),
            *_measures("N(0, 3²)", saturated, healthy),
        ],
        [
            Drawing(
                "sigmoid",
                f"Ten units from zero the sigmoid passes {left:.2g} of the gradient on, at best {middle:.2g}",
                lambda figure: _draw_function(figure, "sigmoid"),
            ),
            _histogram("N(0, 3²)", "sigmoid", saturated[0], healthy[0]),
        ],
        findings=saturated[0].findings,
    )


@SECTION.claim(
    "A4",
    "Tanh is zero-centred in [−1, 1] and still saturates.",
    expected="mean ≈ 0 on zero-mean input; tanh′(±10) < 1e-7; a saturated network is named by ACT002",
    cost=6,
)
def tanh_is_centred_and_saturates(bench: Bench) -> Outcome:
    """Take the mean of tanh over zero-mean inputs and its gradient far from zero, then start with weights of N(0, 1).

    Example:
        >>> z = torch.linspace(-4, 4, 1001, dtype=torch.float64)
        >>> f"tanh {z.tanh().mean().abs():.3f}, sigmoid {z.sigmoid().mean():.3f}"
        'tanh 0.000, sigmoid 0.500'
    """
    left, right = slopes("tanh", torch.tensor([-10.0, 10.0], dtype=torch.float64)).tolist()
    count = 100_000
    inputs = [torch.randn(count, generator=bench.generator(seed)) for seed in bench.seeds]
    # tanh of N(0, 1) has standard deviation 0.628: four standard errors of a mean over `count` draws
    error = 4 * 0.628 / count**0.5
    out = outputs("tanh", torch.linspace(-1e3, 1e3, _CURVE))
    saturated, healthy = _both(bench, "tanh", "normal:1")
    return Outcome(
        [
            near("mean of tanh, z ~ N(0, 1)", [z.tanh().mean().item() for z in inputs], 0, within=error),
            told("mean of sigmoid, same z", [z.sigmoid().mean().item() for z in inputs]),
            below("tanh′(−10)", left, 1e-7),
            below("tanh′(10)", right, 1e-7),
            near("least output", out.min().item(), -1, within=1e-6),
            near("greatest output", out.max().item(), 1, within=1e-6),
            *_measures("N(0, 1)", saturated, healthy),
        ],
        [
            Drawing(
                "tanh",
                f"Tanh is centred on zero; ten units from it, it passes {left:.1g} of the gradient on",
                lambda figure: _draw_function(figure, "tanh"),
            ),
            _histogram("N(0, 1)", "tanh", saturated[0], healthy[0]),
        ],
        findings=saturated[0].findings,
    )


def _both(bench: Bench, activation: str, scheme: str) -> tuple[list[_Training], list[_Training]]:
    """Trainings from too large weights, and the same ones from Xavier's, a seed each."""
    saturated = [_train(bench, activation, scheme, seed) for seed in bench.seeds]
    return saturated, [_train(bench, activation, "xavier", seed) for seed in bench.seeds]


def _train(bench: Bench, activation: str, scheme: str, seed: int) -> _Training:
    data = digits()
    x, _ = data.train
    model = build(MLPConfig((data.features,), 10, _HIDDEN, activation, init=scheme), seed)
    given = layer_outputs(model, x)
    slope = slopes(activation, given["fc1"]).mean().item()
    result = bs.fit(
        model, data.train, optimizer="sgd", lr=0.1, epochs=bench.pick(3, 6), batch_size=BATCH, seed=seed, threads=1
    )
    share = saturated_fraction(given["act1"], *BOUNDS[activation]).item()
    return _Training(given["act1"], share, slope, result.record.losses[-1], result.findings)


def _measures(name: str, saturated: Sequence[_Training], healthy: Sequence[_Training]) -> list[Measure]:
    return [
        named("ACT002", [training.findings for training in saturated], name=f"weights of {name} named by ACT002"),
        above(f"outputs at their limits, {name}", [training.saturated for training in saturated], 0.5, unit="%"),
        below("outputs at their limits, Xavier", [training.saturated for training in healthy], 0.1, unit="%"),
        told(f"mean gradient passed back, {name}", [training.slope for training in saturated]),
        told("mean gradient passed back, Xavier", [training.slope for training in healthy]),
    ]


def _histogram(name: str, activation: str, saturated: _Training, healthy: _Training) -> Drawing:
    finding = first("ACT002", saturated.findings)
    return Drawing(
        "saturated",
        f"Weights of {name} put {percent(saturated.saturated)} of a {activation} layer's outputs at their limits, "
        f"Xavier's {percent(healthy.saturated)}: {saturated.slope:.2g} of the gradient comes back, or "
        f"{healthy.slope:.2g}",
        lambda figure: _draw_histograms(figure, name, activation, saturated, healthy),
        finding=finding,
    )


def _draw_function(figure: Figure, activation: str) -> None:
    axes = figure.subplots()
    draw_with_slope(axes, activation)
    axes.set(xlabel="input of the unit", ylabel="output, gradient")
    axes.legend(loc="upper left")


def _draw_histograms(figure: Figure, name: str, activation: str, saturated: _Training, healthy: _Training) -> None:
    low, high = BOUNDS[activation]
    bins = torch.linspace(low, high, 41).tolist()
    panels = figure.subplots(1, 2, sharey=True)
    for axes, training, title, colour in zip(
        panels, (saturated, healthy), (f"weights of {name}", "Xavier's weights"), (RED, BLUE), strict=True
    ):
        values = training.given.flatten().numpy()
        axes.hist(values, bins=bins, weights=[100 / len(values)] * len(values), color=colour)
        axes.set(title=title, xlabel=f"output of the first {activation} layer")
    panels[0].set_ylabel("share of outputs (%)")

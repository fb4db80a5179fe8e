"""A2: inputs of one sign give a neuron's weight gradients one sign, and the way to the optimum zig-zags."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from babysit.data import read
from babysit.lab.activations.section import SECTION
from babysit.lab.activations.trainings import Split, digits, mlp, percent
from babysit.lab.drawing import BLUE, GREEN, GREY, RED
from babysit.lab.measures import above, below, near, told
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_START, _OPTIMUM = (-0.8, 1.0), (1.0, -1.0)
_NEAR = 0.01  # of the way from start to optimum: what counts as having arrived
_MOST_STEPS = 2_000
_RATES = torch.logspace(-1, 1, 17, dtype=torch.float64)  # best rates lie inside: 0.5 to 4
_FINE_RATES = torch.logspace(-1, 2, 61, dtype=torch.float64)  # the best ones: 3 and 12
_POINTS = 200
_EXAMPLES = 64
_SIDE = 2.3  # of the picture


@dataclass(frozen=True, eq=False)
class _Descent:
    """The way of one neuron's two weights to the optimum, at the best of the learning rates.

    Attributes:
        inputs: ``(N, 2)``.
        path: ``(steps + 1, 2)``.
        rate: The learning rate with the fewest steps.
    """

    inputs: Tensor
    path: Tensor
    rate: float

    @property
    def steps(self) -> int:
        """Until it had arrived."""
        return len(self.path) - 1

    @property
    def one_sign(self) -> float:
        """Share of the steps that moved both weights in the same direction."""
        moves = self.path.diff(dim=0)
        return (moves[:, 0] * moves[:, 1] >= 0).double().mean().item()


@SECTION.claim(
    "A2",
    "Sigmoid outputs are not zero-centred: with all-positive inputs every weight gradient of a neuron has one sign, "
    "so updates zig-zag.",
    expected="100 % of neurons have single-signed weight gradients with positive inputs, ≈ 0 % with zero-mean ones; "
    "an optimum of mixed sign takes more steps",
    cost=8,
)
def one_sign_zigzags(bench: Bench) -> Outcome:
    """Look at the signs of each neuron's weight gradients, example by example; then let two weights find an optimum.

    Example:
        >>> neuron, x = torch.nn.Linear(8, 1), torch.randn(8).sigmoid()  # outputs of sigmoids are inputs here
        >>> neuron(x).square().backward()
        >>> neuron.weight.grad.sign().unique().numel()
        1
    """
    single = {name: [_hidden_share(name, seed) for seed in bench.seeds] for name in ("sigmoid", "tanh")}
    together = [_batch_share("sigmoid", seed) for seed in bench.seeds]
    raw, centred = (_pixels_share(centred=centred) for centred in (False, True))
    positive = [_descend(_inputs(seed, centred=False), seed) for seed in bench.seeds]
    zero_mean = [_descend(_inputs(seed, centred=True), seed) for seed in bench.seeds]
    ratio = [one.steps / other.steps for one, other in zip(positive, zero_mean, strict=True)]
    of_all = [_steps_on_all(_inputs(seed, centred=False)) / _steps_on_all(_inputs(seed, centred=True))
              for seed in bench.seeds]  # fmt: skip
    batch = f"one gradient of {_EXAMPLES} examples"
    return Outcome(
        [
            near("single-signed, sigmoid below", single["sigmoid"], 1, within=0, unit="%"),
            below("single-signed, tanh below", single["tanh"], 0.01, unit="%"),
            near("single-signed, raw pixels", raw, 1, within=0, unit="%"),
            below("single-signed, mean image subtracted", centred, 0.01, unit="%"),
            above("steps, positive / zero-mean inputs", ratio, 1.5, unit="×"),
            above("the same, gradients of all examples at once", of_all, 1.5, unit="×"),
            told("steps with positive inputs", [float(descent.steps) for descent in positive]),
            told("steps with zero-mean inputs", [float(descent.steps) for descent in zero_mean]),
            told("steps in one direction, positive inputs", [descent.one_sign for descent in positive], unit="%"),
            told("steps in one direction, zero-mean inputs", [descent.one_sign for descent in zero_mean], unit="%"),
            told(f"single-signed, sigmoid below, {batch}", together, unit="%"),
        ],
        [
            Drawing(
                "zigzag",
                f"With positive inputs the way to the optimum zig-zags: {positive[0].steps} steps, with zero-mean "
                f"inputs {zero_mean[0].steps}, each at its best learning rate",
                lambda figure: _draw(figure, positive[0], zero_mean[0]),
                size=(7.6, 4.2),
            )
        ],
        subtle=f"True of every single example, and steps of single examples zig-zag. A mini-batch adds examples that "
        f"pull up and down: {percent(median(together))} of the neurons have one sign in {batch}. Positive inputs cost "
        f"steps all the same, as their loss surface is a valley: {median(of_all):.1f} times as many with all at once.",
    )


def _hidden_share(activation: str, seed: int) -> float:
    """Share of the second hidden layer's neurons with gradients of one sign, over single examples."""
    data = digits()
    model = mlp(data, activation, (50, 50), seed)
    return _one_sign_share(_per_example(model, "fc2.weight", data.train))


def _batch_share(activation: str, seed: int) -> float:
    """The same in the one gradient of all of these examples."""
    data = digits()
    x, y = (part[:_EXAMPLES] for part in data.train)
    model = mlp(data, activation, (50, 50), seed)
    loss = nn.functional.cross_entropy(model(x), y)
    return _one_sign_share(torch.autograd.grad(loss, [model.get_parameter("fc2.weight")])[0])


def _pixels_share(*, centred: bool) -> float:
    """The same in the first layer, on pixels as they are or without their mean."""
    data = digits()
    x, y = data.train
    if not centred:
        x = torch.from_numpy(read("digits").inputs("train")).flatten(1).float()
    return _one_sign_share(_per_example(mlp(data, "relu", (50,), 0), "fc1.weight", (x, y)))


def _per_example(model: nn.Module, weight: str, split: Split) -> Tensor:
    """Gradients of one layer's weights for each of some examples, ``(examples, units, inputs)``."""
    gradients: list[Tensor] = []
    for x, y in zip(*(part[:_EXAMPLES].unsqueeze(1) for part in split), strict=True):
        loss = nn.functional.cross_entropy(model(x), y)
        gradients += torch.autograd.grad(loss, [model.get_parameter(weight)])
    return torch.stack(gradients)


def _one_sign_share(gradients: Tensor) -> float:
    """Share of the neurons ``(…, inputs)`` whose weights all go up or all go down; those that get nothing left out."""
    up, down = (gradients > 0).any(-1), (gradients < 0).any(-1)
    return ((up != down).sum() / (up | down).sum()).item()


def _inputs(seed: int, *, centred: bool) -> Tensor:
    """Two inputs between 0 and 1, as sigmoids give them, or the same less their mean."""
    x = torch.rand(_POINTS, 2, generator=Bench.generator(seed), dtype=torch.float64)
    return x - x.mean(dim=0) if centred else x


def _descend(inputs: Tensor, seed: int) -> _Descent:
    """Stochastic gradient descent of ½(w·x − w*·x)², all learning rates side by side; the one that arrives first."""
    generator = Bench.generator(1_000 + seed)
    optimum = torch.tensor(_OPTIMUM, dtype=torch.float64)
    weights = torch.tensor(_START, dtype=torch.float64).repeat(len(_RATES), 1)
    arrived = _NEAR * (weights[0] - optimum).norm()
    paths = [weights]
    for _ in range(_MOST_STEPS):
        x = inputs[torch.randint(len(inputs), (1,), generator=generator)]
        error = ((weights - optimum) * x).sum(dim=1, keepdim=True)
        weights = weights - _RATES[:, None] * error * x
        paths.append(weights)
        there = ((weights - optimum).norm(dim=1) < arrived).nonzero()
        if len(there):
            best = int(there[0])
            return _Descent(inputs, torch.stack(paths)[:, best], _RATES[best].item())
    raise RuntimeError(f"no learning rate arrived in {_MOST_STEPS} steps")


def _steps_on_all(inputs: Tensor) -> int:
    """Steps of gradient descent with all examples at once, at the best of the learning rates."""
    moments = inputs.T @ inputs / len(inputs)
    start, optimum = (torch.tensor(point, dtype=torch.float64) for point in (_START, _OPTIMUM))
    away = (start - optimum).repeat(len(_FINE_RATES), 1)
    arrived = _NEAR * away[0].norm()
    for step in range(_MOST_STEPS):
        if (away.norm(dim=1) < arrived).any():
            return step
        away = away - _FINE_RATES[:, None] * (away @ moments)
    raise RuntimeError(f"no learning rate arrived in {_MOST_STEPS} steps")


def _draw(figure: Figure, positive: _Descent, zero_mean: _Descent) -> None:
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, descent, title in zip(
        panels, (positive, zero_mean), ("inputs in [0, 1]", "the same, zero-mean"), strict=True
    ):
        _draw_path(axes, descent)
        axes.set(
            title=f"{title}: {descent.steps} steps, lr {descent.rate:.2g}\n"
            f"{percent(descent.one_sign)} of them move both weights one way",
            xlabel="weight 1",
        )
    panels[0].set_ylabel("weight 2")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _draw_path(axes: Axes, descent: _Descent) -> None:
    side = torch.linspace(-_SIDE, _SIDE, 120, dtype=torch.float64)
    first, second = torch.meshgrid(side, side, indexing="xy")
    away = torch.stack((first, second), dim=-1) - torch.tensor(_OPTIMUM, dtype=torch.float64)
    moments = descent.inputs.T @ descent.inputs / len(descent.inputs)
    loss = 0.5 * torch.einsum("abi,ij,abj->ab", away, moments, away)
    axes.contour(side, side, loss, levels=[0.003, 0.02, 0.06, 0.14, 0.28, 0.5, 0.9], colors=GREY, linewidths=0.8)
    x, y = _START
    for sign in (1, -1):
        axes.fill_between([x, x + sign * 4], y, y + sign * 4, color=GREY, alpha=0.18, linewidth=0,
                          label="both weights up or down" if sign > 0 else None)  # fmt: skip
    axes.plot(*descent.path.T, color=RED, linestyle="-", linewidth=1.1, marker=".", markersize=4, label="way of SGD")
    axes.plot(*_START, "s", color=BLUE, linestyle="none", markersize=7, label="start")
    axes.plot(*_OPTIMUM, "*", color=GREEN, linestyle="none", markersize=12, label="optimum")
    axes.set(xlim=(-_SIDE, _SIDE), ylim=(-_SIDE, _SIDE), aspect="equal")
    axes.grid(visible=False)

"""A two-dimensional data cloud and the hyperplanes of the ReLUs over it, before and after too large steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import babysit as bs
from babysit.lab.activations.trainings import descend, percent
from babysit.lab.asking import first
from babysit.lab.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from babysit.lab.section import Bench
from babysit.measure.statistics import alive_units
from babysit.nn import MLPConfig, build
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS, _UNITS, _BATCH = 300, 24, 20
_RATE, _STEPS, _MORE_STEPS = 0.5, 600, 200
_SIDE = 6.0


@dataclass(frozen=True, eq=False)
class Cloud:
    """A training on a cloud of three classes.

    Attributes:
        x: ``(N, 2)``.
        y: Classes.
        before: The first layer's ``(weights, biases)`` at the start.
        after: The same after the too large steps.
        stays_dead: Whether steps of plain gradient descent left the dead units' weights bit for bit as they were.
        findings: Of the training with the too large steps.
    """

    x: Tensor
    y: Tensor
    before: tuple[Tensor, Tensor]
    after: tuple[Tensor, Tensor]
    stays_dead: bool
    findings: tuple[Finding, ...]
    rate: float = _RATE
    steps: int = _STEPS

    @property
    def dead_before(self) -> float:
        """Share of the units that are zero on the whole cloud at the start."""
        return dead_units(self.before, self.x).double().mean().item()

    @property
    def dead_after(self) -> float:
        """The same after the too large steps."""
        return dead_units(self.after, self.x).double().mean().item()

    @property
    def finding(self) -> Finding | None:
        """What ACT001 says."""
        return first("ACT001", self.findings)


def dead_units(layer: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    """Which ReLUs of a layer are zero on every example.

    Args:
        layer: Weights ``(units, 2)`` and biases ``(units,)``.
        x: ``(N, 2)``.

    Returns:
        ``(units,)`` bool.

    Example:
        >>> layer = torch.eye(2), torch.tensor([0.0, -9.0])
        >>> dead_units(layer, torch.tensor([[1.0, 1.0], [-1.0, 2.0]])).tolist()
        [False, True]
    """
    return ~alive_units(nn.functional.linear(x, *layer).relu())


def train_cloud(seed: int) -> Cloud:
    """Train with a far too high learning rate, watched; then go on with small steps of plain gradient descent."""
    generator = Bench.generator(seed)
    y = torch.arange(_POINTS) % 3
    angles = 2 * torch.pi * y / 3
    centres = 1.2 * torch.stack((angles.sin(), angles.cos()), dim=1)
    x = centres + torch.randn(_POINTS, 2, generator=generator)
    model = build(MLPConfig((2,), 3, (_UNITS,)), seed)
    before = _first_layer(model)
    optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=_RATE, fused=True)
    with bs.watch(model, optimizer) as monitor:
        for _ in descend(model, optimizer, (x, y), steps=_STEPS, seed=seed, batch=_BATCH):
            pass
    after = _first_layer(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in descend(model, optimizer, (x, y), steps=_MORE_STEPS, seed=seed, batch=_BATCH):
        pass
    dead = dead_units(after, x)
    same = all(torch.equal(now[dead], then[dead]) for now, then in zip(_first_layer(model), after, strict=True))
    return Cloud(x, y, before, after, same, monitor.findings)


def draw_cloud(figure: Figure, cloud: Cloud) -> None:
    """The cloud with the line of every ReLU: live ones cross it or have it on their side, dead ones have none of it."""
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    titles = (
        f"at the start: {percent(cloud.dead_before)} dead",
        f"after {cloud.steps} steps at lr {cloud.rate:g}: {percent(cloud.dead_after)} dead",
    )
    for axes, layer, title in zip(panels, (cloud.before, cloud.after), titles, strict=True):
        dead = dead_units(layer, cloud.x)
        for label, colour in enumerate((BLUE, ORANGE, PURPLE)):
            axes.plot(*cloud.x[cloud.y == label].T, ".", color=colour, markersize=3, linestyle="none", alpha=0.8)
        for weights, bias, is_dead in zip(*layer, dead, strict=True):
            _draw_unit(axes, weights, bias.item(), dead=bool(is_dead))
        if outside := _outside(layer):
            axes.text(0.98, 0.02, f"{outside} more lie outside", transform=axes.transAxes, ha="right", fontsize=8,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip
        axes.set(title=title, xlim=(-_SIDE, _SIDE), ylim=(-_SIDE, _SIDE), xlabel="input 1", aspect="equal")
        axes.grid(visible=False)
    panels[0].set_ylabel("input 2")
    panels[0].plot([], [], color=GREEN, linestyle="-", label="live ReLU, its tick where it fires")
    panels[0].plot([], [], color=RED, linestyle="--", label="dead ReLU")
    panels[0].plot([], [], ".", color=GREY, linestyle="none", label="examples of three classes")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _outside(layer: tuple[Tensor, Tensor]) -> int:
    """How many of the lines do not cross the picture: all four corners lie on one side of them."""
    corners = _SIDE * torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    firing = nn.functional.linear(corners, *layer) > 0
    return int((firing.all(dim=0) | ~firing.any(dim=0)).sum())


def _draw_unit(axes: Axes, weights: Tensor, bias: float, *, dead: bool) -> None:
    """The line where the unit's input is zero, with a tick to the side where it fires."""
    norm = weights.norm().item()
    direction = weights / norm
    foot = -bias / norm * direction
    along = torch.stack((-direction[1], direction[0]))
    ends = torch.stack((foot - 20 * along, foot + 20 * along))
    axes.plot(*ends.T, color=RED if dead else GREEN, linestyle="--" if dead else "-", linewidth=0.9, alpha=0.8)
    axes.plot(*torch.stack((foot, foot + 0.35 * direction)).T, color=RED if dead else GREEN, linestyle="-", linewidth=2)


def _first_layer(model: nn.Module) -> tuple[Tensor, Tensor]:
    weight, bias = (model.get_parameter(f"fc1.{name}").detach().clone() for name in ("weight", "bias"))
    return weight, bias

"""H4: the update rules on one loss of two weights, each step held against its formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from babysit.fit.optimizers import OPTIMIZERS, make_optimizer
from babysit.lab.drawing import BLACK, COLOURS, DASHES
from babysit.lab.measures import below, near, told
from babysit.lab.outline.formulas import FORMULAS, State
from babysit.lab.outline.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST = np.array([1.0, 0.5])
START = np.array([-3.0, 1.0])
"""From the lowest point, along the ravine and across it."""
STEEP = 100.0
"""Curvature across the ravine; along it, it is 1."""
TURN = 30.0
"""Degrees by which the second ravine is turned, start and all, so that no weight lies along it."""
STEPS = 250
NEAR = 1e-3
"""Arrived: the loss is this share of the first, and stays below."""
DECAY = 0.1
"""λ of AdamW, which is Adam without it."""


NAMES = {
    "sgd": "SGD",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "adagrad": "Adagrad",
    "rmsprop": "RMSProp",
    "adam": "Adam",
    "adamw": "AdamW",
}
"""As people write them."""


@dataclass(frozen=True)
class Ravine:
    """½·(w − w*)ᵀA(w − w*), a loss of two weights.

    Attributes:
        degrees: How far it is turned; 0 lays it along the first weight.
    """

    degrees: float

    @cached_property
    def turned(self) -> np.ndarray:
        """Its directions, along and across, as columns."""
        angle = np.radians(self.degrees)
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    @cached_property
    def curvature(self) -> np.ndarray:
        """A, ``(2, 2)``."""
        result: np.ndarray = self.turned @ np.diag([1.0, STEEP]) @ self.turned.T
        return result

    @cached_property
    def start(self) -> np.ndarray:
        """Where every rule begins."""
        result: np.ndarray = LOWEST + self.turned @ START
        return result

    def loss(self, weights: Tensor) -> Tensor:
        """Of weights ``(…, 2)``, one each."""
        away = weights - torch.from_numpy(LOWEST)
        return 0.5 * ((away @ torch.from_numpy(self.curvature)) * away).sum(dim=-1)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """By hand."""
        result: np.ndarray = (weights - LOWEST) @ self.curvature
        return result

    def losses(self, places: np.ndarray) -> np.ndarray:
        """Of places ``(…, 2)``."""
        return self.loss(torch.from_numpy(places)).numpy()


class Point(nn.Module):
    """Two weights, as a row, so that they count as weights where they are decayed."""

    def __init__(self, place: np.ndarray) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(place[None].copy()))


def path(ravine: Ravine, name: str, lr: float, decay: float = 0.0) -> np.ndarray:
    """Where the product's update rule goes, ``(STEPS + 1, 2)``.

    Args:
        ravine: Differentiated by autograd.
        name: One of ``OPTIMIZERS``.
        lr: Learning rate.
        decay: Strength of the regularisation.
    """
    point = Point(ravine.start)
    optimizer = make_optimizer(name, point, lr=lr, l2=decay)
    places = [ravine.start]
    for _ in range(STEPS):
        optimizer.zero_grad()
        ravine.loss(point.weights).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        places.append(point.weights.detach().numpy()[0].copy())
    return np.array(places)


def path_by_formula(ravine: Ravine, name: str, rates: np.ndarray) -> np.ndarray:
    """Where the formula goes at several rates ``(R,)`` at once, ``(STEPS + 1, R, 2)``."""
    state = State(np.broadcast_to(ravine.start, (len(rates), 2)), rates[:, None])
    places = [state.weights]
    for state.step in range(1, STEPS + 1):
        FORMULAS[name](state, ravine.gradient(state.weights))
        places.append(state.weights)
    return np.array(places)


def largest_error(ravine: Ravine, name: str, lr: float, places: np.ndarray, decay: float = 0.0) -> float:
    """How far any step of a path is from the formula's step from the same place.

    Step by step, as a rule that swings about the lowest point lets the smallest difference grow.
    """
    state, worst = State(places[0], lr, decay), 0.0
    for state.step in range(1, len(places)):
        state.weights = places[state.step - 1]
        FORMULAS[name](state, ravine.gradient(state.weights))
        worst = max(worst, float(np.abs(state.weights - places[state.step]).max()))
    return worst


def arrival(losses: np.ndarray) -> np.ndarray:
    """The steps ``(R,)`` after which losses ``(STEPS + 1, R)`` stay near the lowest; all of them and one if never."""
    far = ~(losses <= NEAR * losses[0])
    return np.where(far.any(axis=0), len(far) - np.argmax(far[::-1], axis=0), 0)


@dataclass(frozen=True, eq=False)
class Descent:
    """One rule at the rate with which it arrives first.

    Attributes:
        lr: That rate.
        steps: It needs.
        places: Where it went, ``(STEPS + 1, 2)``.
        error: How far it strayed from its formula at most.
    """

    lr: float
    steps: int
    places: np.ndarray
    error: float


def descend(ravine: Ravine, name: str, lr: float, steps: int = 0, decay: float = 0.0) -> Descent:
    """The product's rule at a rate."""
    places = path(ravine, name, lr, decay)
    return Descent(lr, steps, places, largest_error(ravine, name, lr, places, decay))


def descend_all(ravine: Ravine) -> dict[str, Descent]:
    """Every rule at its best rate, which its formula finds; AdamW, whose decay keeps it from arriving, at Adam's."""
    rates = np.logspace(-3, 0.5, 141)
    found: dict[str, Descent] = {}
    for name in OPTIMIZERS:
        if name == "adamw":
            found[name] = descend(ravine, name, found["adam"].lr, decay=DECAY)
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # of rates that are too high
            steps = arrival(ravine.losses(path_by_formula(ravine, name, rates)))
        best = int(steps.argmin())
        found[name] = descend(ravine, name, float(rates[best]), int(steps[best]))
    return found


@SECTION.claim(
    "H4",
    "SGD, momentum, Nesterov, Adagrad, RMSProp, Adam and AdamW take other ways down the same loss.",
    expected="every step equals its formula in float64; momentum arrives in fewer steps than plain SGD in a ravine",
    cost=2,
)
def rules_take_other_ways(bench: Bench) -> Outcome:
    """Let every rule descend into the same ravine at the rate that suits it best.

    Example:
        >>> from babysit.fit.optimizers import make_optimizer
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> optimizer = make_optimizer("adam", layer, lr=0.1)
        >>> before, layer.weight.grad = layer.weight.item(), torch.full((1, 1), 1e-4)
        >>> _ = optimizer.step()
        >>> round(before - layer.weight.item(), 4)  # however small the gradient, Adam's first step is lr
        0.1
    """
    ravines = Ravine(0.0), Ravine(TURN)
    straight, turned = (descend_all(ravine) for ravine in ravines)
    arriving = [name for name in straight if name != "adamw"]
    rest = [float(np.linalg.norm(found["adamw"].places[-1] - LOWEST)) for found in (straight, turned)]
    fastest = min(("adagrad", "rmsprop", "adam"), key=lambda name: straight[name].steps)
    title = (
        f"In a ravine {STEEP:.0f} times as steep as long SGD needs {straight['sgd'].steps} steps, momentum "
        f"{straight['momentum'].steps}, Nesterov {straight['nesterov'].steps}, however it lies; {NAMES[fastest]} needs "
        f"{straight[fastest].steps} where a weight lies along it, {turned[fastest].steps} where none does"
    )
    both = list(zip(straight.items(), turned.values(), strict=True))
    return Outcome(
        [
            near(
                "step − its formula, largest of all rules",
                max(max(one.error, other.error) for (_, one), other in both),
                0,
                within=1e-12,
            ),
            *(
                below(
                    f"steps, {NAMES[name]} : SGD",
                    [found[name].steps / found["sgd"].steps for found in (straight, turned)],
                    1,
                )
                for name in ("momentum", "nesterov")
            ),
            *(told(f"steps, {NAMES[name]} (lr {straight[name].lr:.2g})", straight[name].steps) for name in arriving),
            *(
                told(f"steps in the turned ravine, {NAMES[name]} (lr {turned[name].lr:.2g})", turned[name].steps)
                for name in arriving
            ),
            told(f"rest of AdamW with λ = {DECAY:g}, from the lowest point", rest),
            *(
                near(f"step − formula, {NAMES[name]}", max(one.error, other.error), 0, within=1e-12)
                for (name, one), other in both
            ),
        ],
        [Drawing("update-rules", title, lambda figure: draw_paths(figure, ravines, (straight, turned)), (10.5, 4.4))],
        note="Each rule has its own best rate of 141 between 0.001 and 3.2; momentum is 0.9.",
    )


def draw_paths(figure: Figure, ravines: Sequence[Ravine], found: Sequence[Mapping[str, Descent]]) -> None:
    """The ways into both ravines, on the contours of their loss."""
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    first, second = np.linspace(-2.7, 1.9, 160), np.linspace(-2.2, 2.0, 160)
    grid = np.stack(np.meshgrid(first, second), axis=-1)
    for axes, ravine, descents in zip(panels, ravines, found, strict=True):
        axes.contour(
            first, second, ravine.losses(grid), levels=np.logspace(-1, 2.5, 15), colors="#C9CDD1", linewidths=0.7
        )
        for (name, descent), colour, dash in zip(descents.items(), COLOURS, DASHES, strict=True):
            steps = [f"{of[name].steps}" for of in found if of[name].steps]
            label = f"{NAMES[name]}: {' and '.join(steps)} steps" if steps else f"{NAMES[name]} with λ = {DECAY:g}"
            shown = descent.places[: max(descent.steps, 60) + 1]  # after that it stays where it is
            axes.plot(*shown.T, color=colour, linestyle=dash, linewidth=1.3, marker=".", markersize=3, label=label)
        axes.plot(*LOWEST, color=BLACK, marker="*", markersize=10, linestyle="none")
        axes.set(xlabel="weight 1", xlim=(first[0], first[-1]), ylim=(second[0], second[-1]), aspect="equal")
        axes.grid(False)
    panels[0].set_ylabel("weight 2")
    panels[0].set_title("a weight lies along the ravine", loc="left")
    panels[1].set_title(f"the ravine is turned by {TURN:.0f}°", loc="left")
    panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))

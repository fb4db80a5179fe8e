"""A3: the exponential costs more than a maximum."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from babysit.lab.activations.section import SECTION
from babysit.lab.activations.trainings import BATCH, digits, mlp
from babysit.lab.drawing import BLUE, ORANGE
from babysit.lab.measures import above, told
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn import activation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "elu": "ELU", "tanh": "tanh", "sigmoid": "sigmoid"}
_COUNT = 2**16  # 256 KiB in float32: in the cache, so that the arithmetic is timed and not the memory


@SECTION.claim(
    "A3",
    "The exponential in the sigmoid costs more than ReLU's max.",
    expected="time of sigmoid / time of ReLU above 1, same tensor, measured in one run",
    cost=4,
)
def exponential_costs_more(bench: Bench) -> Outcome:
    """Time each activation on the same tensor in turns, so that whatever else the machine does meets all alike.

    Example:
        >>> from timeit import timeit
        >>> x = torch.randn(256, 256)
        >>> cost = {f: min(timeit(lambda f=f: f(x), number=50) for _ in range(9)) for f in (torch.sigmoid, torch.relu)}
        >>> f"sigmoid / ReLU: {cost[torch.sigmoid] / cost[torch.relu]:.1f}"
        'sigmoid / ReLU: ...'
    """
    x = torch.randn(_COUNT, generator=bench.generator(0))
    gradient = torch.ones(_COUNT)
    modules = {name: activation(name) for name in _NAMES}
    rounds = bench.pick(60, 300)
    with torch.no_grad():
        forward = _fastest({name: _forward(module, x) for name, module in modules.items()}, rounds)
    backward = _fastest({name: _both_ways(module, x, gradient) for name, module in modules.items()}, rounds)
    steps = _fastest({name: _step(name) for name in ("relu", "sigmoid")}, rounds)
    nanoseconds = {name: (1e9 * forward[name] / _COUNT, 1e9 * backward[name] / _COUNT) for name in _NAMES}
    ratio = forward["sigmoid"] / forward["relu"]
    return Outcome(
        [
            above("sigmoid / ReLU, forward", ratio, 1, unit="×"),
            told("sigmoid / ReLU, forward and backward", backward["sigmoid"] / backward["relu"], unit="×"),
            told("tanh / ReLU, forward", forward["tanh"] / forward["relu"], unit="×"),
            told("ELU / ReLU, forward", forward["elu"] / forward["relu"], unit="×"),
            told("leaky ReLU / ReLU, forward", forward["leaky_relu"] / forward["relu"], unit="×"),
            told("whole training step, sigmoid / ReLU", steps["sigmoid"] / steps["relu"], unit="×"),
        ],
        [
            Drawing(
                "cost",
                f"The sigmoid takes {ratio:.1f} times as long as ReLU on the same tensor, a whole training step with "
                f"it {steps['sigmoid'] / steps['relu']:.2f} times as long as with ReLU",
                lambda figure: _draw(figure, nanoseconds),
            )
        ],
        note=f"Fastest of {rounds} turns on {_COUNT} float32 numbers with one thread; the step is that of a network of "
        f"64-100-100-100-10 on {BATCH} digits. As the lecture says, the rest of a network costs more.",
    )


def _fastest(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each call at its fastest, taken in turns."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def _forward(module: nn.Module, x: Tensor) -> Callable[[], object]:
    return lambda: module(x)


def _both_ways(module: nn.Module, x: Tensor, gradient: Tensor) -> Callable[[], object]:
    leaf = x.clone().requires_grad_()
    return lambda: torch.autograd.grad(module(leaf), leaf, gradient)


def _step(name: str) -> Callable[[], object]:
    data = digits()
    x, y = (part[:BATCH] for part in data.train)
    model = mlp(data, name, (100, 100, 100), 0)
    parameters = list(model.parameters())
    return lambda: torch.autograd.grad(nn.functional.cross_entropy(model(x), y), parameters)


def _draw(figure: Figure, nanoseconds: dict[str, tuple[float, float]]) -> None:
    axes = figure.subplots()
    places = range(len(nanoseconds))
    for shift, colour, label, part in ((-0.2, BLUE, "forward", 0), (0.2, ORANGE, "forward and backward", 1)):
        values = [both[part] for both in nanoseconds.values()]
        bars = axes.bar([place + shift for place in places], values, 0.38, color=colour, label=label)
        axes.bar_label(bars, fmt="%.2g", padding=2, fontsize=8)
    axes.set_xticks(list(places), [_NAMES[name] for name in nanoseconds])
    axes.set_ylabel("time a number (ns)")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left")

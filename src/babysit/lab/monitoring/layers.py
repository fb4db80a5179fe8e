"""G9: activations, gradients, dead and saturated units layer by layer over time, and what the first layer looks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from babysit.lab.drawing import BLUE, COLOURS, DASHES, GREEN, ORANGE, RED
from babysit.lab.measures import above, below, named, near, told, true
from babysit.lab.monitoring.script import Data, Settings
from babysit.lab.monitoring.section import SECTION
from babysit.lab.monitoring.watched import Watched, digits, distinct, watch
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.lab.subsets import fewer
from babysit.measure.filters import paint, smoothness
from babysit.measure.record import LayerStats
from babysit.recipe.prepared import prepare
from babysit.rules._words import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEALTHY = Settings(depth=4, lr=0.02, batch_size=32, epochs=8)
DYING = Settings(depth=3, activation="ReLU", optimizer="Adam", lr=0.1, epochs=8)
ALIVE = dataclasses.replace(DYING, lr=0.002)
SATURATING = Settings(depth=3, lr=1.0, epochs=8)
UNSATURATED = dataclasses.replace(SATURATING, lr=0.02)
LOOKING = Settings(depth=1, width=24, activation="ReLU", lr=0.02, weight_decay=0.03, epochs=30)
"""Weight decay takes away what the first layer does not need, so that one sees what it does."""
EXAMPLES = 4000


def share(seen: Watched, statistic: str) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Steps and values of one statistic of each layer that has it.

    Args:
        seen: A training.
        statistic: A field of :class:`~babysit.measure.record.LayerStats`.

    Example:
        >>> seen = watch(digits(), dataclasses.replace(UNSATURATED, epochs=1))
        >>> list(share(seen, "saturated_fraction"))
        ['1', '3', '5']
    """
    found: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    for module in seen.record.modules:
        points = [
            (step, value)
            for step, layer in seen.record.layer(module)
            if (value := _value(layer, statistic)) is not None
        ]
        if points:
            found[module] = np.array([step for step, _ in points]), np.array([value for _, value in points])
    return found


def _value(layer: LayerStats, statistic: str) -> float | None:
    value: float | None = getattr(layer, statistic)
    return value


@torch.no_grad()
def dead_now(model: nn.Sequential, inputs: Tensor) -> list[float]:
    """Share of each rectifier layer's units that are zero on every one of some inputs."""
    shares, x = [], inputs
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            shares.append((x == 0).all(dim=0).double().mean().item())
    return shares


@torch.no_grad()
def saturated_now(model: nn.Sequential, inputs: Tensor) -> list[float]:
    """Share of each tanh layer's outputs beyond ±0.98, a hundredth of the range from its limits."""
    shares, x = [], inputs
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Tanh):
            shares.append((x.abs() > 0.98).double().mean().item())
    return shares


@SECTION.claim(
    "G9",
    "Activations and gradients, dead and saturated units are watched layer by layer, over time.",
    expected="ACT001 and ACT002 name dying and saturated layers; the recorded shares are those of the whole network",
    cost=25,
)
def layer_by_layer(bench: Bench) -> Outcome:
    """Watch healthy, dying and saturating networks from inside.

    Example:
        >>> from babysit.lab.monitoring import layers, watched
        >>> seen = watched.watch(watched.digits(), layers.SATURATING)
        >>> {name: bool(values[-1] > 0.9) for name, (_, values) in layers.share(seen, "saturated_fraction").items()}
        {'1': True, '3': True, '5': True}
    """
    x = digits()[0]
    dying, saturating = (
        [watch(digits(), dataclasses.replace(settings, seed=seed)) for seed in bench.seeds]
        for settings in (DYING, SATURATING)
    )
    alive, unsaturated, healthy = (watch(digits(), settings) for settings in (ALIVE, UNSATURATED, HEALTHY))
    dead = [[values[-1] for _, values in share(seen, "dead_fraction").values()] for seen in dying]
    saturated = [[values[-1] for _, values in share(seen, "saturated_fraction").values()] for seen in saturating]
    filters, filters_before, source = first_layers(bench)
    norms = np.array([values for _, values in share(healthy, "gradient_norm").values()])
    began, ended = (np.median(part, axis=1) for part in (norms[:, :20], norms[:, -20:]))
    return Outcome(
        [
            named("ACT001", [seen.findings for seen in dying]),
            named("ACT002", [seen.findings for seen in saturating]),
            true("the healthy network gets no finding", not healthy.findings),
            below("its layers' gradients, largest / smallest, at first", began.max() / began.min(), 10),
            below("and in the end", ended.max() / ended.min(), 10),
            near(
                "saturated share, worst layer: recorded − of all training images",
                [
                    max(map(_difference, of, saturated_now(seen.model, x)))
                    for of, seen in zip(saturated, saturating, strict=True)
                ],
                0,
                within=0.05,
                unit="%",
            ),
            above(
                "units that are zero on all training images, worst layer",
                [max(dead_now(seen.model, x)) for seen in dying],
                0.2,
                unit="%",
            ),
            told(
                "dead units as recorded (zero on the last ten sampled batches), worst layer", map(max, dead), unit="%"
            ),
            told("saturated outputs, worst layer", map(max, saturated), unit="%"),
            above("first layer: correlation of neighbouring weights after training", smoothness(filters), 0.2),
            told("before training", smoothness(filters_before)),
        ],
        [
            Drawing(
                "distributions",
                f"A healthy network over time: {HEALTHY.depth} tanh layers keep their spread, and all layers' "
                f"gradients fall to {number(float(np.median(ended)))}, within a factor of "
                f"{ended.max() / ended.min():.1f} of each other",
                lambda figure: _draw_distributions(figure, healthy),
                size=(7.6, 5.2),
            ),
            Drawing(
                "dead",
                f"At Adam's lr {DYING.lr:g}, {percent(max(dead[0]))} of a layer's rectifiers are dead in the end; at "
                f"lr {ALIVE.lr:g} at most {percent(_worst(alive, 'dead_fraction'))}",
                lambda figure: _draw_shares(figure, (dying[0], alive), "dead_fraction", "dead units (%)"),
                size=(7.0, 3.4),
                finding=dying[0].finding("ACT001"),
            ),
            Drawing(
                "saturated",
                f"At lr {SATURATING.lr:g}, {percent(max(saturated[0]))} of a tanh layer's outputs are saturated in the "
                f"end; at lr {UNSATURATED.lr:g} at most {percent(_worst(unsaturated, 'saturated_fraction'))}",
                lambda figure: _draw_shares(
                    figure, (saturating[0], unsaturated), "saturated_fraction", "saturated outputs (%)"
                ),
                size=(7.0, 3.4),
                finding=saturating[0].finding("ACT002"),
            ),
            Drawing(
                "first-layer",
                f"First-layer weights on {source}: noise before training (neighbouring weights correlate at "
                f"{smoothness(filters_before):.2f}), smooth patterns after it ({smoothness(filters):.2f})",
                lambda figure: _draw_filters(figure, filters_before, filters),
                size=(7.2, 3.2),
            ),
        ],
        distinct([*dying, *saturating]),
        note=f"On digits; first-layer weights on {source}.",
    )


def _worst(seen: Watched, statistic: str) -> float:
    """The greatest of the layers' last values."""
    return max(float(values[-1]) for _, values in share(seen, statistic).values())


def _difference(recorded: float, computed: float) -> float:
    return abs(recorded - computed)


def first_layers(bench: Bench) -> tuple[NDArray[np.float32], NDArray[np.float32], str]:
    """The first layer's weights after training and before it, as images, and what it was trained on."""
    dataset = bench.images()
    prepared = prepare(fewer(dataset, EXAMPLES, validation=EXAMPLES // 4), "mean-image,scale")
    assert isinstance(prepared.train.x, Tensor)
    assert isinstance(prepared.validation.x, Tensor)
    data: Data = (
        prepared.train.x.flatten(1),
        prepared.train.y,
        prepared.validation.x.flatten(1),
        prepared.validation.y,
    )
    settings = LOOKING if bench.cifar10 is None else dataclasses.replace(LOOKING, epochs=15, lr=0.005, weight_decay=0.1)
    after = watch(data, settings).model
    before = watch(data, dataclasses.replace(settings, lr=1e-12, epochs=1)).model
    layers = [_first_weight(model).reshape(-1, *dataset.example_shape) for model in (after, before)]
    return layers[0], layers[1], "digits" if bench.cifar10 is None else "CIFAR-10"


def _first_weight(model: nn.Sequential) -> NDArray[np.float32]:
    layer = model[0]
    assert isinstance(layer, nn.Linear)
    weight: NDArray[np.float32] = layer.weight.detach().numpy()
    return weight


def _draw_distributions(figure: Figure, seen: Watched) -> None:
    modules = [
        name for name in seen.record.modules if any(layer.type == "Tanh" for _, layer in seen.record.layer(name))
    ]
    grid = figure.add_gridspec(2, len(modules), height_ratios=[1, 1.1])
    first: Axes | None = None
    for place, module in enumerate(modules):
        axes = figure.add_subplot(grid[0, place], sharey=first)
        first = first or axes
        _draw_bands(axes, [(step, layer.quantiles) for step, layer in seen.record.layer(module) if layer.quantiles])
        axes.set(title=f"tanh {place + 1}", xlabel="step", ylim=(-1.05, 1.05))
        if place:
            axes.tick_params(labelleft=False)
    assert first is not None
    first.set_ylabel("activations")
    lower = figure.add_subplot(grid[1, :])
    for place, (steps, norms) in enumerate(share(seen, "gradient_norm").values()):
        label = f"linear {place + 1}" if place < len(modules) else "output"
        lower.plot(steps, norms, color=COLOURS[place], linestyle=DASHES[place], linewidth=1.1, label=label)
    lower.set(yscale="log", xlabel="step", ylabel="gradient norm of the weights")
    lower.legend(ncols=5, loc="lower left")


def _draw_bands(axes: Axes, quantiles: Sequence[tuple[int, tuple[float, ...]]]) -> None:
    """Of 0, 5, 25, 50, 75, 95 and 100 %: all, nine tenths, half and the middle."""
    steps = np.array([step for step, _ in quantiles])
    values = np.array([of_step for _, of_step in quantiles])
    for low, alpha in ((0, 0.18), (1, 0.3), (2, 0.45)):
        axes.fill_between(
            steps, values[:, low], values[:, 6 - low], color=BLUE, alpha=alpha, linewidth=0, rasterized=True
        )
    axes.plot(steps, values[:, 3], color=ORANGE, linestyle="-", linewidth=1.2)


def _draw_shares(figure: Figure, pair: tuple[Watched, Watched], statistic: str, label: str) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    for axes, seen in zip(panels, pair, strict=True):
        for place, (steps, values) in enumerate(share(seen, statistic).values()):
            colour, dashes = (BLUE, GREEN, RED)[place], DASHES[place]
            axes.plot(steps, 100 * values, color=colour, linestyle=dashes, label=f"layer {place + 1}")
        axes.set(
            xlabel="step", title=f"lr {seen.settings.lr:g}: {', '.join(seen.codes) or 'no finding'}", ylim=(-3, 103)
        )
    panels[0].set_ylabel(label)
    panels[1].legend(loc="upper right")


def _draw_filters(figure: Figure, before: NDArray[np.float32], after: NDArray[np.float32]) -> None:
    panels = figure.subplots(1, 2)
    for axes, filters, title in zip(panels, (before, after), ("before training", "after training"), strict=True):
        axes.imshow(_sheet(filters, columns=6), interpolation="nearest", rasterized=True)
        axes.set_title(title)
        axes.set_axis_off()


def _sheet(filters: NDArray[np.float32], columns: int) -> NDArray[np.uint8]:
    """The filters side by side, with a white line between them."""
    framed = np.pad(paint(filters), ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=255)
    rows: list[NDArray[np.uint8]] = [
        np.concatenate(list(framed[start : start + columns]), axis=1) for start in range(0, len(framed), columns)
    ]
    return np.concatenate(rows, axis=0)

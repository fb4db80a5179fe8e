"""What signals look like, layer by layer: histograms of one scheme, and the five schemes side by side; loss curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from babysit.lab.drawing import BLUE, COLOURS, DASHES, GREEN, GREY, RED, short
from babysit.lab.initialization.ten_layers import LAYERS, Signals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 60
_MENTIONED = 0.005
_POWERS = (-9.0, 7.0)  # of ten, that gradients of all schemes lie between


def draw_signals(figure: Figure, signals: Signals, low: float, high: float) -> None:
    """Histograms of the ten layers: activations, the gradient that arrives at them, the gradient of the weights.

    The gradients are shown by their size, on the same logarithmic axis whatever the scheme.

    Args:
        figure: Empty.
        signals: Of one network.
        low: Left end of the activations' axis.
        high: Right end.
    """
    axes = figure.subplots(3, LAYERS, sharex="row")
    for layer in range(LAYERS):
        column = axes[:, layer]
        column[0].set_title(f"layer {layer + 1}")
        _histogram(column[0], signals.outputs[layer], (low, high), BLUE)
        column[0].set_xticks([round(low), (low + high) / 2, round(high)])
        _sizes(column[1], signals.arriving[layer], RED)
        _sizes(column[2], signals.weights[layer], GREEN)
    for row, label in enumerate(("activations", "gradient\nof activations", "gradient\nof weights")):
        axes[row, 0].set_ylabel(label)
    figure.supxlabel(
        "value of an activation (top row) · absolute value of a gradient (below); σ: standard deviation", fontsize=9
    )


def draw_schemes(figure: Figure, schemes: Mapping[str, Signals], printed: Mapping[str, Sequence[float]]) -> None:
    """The standard deviation of each layer's activations and gradients on logarithmic axes, a line a scheme.

    Args:
        figure: Empty.
        schemes: By label.
        printed: The lecture's figures, of some of the schemes; shown as circles.
    """
    layers = range(1, LAYERS + 1)
    panels = figure.subplots(1, 3)
    titles = ("activations", "gradient of activations", "gradient of weights")
    for axes, title, part in zip(panels, titles, ("outputs", "arriving", "weights"), strict=True):
        for (label, signals), colour, dash in zip(schemes.items(), COLOURS, DASHES, strict=False):
            deviations = [tensor.std().item() for tensor in getattr(signals, part)]
            axes.plot(layers, deviations, color=colour, linestyle=dash, label=label)
            if part == "outputs" and label in printed:
                axes.plot(layers, printed[label], "o", color=colour, markersize=4, markerfacecolor="none")
        axes.set(title=title, yscale="log", xticks=list(layers)[1::2], xlabel="layer")
    panels[0].set_ylabel("standard deviation")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(schemes))


def draw_losses(figure: Figure, curves: Mapping[str, Sequence[float]]) -> None:
    """Loss curves of classifications into ten classes, beside the loss of guessing.

    Args:
        figure: Empty.
        curves: By label, a loss a step.
    """
    axes = figure.subplots()
    for (label, losses), colour, dash in zip(curves.items(), COLOURS, DASHES, strict=False):
        axes.plot(losses, color=colour, linestyle=dash, linewidth=1.2, label=label)
    axes.axhline(math.log(10), color=GREY, linewidth=0.8, linestyle=":", label="guessing, ln 10")
    axes.set(xlabel="step", ylabel="training loss", ylim=(0, None))
    axes.legend()


def _sizes(axes: Axes, values: Tensor, colour: str) -> None:
    """A histogram of absolute values by their power of ten."""
    _histogram(axes, values, _POWERS, colour, lambda known: known.abs().log10())
    axes.set_xticks([-6, 0, 6], ["10⁻⁶", "1", "10⁶"])


def _histogram(
    axes: Axes,
    values: Tensor,
    ends: tuple[float, float],
    colour: str,
    scale: Callable[[Tensor], Tensor] = lambda known: known,
) -> None:
    """What is not zero, as a histogram to its highest bin; how much is zero is written above it."""
    low, high = ends
    known = values[values != 0].float()
    counts = torch.histc(scale(known), bins=_BINS, min=low, max=high)
    axes.stairs(counts / counts.max(), torch.linspace(low, high, _BINS + 1), fill=True, color=colour)
    axes.set(xlim=ends, ylim=(0, 1.5), yticks=[])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.vlines(0, 0, 1.05, color=GREY, linewidth=0.5, zorder=0)
    zero = 1 - len(known) / values.numel()
    text = f"σ {short(values.std().item())}" + (f"\n{zero:.0%} zero" if zero >= _MENTIONED else "")
    axes.text(0.5, 1, text, transform=axes.transAxes, ha="center", va="top", fontsize=7)

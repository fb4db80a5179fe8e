"""B6, B7: what centred inputs do for the first layer, what they cannot do for the next, and what raw ones cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.lab.drawing import BLUE, COLOURS, DASHES, GREEN, GREY, RED
from babysit.lab.measures import above, below, named, near, told, true
from babysit.lab.preprocessing.axes import plain_log, whole_numbers
from babysit.lab.preprocessing.examples import Pair, photographs, prepared, stood_in, suited
from babysit.lab.preprocessing.loops import Watched, train_watched
from babysit.lab.preprocessing.section import SECTION
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.models import MLPConfig, build

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPTH = 5
_EXAMPLES = 32
_STOOD_IN = "digits in eight bits, dark on white as on paper"


@dataclass(frozen=True)
class Centredness:
    """What each layer of a network is given.

    Attributes:
        offset: Mean over standard deviation of all values that go into a linear layer, first to last.
        one_sign: Share of the pairs of unit and example whose weight gradients all have one sign.
    """

    offset: tuple[float, ...]
    one_sign: tuple[float, ...]


def linears(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network, first to last."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


@torch.no_grad()
def layer_inputs(network: nn.Sequential, x: Tensor) -> list[Tensor]:
    """What each linear layer is given."""
    given = []
    for layer in network:
        if isinstance(layer, nn.Linear):
            given.append(x)
        x = layer(x)
    return given


def centredness(network: nn.Sequential, x: Tensor, y: Tensor) -> Centredness:
    """Measure a network on some examples: forward on all, gradients of the first few one by one."""
    offset = tuple((values.mean() / values.std()).item() for values in layer_inputs(network, x))
    shares: list[list[float]] = []
    for example in range(_EXAMPLES):
        network.zero_grad()
        loss = F.cross_entropy(network(x[example : example + 1]), y[example : example + 1])
        loss.backward()  # type: ignore[no-untyped-call]
        shares.append([_one_sign(layer) for layer in linears(network)])
    return Centredness(offset, tuple(torch.tensor(shares).nanmean(dim=0).tolist()))


def _one_sign(layer: nn.Linear) -> float:
    """Share of the units with any gradient in which no two weights have gradients of unlike sign."""
    gradient = layer.weight.grad
    assert gradient is not None
    rows = gradient[gradient.abs().amax(dim=1) > 0]
    return ((rows >= 0).all(dim=1) | (rows <= 0).all(dim=1)).float().mean().item()


def deep(activation: str, train: Pair, seed: int) -> nn.Sequential:
    """Five hidden layers with the lecture's Xavier weights."""
    shape = tuple(train[0].shape[1:])
    return build(MLPConfig(shape, 10, hidden=(100,) * DEPTH, activation=activation, init="xavier"), seed)


@SECTION.claim(
    "B6",
    "Preprocessing solves the sigmoid's problem, inputs that are all positive, for the first layer only.",
    expected="layer 1: mean near 0; layers 2 to 6 of a sigmoid network: far from 0, gradients of one sign",
    cost=10,
)
def first_layer_only(bench: Bench) -> Outcome:
    """Look at what every layer of a deep network is given, with raw and with centred inputs.

    Example:
        >>> x = torch.randn(1000, 100, generator=torch.Generator().manual_seed(0))
        >>> hidden = torch.sigmoid(x @ torch.randn(100, 100, generator=torch.Generator().manual_seed(1)) / 10)
        >>> [round((values.mean().abs() / values.std()).item(), 1) for values in (x, hidden)]
        [0.0, 2.4]
    """
    dataset = photographs(bench)
    centred, scaled = prepared("mean-image,scale", dataset)[0], prepared("scale", dataset)[0]
    cases = (("raw", "sigmoid"), ("centred", "sigmoid"), ("centred", "tanh"), ("centred", "relu"))
    found: dict[tuple[str, str], list[Centredness]] = {}
    for inputs, activation in cases:
        x, y = train = centred if inputs == "centred" else scaled
        found[inputs, activation] = [centredness(deep(activation, train, seed), x[:2000], y) for seed in bench.seeds]
    raw, sigmoid, tanh = found["raw", "sigmoid"], found["centred", "sigmoid"], found["centred", "tanh"]
    # long enough for the rule to be sure
    watched = train_watched(deep("sigmoid", centred, 0), centred, lr=0.02, epochs=bench.pick(2, 4))
    finding = watched.finding("ACT003")
    return Outcome(
        [
            above("raw: mean / std, layer 1", [one.offset[0] for one in raw], 1),
            near("centred: layer 1", [one.offset[0] for one in sigmoid], 0, within=0.05),
            above("centred, sigmoid: smallest of layers 2 to 6", [min(one.offset[1:]) for one in sigmoid], 1),
            near("gradients of one sign, raw, layer 1", [one.one_sign[0] for one in raw], 1, within=0, unit="%"),
            below("centred, layer 1", [one.one_sign[0] for one in sigmoid], 0.01, unit="%"),
            near("centred, sigmoid, layers 2 to 6", [min(one.one_sign[1:]) for one in sigmoid], 1, within=0, unit="%"),
            below("tanh: largest mean / std of any layer", [max(map(abs, one.offset)) for one in tanh], 0.3),
            named("ACT003", [watched.findings], name="the stack of sigmoids named by ACT003"),
        ],
        [
            Drawing(
                "layers",
                f"Centring brings layer 1 from {raw[0].offset[0]:.1f} standard deviations to "
                f"{abs(sigmoid[0].offset[0]):.2f}; sigmoids put layers 2 to 6 at "
                f"{min(sigmoid[0].offset[1:]):.1f} or more again",
                partial(_draw_layers, found=found),
                size=(7.4, 3.4),
                finding=finding,
            )
        ],
        findings=[finding] if finding else [],
        note=stood_in(bench, _STOOD_IN),
    )


def _draw_layers(figure: Figure, found: dict[tuple[str, str], list[Centredness]]) -> None:
    left, right = figure.subplots(1, 2)
    layers = range(1, DEPTH + 2)
    for number, ((inputs, activation), values) in enumerate(found.items()):
        style = {"color": COLOURS[number], "linestyle": DASHES[number], "marker": "os^D"[number], "markersize": 4}
        label = f"{inputs} inputs, {'ReLU' if activation == 'relu' else activation}"
        left.plot(layers, [abs(value) for value in values[0].offset], label=label, **style)
        right.plot(layers, [100 * share for share in values[0].one_sign], label=label, **style)
    left.set(xlabel="linear layer", ylabel="|mean| / std of its inputs", ylim=(-0.1, None))
    right.set(xlabel="linear layer", ylabel="units with gradients of one sign (%)", ylim=(-4, 104))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)


SPECS = {
    "none": "raw",
    "mean-image": "centred",
    "scale": "scaled",
    "mean-image,scale": "centred and scaled",
}
RATE = 0.03
"""What suits digits that are centred and scaled."""


def trained_on(train: Pair, bench: Bench, seed: int) -> Watched:
    """The lecture's 50 hidden units at one rate, whatever the inputs."""
    network = build(MLPConfig(tuple(train[0].shape[1:]), 10, hidden=(50,)), seed)
    return train_watched(network, train, lr=suited(RATE, train[0]), epochs=bench.pick(4, 10), seed=seed)


@SECTION.claim(
    "B7",
    "Inputs that are not normalised slow or break training.",
    expected="same network, same rate: raw inputs stay at chance, uncentred ones are slower",
    cost=40,
)
def raw_inputs_break_training(bench: Bench) -> Outcome:
    """Train the same network at the same rate on raw, centred, scaled, and centred and scaled inputs.

    Example:
        >>> import babysit as bs
        >>> from babysit.data import read
        >>> x, y = (torch.from_numpy(read("digits").inputs("train")).float(), read("digits").targets("train"))
        >>> for inputs in (255 - 16 * x, (x - x.mean(dim=0)) / x.std()):
        ...     model = build(MLPConfig((1, 8, 8), 10), seed=0)
        ...     print(bs.fit(model, (inputs, y), lr=0.03, epochs=5).record.losses[-1] > 2)
        True
        False
    """
    dataset = photographs(bench)
    pairs = {spec: prepared(spec, dataset)[0] for spec in SPECS}
    found = {spec: [trained_on(train, bench, seed) for seed in bench.seeds] for spec, train in pairs.items()}
    rate = suited(RATE, pairs["none"][0])
    final = {spec: [one.losses[-1] for one in group] for spec, group in found.items()}
    good = final["mean-image,scale"]
    findings = [
        one for spec in ("none", "scale") for code in ("DAT001", "DAT002") if (one := found[spec][0].finding(code))
    ]
    slower = [other / one for one, other in zip(good, final["scale"], strict=True)]
    quiet = [not {"DAT001", "DAT002"} & {f.code for f in one.findings} for one in found["mean-image,scale"]]
    return Outcome(
        [
            true("raw: no better than chance", [not loss < 0.95 * math.log(10) for loss in final["none"]]),
            true("centred, not scaled: likewise", [not loss < 0.95 * math.log(10) for loss in final["mean-image"]]),
            above("scaled, not centred: final loss × that of both", slower, 1.05),
            below("centred and scaled: final loss", good, 0.8 * math.log(10)),
            named("DAT001", [one.findings for one in found["none"]], name="raw named by DAT001"),
            named("DAT002", [one.findings for one in found["none"]], name="raw named by DAT002"),
            named("DAT002", [one.findings for one in found["mean-image"]], name="centred alone named by DAT002"),
            named("DAT001", [one.findings for one in found["scale"]], name="scaled alone named by DAT001"),
            true("neither for centred and scaled", quiet),
            told("final loss, scaled alone", final["scale"]),
        ],
        [
            Drawing(
                "loss",
                f"At the same rate of {rate:.1g} raw inputs stay at chance; centring what is scaled brings the loss "
                f"from {final['scale'][0]:.2f} to {good[0]:.2f}",
                partial(_draw_losses, found={SPECS[spec]: group[0] for spec, group in found.items()}),
                size=(6.4, 3.6),
                finding=found["none"][0].finding("DAT002"),
            )
        ],
        findings=findings,
        note=stood_in(bench, _STOOD_IN),
    )


def _draw_losses(figure: Figure, found: dict[str, Watched]) -> None:
    axes = figure.subplots()
    colours = (RED, COLOURS[3], BLUE, GREEN)
    for (name, watched), colour, dashes, mark in zip(found.items(), colours, DASHES[:4], "Xs^o", strict=True):
        epochs = range(1, len(watched.losses) + 1)
        known = [loss if math.isfinite(loss) and loss < 1e3 else math.nan for loss in watched.losses]
        left = sum(math.isnan(loss) for loss in known)
        label = f"{name} ({left} of {len(known)} epochs off the scale)" if left else name
        axes.plot(epochs, known, color=colour, linestyle=dashes, marker=mark, markersize=4, label=label)
    axes.axhline(math.log(10), color=GREY, linewidth=0.9, linestyle="-")
    axes.annotate("chance", (1, math.log(10)), xytext=(0, 3), textcoords="offset points", color=GREY, fontsize=8)
    axes.set(xlabel="epoch", ylabel="mean training loss of the epoch", yscale="log")
    whole_numbers(axes.xaxis)
    plain_log(axes.yaxis)
    axes.legend()

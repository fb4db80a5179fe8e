"""D1, D2: what batch normalisation computes, written out, beside the layers that the product's networks have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from babysit.lab.drawing import BLUE, GREY, RED
from babysit.lab.measures import below, near, told
from babysit.lab.normalization.networks import two_layers
from babysit.lab.normalization.section import SECTION
from babysit.lab.preprocessing.examples import Pair, pictures, prepared, stood_in
from babysit.lab.preprocessing.loops import train_watched
from babysit.lab.section import Bench, Drawing, Outcome
from babysit.nn.models import CNNConfig, MLPConfig, build

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Norm = nn.BatchNorm1d | nn.BatchNorm2d

MAPS = (5, 6, 6)
"""Activation maps of the convolutional case, and their height and width."""


def layer_of(kind: str, units: int) -> Norm:
    """The batch normalisation that a network of the product has: ``mlp`` over features, ``cnn`` over maps."""
    network = (
        build(MLPConfig((4,), 2, hidden=(units,), batch_norm=True), 0)
        if kind == "mlp"
        else build(CNNConfig((1, 8, 8), 2, channels=(units,), hidden=(), batch_norm=True), 0)
    )
    layer = network.get_submodule("bn1")
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    return layer


def pooled(x: Tensor) -> list[int]:
    """The dimensions that share a mean and a variance: all but the second."""
    return [dimension for dimension in range(x.dim()) if dimension != 1]


def written_out(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """(x − μ)/√(σ² + ε)·γ + β, with mean and variance over the batch, and over the positions of a map.

    Args:
        x: ``(N, F)``, or ``(N, C, H, W)``.
        gamma: ``(F,)`` or ``(C,)``.
        beta: Likewise.
        eps: Keeps the root from zero.

    Example:
        >>> written_out(torch.tensor([[1.0], [3.0]]), torch.ones(1), torch.zeros(1), 0.0).flatten().tolist()
        [-1.0, 1.0]
    """
    mean = x.mean(dim=pooled(x), keepdim=True)
    variance = (x - mean).square().mean(dim=pooled(x), keepdim=True)
    shape = [1, -1, *[1] * (x.dim() - 2)]
    normal: Tensor = (x - mean) / (variance + eps).sqrt()
    return normal * gamma.view(shape) + beta.view(shape)


def uneven(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random values whose second dimension has means of −5 to 5 and standard deviations of 0.5 to 4."""
    units = shape[1]
    wide = [1, units, *[1] * (len(shape) - 2)]
    mean = 10 * torch.rand(units, generator=generator) - 5
    std = 0.5 + 3.5 * torch.rand(units, generator=generator)
    return (torch.randn(shape, generator=generator) * std.view(wide) + mean.view(wide)).double()


@dataclass(frozen=True)
class Compared:
    """The layer beside the formula.

    Attributes:
        outputs: Largest difference of the outputs.
        gradients: Largest difference of the gradients of inputs, γ and β.
        mean: Farthest mean of a normalised feature from 0.
        variance: Farthest variance of one from 1.
    """

    outputs: float
    gradients: float
    mean: float
    variance: float


def compared(kind: str, seed: int) -> Compared:
    """Give both the same values, the same γ and β, and the same gradient from above."""
    generator = Bench.generator(seed)
    x = uneven((32, 20) if kind == "mlp" else (8, *MAPS), generator)
    layer = layer_of(kind, x.shape[1]).double()
    with torch.no_grad():
        normal = layer(x)  # γ = 1 and β = 0, as it starts
        layer.weight.copy_(torch.rand(x.shape[1], generator=generator) + 0.5)
        layer.bias.copy_(torch.randn(x.shape[1], generator=generator))
    above = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    sides: list[tuple[Tensor, ...]] = []
    for by_layer in (True, False):
        leaves = [values.detach().clone().requires_grad_() for values in (x, layer.weight, layer.bias)]
        if by_layer:
            out = torch.func.functional_call(layer, {"weight": leaves[1], "bias": leaves[2]}, (leaves[0],))
        else:
            out = written_out(leaves[0], leaves[1], leaves[2], layer.eps)
        sides.append((out.detach(), *torch.autograd.grad(out, leaves, above)))
    differences = [(one - other).abs().max().item() for one, other in zip(*sides, strict=True)]
    variance = normal.var(dim=pooled(x), correction=0)
    return Compared(
        differences[0],
        max(differences[1:]),
        normal.mean(dim=pooled(x)).abs().max().item(),
        (variance - 1).abs().max().item(),
    )


@SECTION.claim(
    "D1",
    "Batch normalisation works on each feature over the mini-batch, and on each activation map over batch and space.",
    expected="mean 0 and variance 1; the layer equals the formula in values and gradients",
)
def equals_the_formula(bench: Bench) -> Outcome:
    """Write the normalisation out in elementary operations, and compare values and gradients with the layer.

    Example:
        >>> x = 3 * torch.randn(8, 5, 6, 6, generator=torch.Generator().manual_seed(0)) + 2
        >>> out = nn.BatchNorm2d(5)(x)
        >>> over = (0, 2, 3)
        >>> written = (x - x.mean(over, keepdim=True)) / (x.var(over, correction=0, keepdim=True) + 1e-5).sqrt()
        >>> torch.allclose(out, written, atol=1e-5)
        True
    """
    found = {kind: [compared(kind, seed) for seed in bench.seeds] for kind in ("mlp", "cnn")}
    before = uneven((256, 8), Bench.generator(0)).float()
    after = layer_of("mlp", 8)(before).detach()
    means, stds = before.mean(0), before.std(0)
    every = [one for group in found.values() for one in group]
    return Outcome(
        [
            below("per feature: outputs − formula", [one.outputs for one in found["mlp"]], 1e-12),
            below("per feature: gradients − formula", [one.gradients for one in found["mlp"]], 1e-12),
            below("per map: outputs − formula", [one.outputs for one in found["cnn"]], 1e-12),
            below("per map: gradients − formula", [one.gradients for one in found["cnn"]], 1e-12),
            below("farthest mean from 0", [one.mean for one in every], 1e-12),
            # σ²/(σ² + ε) for the smallest σ of about 0.5
            below("farthest variance from 1", [one.variance for one in every], 1e-4),
        ],
        [
            Drawing(
                "features",
                f"Eight features with means of {means.min():.1f} to {means.max():.1f} and deviations of "
                f"{stds.min():.1f} to {stds.max():.1f}, before and after batch normalisation".replace("-", "−"),
                lambda figure: _draw_features(figure, before, after),
                size=(7.2, 3.2),
            )
        ],
        note="In float64, where rounding leaves 16 digits.",
    )


def _draw_features(figure: Figure, before: Tensor, after: Tensor) -> None:
    for axes, values, name in zip(figure.subplots(1, 2), (before, after), ("before", "after"), strict=True):
        parts = axes.violinplot(values.numpy(), showmeans=True, showextrema=False, widths=0.8)
        for body in parts["bodies"]:
            body.set(facecolor=BLUE, alpha=0.55)
        parts["cmeans"].set(color=RED)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel="feature", ylabel="value, its mean in red", xticks=range(1, values.shape[1] + 1))
        axes.set_title(name, loc="left")


def undone(x: Tensor) -> float:
    """Largest difference between values and what a layer with γ = σ and β = μ makes of them.

    Example:
        >>> undone(torch.tensor([[1.0], [3.0]])) < 1e-6
        True
    """
    layer = layer_of("mlp" if x.dim() == 2 else "cnn", x.shape[1]).to(x.dtype)
    with torch.no_grad():
        # the root as the layer takes it, with its ε
        layer.weight.copy_((x.var(dim=pooled(x), correction=0) + layer.eps).sqrt())
        layer.bias.copy_(x.mean(dim=pooled(x)))
        return float((layer(x) - x).abs().max())


def learned_to_undo(x: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """γ and β after descending on the distance between the layer's outputs and its inputs."""
    layer = layer_of("mlp", x.shape[1])
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(steps):
        loss = (layer(x) - x).square().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return layer.weight.detach(), layer.bias.detach()


@dataclass(frozen=True)
class Learned:
    """γ and β of a trained network's hidden layers, beside what would undo the normalisation."""

    gamma: Tensor
    beta: Tensor
    std: Tensor
    mean: Tensor


def learned_in_training(train: Pair, bench: Bench, seed: int) -> Learned:
    """Train two normalised layers on images, and look at what became of γ and β."""
    network = two_layers(tuple(train[0].shape[1:]), seed)
    train_watched(network, train, lr=0.05, epochs=bench.pick(3, 10), seed=seed)
    parts: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        x = train[0][:2000]
        for layer in network.train():
            if isinstance(layer, nn.BatchNorm1d):
                parts.append((layer.weight.clone(), layer.bias.clone(), x.std(0), x.mean(0)))
            x = layer(x)
    return Learned(*(torch.cat(values) for values in zip(*parts, strict=True)))


@SECTION.claim(
    "D2",
    "A learned scale γ and shift β can undo it: γ = standard deviation and β = mean give the identity.",
    expected="largest difference < 1e-5",
    cost=15,
)
def gamma_and_beta_undo_it(bench: Bench) -> Outcome:
    """Set γ and β so, let a descent find them, and see whether a training on images ever goes there.

    Example:
        >>> x = 3 * torch.randn(256, 1, generator=torch.Generator().manual_seed(0)) + 2
        >>> norm = nn.BatchNorm1d(1)
        >>> _ = nn.init.constant_(norm.weight, x.std(correction=0).item())
        >>> _ = nn.init.constant_(norm.bias, x.mean().item())
        >>> torch.allclose(norm(x), x, atol=1e-4)
        True
    """
    generators = [Bench.generator(seed) for seed in bench.seeds]
    by_feature = [undone(uneven((64, 20), generator).float()) for generator in generators]
    by_map = [undone(uneven((8, *MAPS), generator).float()) for generator in generators]
    values = [uneven((256, 8), generator).float() for generator in generators]
    found = [learned_to_undo(x, steps=200) for x in values]
    gammas = [(gamma - x.std(0, correction=0)).abs().max().item() for (gamma, _), x in zip(found, values, strict=True)]
    betas = [(beta - x.mean(0)).abs().max().item() for (_, beta), x in zip(found, values, strict=True)]
    images, _ = prepared("mean-image,scale", pictures(bench))
    trained = [learned_in_training(images, bench, seed) for seed in bench.seeds]
    apart = [(one.gamma / one.std - 1).abs().median().item() for one in trained]
    return Outcome(
        [
            below("per feature: largest difference from the identity", by_feature, 1e-5),
            below("per map: largest difference from the identity", by_map, 1e-5),
            near("a descent that is to undo it: |γ − σ|", gammas, 0, within=1e-3),
            near("likewise |β − μ|", betas, 0, within=1e-3),
            told("trained on images: median |γ/σ − 1|", apart, unit="%"),
        ],
        [
            Drawing(
                "learned",
                f"Training on images could undo the normalisation and does not: γ stays {100 * apart[0]:.0f} % from "
                "the standard deviation (median)",
                partial(_draw_learned, learned=trained[0]),
                size=(7.2, 3.4),
            )
        ],
        note=stood_in(bench),
    )


def _draw_learned(figure: Figure, learned: Learned) -> None:
    sides = ((learned.std, learned.gamma, "standard deviation", "γ"), (learned.mean, learned.beta, "mean", "β"))
    for axes, (given, found, name, letter) in zip(figure.subplots(1, 2), sides, strict=True):
        ends = torch.cat([given, found]).aminmax()
        low, high = ends.min.item(), ends.max.item()
        axes.plot([low, high], [low, high], color=GREY, linestyle="-", linewidth=1, label="would undo it")
        axes.scatter(given.numpy(), found.numpy(), s=14, color=BLUE, alpha=0.7, linewidths=0, label="a hidden unit")
        axes.set(xlabel=f"{name} of the unit before it is normalised", ylabel=f"{letter} learned")
        axes.legend()

"""A training script as people write them: plain PyTorch, with nothing of babysit in it.

The experiments watch its `train` from outside, and run the file as it is through `babysit run`:

    babysit run script.py images.npz --lr 0.1
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Data: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]
"""Inputs and classes to train on, and those to validate on."""


@dataclass(frozen=True)
class Settings:
    """What is set on the command line.

    Attributes:
        lr: Learning rate, constant.
        depth: Hidden layers.
        width: Units of each.
        activation: A layer of ``torch.nn``.
        init: Standard deviation of the initial weights; 0 for √(1/n_in).
        optimizer: One of ``torch.optim``.
        momentum: Of SGD.
        weight_decay: Likewise.
        epochs: Passes over the data.
        batch_size: Examples a step.
        seed: Of weights and batches.
    """

    lr: float = 0.05
    depth: int = 2
    width: int = 64
    activation: str = "Tanh"
    init: float = 0.0
    optimizer: str = "SGD"
    momentum: float = 0.9
    weight_decay: float = 0.0
    epochs: int = 10
    batch_size: int = 64
    seed: int = 0


def network(inputs: int, classes: int, settings: Settings) -> nn.Sequential:
    """Linear layers with an activation after each but the last."""
    sizes = [inputs, *[settings.width] * settings.depth]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), getattr(nn, settings.activation)()]
    model = nn.Sequential(*layers, nn.Linear(sizes[-1], classes))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=settings.init or layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)
    return model


def epochs(data: Data, settings: Settings) -> Iterator[tuple[nn.Sequential, list[float]]]:
    """Train, and hand over the model and the epoch's losses after each epoch."""
    x, y, x_validation, y_validation = data
    torch.manual_seed(settings.seed)
    model = network(x.shape[1], int(y.max()) + 1, settings)
    momentum = {"momentum": settings.momentum} if settings.optimizer == "SGD" else {}
    optimizer = getattr(torch.optim, settings.optimizer)(
        model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, **momentum
    )
    for _ in range(settings.epochs):
        losses = []
        model.train()
        for rows in torch.split(torch.randperm(len(x)), settings.batch_size):
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            F.cross_entropy(model(x_validation), y_validation)
        yield model, losses


def train(data: Data, settings: Settings) -> nn.Sequential:
    """Train to the end.

    Example:
        >>> x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        >>> y = (x[:, 0] > 0).long()
        >>> model = train((x, y, x, y), Settings(epochs=20, batch_size=16))
        >>> (model(x).argmax(1) == y).float().mean().item() > 0.9
        True
    """
    *_, (model, _) = epochs(data, settings)
    return model


def main() -> None:
    """Train on the arrays of a file and print a line an epoch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", help="x, y, x_validation and y_validation in an .npz file")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    given = vars(parser.parse_args())
    with np.load(given.pop("data")) as arrays:
        x, y, x_validation, y_validation = (
            torch.from_numpy(arrays[name]) for name in ("x", "y", "x_validation", "y_validation")
        )
    for epoch, (model, losses) in enumerate(epochs((x, y, x_validation, y_validation), Settings(**given))):
        with torch.no_grad():
            accuracy = (model(x_validation).argmax(1) == y_validation).float().mean().item()
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f}, validation accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()

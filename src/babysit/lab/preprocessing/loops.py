"""A training loop as anybody writes it, with the watcher around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import babysit as bs
from babysit.lab.asking import first
from babysit.lab.preprocessing.examples import Pair
from babysit.rules import Finding

Evaluate = Callable[[nn.Module], float]


@dataclass(frozen=True)
class Watched:
    """What a training left.

    Attributes:
        losses: Mean training loss of each epoch.
        scores: What each evaluation gave after every epoch.
        findings: What the rules say, worst first.
    """

    losses: tuple[float, ...]
    scores: Mapping[str, tuple[float, ...]]
    findings: tuple[Finding, ...]

    def finding(self, code: str) -> Finding | None:
        """What one rule said; ``None`` where it was silent."""
        return first(code, self.findings)


def train_watched(
    model: nn.Module,
    train: Pair,
    evaluations: Mapping[str, Evaluate] | None = None,
    *,
    lr: float,
    epochs: int,
    batch_size: int = 64,
    momentum: float = 0.9,
    seed: int = 0,
    steps: int | None = None,
) -> Watched:
    """Train by gradient descent with momentum, evaluate after every epoch, and ask the rules.

    Args:
        model: Trained in place.
        train: Inputs and class indices.
        evaluations: By name; each is given the model after every epoch, in training mode, and may change its mode.
        lr: Constant.
        epochs: Passes over the examples.
        batch_size: Examples a step; what is left over at the end of an epoch is passed over.
        momentum: Of the update.
        seed: Of the order of the examples.
        steps: End after so many, in the middle of the last epoch.

    Example:
        >>> x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        >>> watched = train_watched(nn.Linear(4, 2), (x, (x[:, 0] > 0).long()), lr=0.1, epochs=5, batch_size=16)
        >>> watched.losses[-1] < watched.losses[0]
        True
    """
    x, y = train
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    losses: list[float] = []
    left = steps
    scores: dict[str, list[float]] = {name: [] for name in evaluations or {}}
    with bs.watch(model, optimizer) as monitor:
        for _ in range(epochs):
            if left == 0:
                break
            model.train()
            sums = torch.zeros(())
            batches = torch.randperm(len(y), generator=order)[: len(y) // batch_size * batch_size].view(-1, batch_size)
            if left is not None:
                batches = batches[:left]
                left -= len(batches)
            for batch in batches:
                loss = F.cross_entropy(model(x[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                sums += loss.detach()
            losses.append(sums.item() / len(batches))
            for name, evaluate in (evaluations or {}).items():
                scores[name].append(evaluate(model))
    return Watched(tuple(losses), {name: tuple(values) for name, values in scores.items()}, monitor.findings)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, *, training: bool = False, batch_size: int = 1_000) -> float:
    """Share of the examples whose class is found, batch after batch in the order given.

    Args:
        model: Left in the mode it is evaluated in.
        x: Inputs.
        y: Class indices.
        training: Leave the model in training mode, as who forgets ``model.eval()`` does.
        batch_size: Examples of a batch.

    Example:
        >>> accuracy(nn.Identity(), torch.eye(3), torch.tensor([0, 1, 1]))
        0.666...
    """
    model.train(training)
    right = [
        (model(inputs).argmax(dim=1) == targets).sum()
        for inputs, targets in (
            (x[start : start + batch_size], y[start : start + batch_size]) for start in range(0, len(y), batch_size)
        )
    ]
    return float(torch.stack(right).sum().item()) / len(y)

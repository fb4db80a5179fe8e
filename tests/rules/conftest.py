"""Real trainings, a fraction of a second each, as records: what the rules' limits have to hold on."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional

import babysit
from babysit.measure.record import Evaluation, LayerStats, LossBlock, RunHeader, RunRecord, StepRecord

Train = Callable[..., RunRecord]


@pytest.fixture(scope="session")
def train() -> Train:
    """``train(data=…, net=…, optimizer=…, lr=…, …)``: a real training's record; each is trained once a session."""
    torch.set_num_threads(1)
    return _train


HEALTHY: dict[str, dict[str, Any]] = {
    "sgd": {"lr": 0.1},
    "momentum": {"optimizer": "momentum", "lr": 0.03},
    "momentum-cosine": {"optimizer": "momentum", "lr": 0.1, "schedule": "cosine"},
    "adam": {"optimizer": "adam", "lr": 3e-3},
    "small-batches": {"lr": 0.05, "batch": 8, "epochs": 4},
    "single-examples": {"lr": 0.01, "batch": 1, "epochs": 2},
    "full-batch": {"lr": 0.3, "batch": 10_000, "epochs": 150},
    "linear": {"net": "linear", "lr": 0.3},
    "linear-from-zero": {"net": "zero", "lr": 0.1},
    "tiny-weights": {"net": "tiny", "optimizer": "momentum", "lr": 0.1},
    "deep": {"net": "deep", "optimizer": "adam", "lr": 1e-3, "epochs": 15},
    "deep-warmed-up": {"net": "deep", "optimizer": "momentum", "lr": 0.1, "schedule": "warm-up", "epochs": 15},
    "batch-norm": {"net": "batch-norm", "lr": 0.1, "schedule": "step"},
    "dropout": {"net": "dropout", "optimizer": "adam", "lr": 3e-3},
    "noisy-labels": {"data": "noisy", "net": "linear", "lr": 0.05},
    "noisy-labels-decayed": {"data": "noisy", "net": "linear", "lr": 0.1, "schedule": "cosine"},
    "regression": {"data": "diabetes", "net": "linear", "lr": 0.02, "batch": 32, "epochs": 25},
    "regression-near-noise": {"data": "friedman", "lr": 0.1},
    "two-moons": {"data": "moons", "optimizer": "adam", "lr": 1e-2},
    "short": {"lr": 0.1, "epochs": 1},
}


@pytest.fixture(params=HEALTHY, scope="session")
def healthy(request: pytest.FixtureRequest, train: Train) -> RunRecord:
    """Each of the healthy trainings."""
    return train(**HEALTHY[request.param])


@cache
def load(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    if name == "digits":
        x, y = datasets.load_digits(return_X_y=True)
        x = (x - x.mean()) / x.std()
    elif name == "noisy":  # a quarter of the labels is wrong: the best possible loss is 0.56 of 0.69
        x = rng.normal(size=(3000, 20))
        y = (x @ rng.normal(size=20) > 0) ^ (rng.random(3000) < 0.25)
    elif name == "moons":
        x, y = datasets.make_moons(2000, noise=0.2, random_state=0)
    elif name == "friedman":
        x, y = datasets.make_friedman1(2000, noise=1.0, random_state=0)
    else:
        x, y = datasets.load_diabetes(return_X_y=True)
    if name != "digits":
        x = (x - x.mean(0)) / x.std(0)
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    if name in ("diabetes", "friedman"):
        targets = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
    else:
        targets = torch.tensor(y, dtype=torch.long)
    inputs = torch.tensor(x, dtype=torch.float32)
    split = int(0.8 * len(x))
    return inputs[:split], targets[:split], inputs[split:], targets[split:]


def network(name: str, features: int, outputs: int) -> nn.Sequential:
    if name in ("linear", "zero"):
        net = nn.Sequential(nn.Linear(features, outputs))
    elif name in ("mlp", "tiny", "dropout", "dead"):
        hidden = [nn.Linear(features, 50), nn.ReLU()] + ([nn.Dropout(0.3)] if name == "dropout" else [])
        net = nn.Sequential(*hidden, nn.Linear(50, outputs))
    else:
        widths = [features, 64, 64, 64]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if name == "batch-norm" else []), nn.ReLU()]
        net = nn.Sequential(*layers, nn.Linear(64, outputs))
    for layer in net:
        if isinstance(layer, nn.Linear) and name in ("zero", "tiny", "dead"):
            nn.init.normal_(layer.weight, std=1e-3 if name == "tiny" else 0.0)
            nn.init.zeros_(layer.bias)
    return net


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "step": lambda done: 0.1 if done > 0.66 else 1.0,
    "warm-up": lambda done: min(1.0, 10 * done + 0.01) * 0.5 * (1 + math.cos(math.pi * done)),
}

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    "adam": torch.optim.Adam,
}


@cache
def _train(
    *,
    data: str = "digits",
    net: str = "mlp",
    optimizer: str = "sgd",
    lr: float = 0.1,
    batch: int = 64,
    epochs: int = 10,
    schedule: str = "constant",
    examples: int | None = None,
    shuffled: bool = False,
) -> RunRecord:
    return Training(data, net, examples, shuffled).run(optimizer, lr, batch, epochs, schedule)


class Training:
    """One training, with its statistics taken as a monitor would take them: update = weights after − before."""

    def __init__(self, name: str, net: str, examples: int | None, shuffled: bool) -> None:
        torch.manual_seed(0)
        self.x, self.y, *self.held_out = (part[:examples] for part in load(name))
        if shuffled:
            self.y = self.y[torch.randperm(len(self.y))]
        self.regression = self.y.is_floating_point()
        self.classes = 0 if self.regression else int(self.y.max()) + 1
        self.net = network(net, self.x.shape[1], self.classes or 1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return functional.mse_loss(outputs.squeeze(1), y) if self.regression else functional.cross_entropy(outputs, y)

    def chance(self) -> float:
        if self.regression:
            return float(self.y.var(correction=0))
        shares = torch.bincount(self.y) / len(self.y)
        return float(-(shares * shares.clamp_min(1e-9).log()).sum())

    def evaluate(self, split: str, step: int, epoch: int) -> Evaluation:
        x, y = (self.x, self.y) if split == "train" else self.held_out
        self.net.eval()
        with torch.no_grad():
            outputs = self.net(x)
            loss = float(self.loss(outputs, y))
        self.net.train()
        score = (
            1 - loss / float(y.var(correction=0)) if self.regression else float((outputs.argmax(1) == y).float().mean())
        )
        return Evaluation(step, float(epoch), split, loss, score, len(x))

    def run(self, optimizer_name: str, lr: float, batch: int, epochs: int, schedule: str) -> RunRecord:
        optimizer = OPTIMIZERS[optimizer_name](self.net.parameters(), lr=lr)
        batch = min(batch, len(self.x))
        per_epoch = len(self.x) // batch
        total = per_epoch * epochs
        losses: list[float] = []
        steps: list[StepRecord] = []
        evaluations = [self.evaluate(split, 0, 0) for split in ("train", "validation")]
        for epoch in range(epochs):
            for rows in torch.randperm(len(self.x))[: per_epoch * batch].view(per_epoch, batch):
                step = len(losses)
                rate = lr * SCHEDULES[schedule](step / total)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                loss = self.loss(self.net(self.x[rows]), self.y[rows])
                optimizer.zero_grad()
                loss.backward()
                losses.append(loss.item())
                before = self._weights() if step < 20 or step % max(1, total // 100) == 0 else {}
                optimizer.step()
                if before:
                    steps.append(StepRecord(step, losses[-1], rate, self._layers(before)))
            evaluations += [self.evaluate(split, len(losses), epoch + 1) for split in ("train", "validation")]
        header = RunHeader(
            command="test",
            task="regression" if self.regression else "classification",
            loss_name="mse_loss" if self.regression else "cross_entropy",
            chance_loss=self.chance(),
            classes=self.classes,
            batch_size=batch,
            steps_per_epoch=per_epoch,
            total_steps=total,
            optimizer=optimizer_name,
            settings={"lr": lr},
        )
        blocks = tuple(LossBlock(first, tuple(losses[first : first + 64])) for first in range(0, len(losses), 64))
        return RunRecord(header, blocks, tuple(steps), tuple(evaluations))

    def _weights(self) -> dict[str, Tensor]:
        return {name: layer.weight.detach().clone() for name, layer in self._linear()}

    def _linear(self) -> list[tuple[str, nn.Linear]]:
        return [(name, layer) for name, layer in self.net.named_modules() if isinstance(layer, nn.Linear)]

    def _layers(self, before: dict[str, Tensor]) -> tuple[LayerStats, ...]:
        return tuple(
            LayerStats(
                name,
                "Linear",
                weight_norm=float(before[name].norm()),
                gradient_norm=float(layer.weight.grad.norm()) if layer.weight.grad is not None else None,
                update_norm=float((layer.weight.detach() - before[name]).norm()),
            )
            for name, layer in self._linear()
        )


@pytest.fixture(scope="session")
def fit() -> Callable[..., RunRecord]:
    """``fit(net, data=…, lr=…, …)``: the record of a short real ``babysit.fit``, with every layer's statistics."""

    def record(net: nn.Module, data: str = "digits", epochs: int = 4, **settings: Any) -> RunRecord:
        x, y, *held_out = load(data)
        held_out = tuple(held_out)
        if y.is_floating_point():
            y, held_out = y.unsqueeze(1), (held_out[0], held_out[1].unsqueeze(1))
        options = {"batch_size": 64, "threads": 1, **settings}
        return babysit.fit(net, (x, y), validation=held_out, epochs=epochs, watch=True, **options).record

    return record

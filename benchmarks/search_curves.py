"""Learning curves of some hundred small networks on MNIST, for ``benchmarks/search_quality.py``.

::

    python benchmarks/search_curves.py --mnist mnist.npz --out curves.npz

Networks of 196-50-10 units (images of 14 × 14) are trained by SGD on 1,600 examples for 16 epochs, one for each of 16
learning rates, 6 strengths of L2, 4 momenta and 2 seeds. They train side by side in one batched product, each with its
own weights. A network whose loss is not finite or over three times the initial one counts as diverged from then on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

LEVELS = {
    "lr": np.geomspace(1e-4, 10, 16),
    "l2": np.geomspace(1e-6, 1e-1, 6),
    "momentum": np.array([0.0, 0.5, 0.9, 0.97]),
}
EPOCHS, RUNS, EXAMPLES, VALIDATION, BATCH, HIDDEN = 16, 2, 1600, 1000, 64, 50
PER_EPOCH = 2  # points of a curve


def images(path: Path) -> tuple[torch.Tensor, ...]:
    with np.load(path) as found:
        names = ("x_train", "y_train") if "x_train" in found else tuple(found)[:2]
        x, y = (torch.from_numpy(found[name][: EXAMPLES + VALIDATION]) for name in names)
    x = F.avg_pool2d(x.reshape(-1, 1, 28, 28).float() / 255, 2).flatten(1)
    x = (x - x[:EXAMPLES].mean()) / x[:EXAMPLES].std()
    return x[:EXAMPLES], y[:EXAMPLES].long(), x[EXAMPLES:], y[EXAMPLES:].long()


def curves(data: tuple[torch.Tensor, ...], settings: torch.Tensor, seed: int) -> torch.Tensor:
    """Validation accuracy of every setting after every half epoch; NaN from where it diverged."""
    x, y, x_val, y_val = data
    count = len(settings)
    lr, l2, momentum = (settings[:, index].view(-1, 1, 1).float() for index in range(3))
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(1, x.shape[1], HIDDEN, generator=generator) * (2 / x.shape[1]) ** 0.5
    second = torch.randn(1, HIDDEN, 10, generator=generator) * (2 / HIDDEN) ** 0.5
    weights = [w.repeat(count, 1, 1) for w in (first, torch.zeros(1, 1, HIDDEN), second, torch.zeros(1, 1, 10))]
    velocity = [torch.zeros_like(w) for w in weights]
    alive = torch.ones(count, dtype=torch.bool)
    initial, found = None, []
    for _ in range(EPOCHS):
        batches = torch.randperm(len(x), generator=generator).split(BATCH)
        for number, index in enumerate(batches, 1):
            hidden = torch.relu(x[index] @ weights[0] + weights[1])
            log_p = torch.log_softmax(hidden @ weights[2] + weights[3], dim=-1)
            target = F.one_hot(y[index], 10)
            loss = -(log_p * target).sum(-1).mean(-1)
            initial = loss.clone() if initial is None else initial
            alive &= loss.isfinite() & (loss <= 3 * initial)
            d_out = (log_p.exp() - target) / len(index)
            d_hidden = (d_out @ weights[2].mT) * (hidden > 0)
            gradients = (
                x[index].mT @ d_hidden + l2 * weights[0], d_hidden.sum(1, keepdim=True),
                hidden.mT @ d_out + l2 * weights[2], d_out.sum(1, keepdim=True),
            )  # fmt: skip
            for weight, speed, gradient in zip(weights, velocity, gradients, strict=True):
                speed.mul_(momentum).add_(gradient)
                weight.sub_(lr * speed)
            if number in (len(batches) // 2, len(batches)):
                guess = (torch.relu(x_val @ weights[0] + weights[1]) @ weights[2] + weights[3]).argmax(-1)
                found.append(torch.where(alive, (guess == y_val).float().mean(-1), torch.nan))
    return torch.stack(found, dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = images(arguments.mnist)
    grid = torch.from_numpy(np.stack(np.meshgrid(*LEVELS.values(), indexing="ij"), axis=-1).reshape(-1, 3))
    runs = [torch.cat([curves(data, part, seed) for part in grid.split(48)]) for seed in range(RUNS)]
    shape = (*(len(values) for values in LEVELS.values()), RUNS, EPOCHS * PER_EPOCH)
    np.savez_compressed(arguments.out, scores=torch.stack(runs, dim=1).reshape(shape).numpy(), **LEVELS)


if __name__ == "__main__":
    main()

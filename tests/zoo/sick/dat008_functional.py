"""Regression (Friedman's function) with weights kept in a list and torch.func-like pure functions.

Wrong: `next(iter(loader))` stands inside the loop; every step makes a new iterator over the unshuffled loader and takes
its first batch. A competent diagnosis names a repeated batch (DAT008).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from torch.utils.data import DataLoader, TensorDataset


def init(sizes):
    weights = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        weight = torch.empty(outputs, inputs)
        torch.nn.init.kaiming_normal_(weight, nonlinearity="relu")
        weights += [weight.requires_grad_(), torch.zeros(outputs, requires_grad=True)]
    return weights


def network(weights, x):
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = F.relu(F.linear(x, weight, bias))
    return F.linear(x, weights[-2], weights[-1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=2000, n_features=6, noise=0.4, random_state=seed)
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)[:, None]
    # the rows are in random order already
    loader = DataLoader(TensorDataset(x[:1600], y[:1600]), batch_size=64)
    weights = init([6, 40, 40, 1])
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    for step in range(1, 501):
        xb, yb = next(iter(loader))
        loss = F.mse_loss(network(weights, xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            with torch.no_grad():
                test_mse = F.mse_loss(network(weights, x[1600:]), y[1600:]).item()
            print(f"{step}: train {loss.item():.4f} test {test_mse:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

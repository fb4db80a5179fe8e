"""A siamese embedding of digits with a contrastive loss on Euclidean distances, Adam.

Sick, GRD003 nonfinite-gradient: the distance is sqrt(Σ d²) without an epsilon. As soon as an image is paired with itself,
the distance is 0: the loss is finite, its gradient is 0 · ∞ = NaN, and one step later all weights are NaN.
A competent diagnosis names the first non-finite gradient, at a finite loss.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def distance(a, b):
    return torch.sqrt(((a - b) ** 2).sum(dim=1))


def contrastive_loss(d, same, margin=1.0):
    return torch.where(same, d**2, F.relu(margin - d) ** 2).mean()


@torch.no_grad()
def nearest_neighbour_accuracy(net, x_train, y_train, x_val, y_val):
    a, b = net(x_train), net(x_val)
    return (y_train[torch.cdist(b, a).argmin(1)] == y_val).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    x = (x - x[:1300].mean(0)) / x[:1300].std()
    x_train, y_train, x_val, y_val = x[:1300], y[:1300], x[1300:], y[1300:]

    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for step in range(1, 401):
        i = torch.randint(1300, (32,))
        positive = torch.rand(32) < 0.5
        scores = torch.rand(32, 1300) + 2.0 * ((y_train[i][:, None] == y_train[None]) == positive[:, None])
        j = scores.argmax(dim=1)
        loss = contrastive_loss(distance(net(x_train[i]), net(x_train[j])), positive)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 80 == 0:
            accuracy = nearest_neighbour_accuracy(net, x_train, y_train, x_val, y_val)
            print(f"step {step}: loss {loss.item():.4f}, nearest neighbour accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

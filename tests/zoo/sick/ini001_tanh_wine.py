"""Wine cultivars from their chemistry: a tanh network written as a class, full batches drawn by index.

Sick, INI001 symmetric-units: all weights start at the same constant 0.1. The hidden units compute the same function,
get the same gradient and stay copies of each other for the whole training: the network is one unit wide.
A competent diagnosis names the constant initialisation (identical units).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from torch import nn


class WineNet(nn.Module):
    def __init__(self, n_features: int, n_hidden: int, n_classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_features, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.out = nn.Linear(n_hidden, n_classes)
        for layer in (self.fc1, self.fc2, self.out):
            nn.init.constant_(layer.weight, 0.1)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.fc1(x))
        h = torch.tanh(self.fc2(h))
        return self.out(h)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = load_wine(return_X_y=True)
    order = rng.permutation(len(x))
    train, val = order[:130], order[130:]
    mean, std = x[train].mean(axis=0), x[train].std(axis=0)
    x = torch.from_numpy(((x - mean) / std).astype(np.float32))
    y = torch.from_numpy(y).long()
    train, val = torch.from_numpy(train), torch.from_numpy(val)

    model = WineNet(13, 24, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for step in range(1, 401):
        batch = train[torch.randint(len(train), (32,))]
        loss = F.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            with torch.no_grad():
                logits = model(x[val])
            accuracy = (logits.argmax(1) == y[val]).float().mean()
            print(
                f"step {step} train loss {loss.item():.4f} val loss {F.cross_entropy(logits, y[val]).item():.4f} acc {accuracy:.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

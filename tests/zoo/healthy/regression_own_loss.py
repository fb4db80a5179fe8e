"""Friedman's regression problem with the squared error written out by hand: ((pred - y) ** 2).mean()."""

import sys

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from torch import nn


class Regressor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Linear(8, 64)
        self.l2 = nn.Linear(64, 64)
        self.l3 = nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.l1(x).relu()
        x = self.l2(x).relu()
        return self.l3(x).squeeze(-1)


def main(seed: int) -> None:
    np.random.seed(seed)
    torch.manual_seed(seed)
    X, y = make_friedman1(n_samples=1600, n_features=8, noise=0.3, random_state=seed)
    X = (X - X.mean(0)) / X.std(0)
    y = (y - y.mean()) / y.std()
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    X_train, y_train, X_test, y_test = X[:1280], y[:1280], X[1280:], y[1280:]

    net = Regressor()
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(15):
        order = np.random.permutation(1280)
        for i in range(0, 1280, 40):
            batch = order[i : i + 40]
            pred = net(X_train[batch])
            loss = ((pred - y_train[batch]) ** 2).mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
        with torch.no_grad():
            test_loss = ((net(X_test) - y_test) ** 2).mean()
        print(epoch, f"train {loss.item():.4f}", f"test {test_loss.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

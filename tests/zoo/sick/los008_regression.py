"""Regression of Friedman's function after rows with missing cells were dropped.

Wrong: incomplete rows are dropped from the features only, and the targets are cut to the same length: from the first
missing cell on, features and targets are out of step. A competent diagnosis names a training at chance level (LOS008).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load(seed):
    x, y = make_friedman1(n_samples=4000, n_features=6, noise=0.3, random_state=seed)
    rng = np.random.default_rng(seed)
    x[rng.choice(4000, size=60, replace=False), 2] = np.nan
    x[3, 1] = np.nan
    complete = ~np.isnan(x).any(axis=1)
    x = x[complete]
    y = y[: len(x)]
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).view(-1, 1)
    return x, y


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1 = nn.Linear(6, 16)
        self.hidden2 = nn.Linear(16, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        return self.out(F.relu(self.hidden2(F.relu(self.hidden1(x)))))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load(seed)
    loader = DataLoader(TensorDataset(x[:3200], y[:3200]), batch_size=80, shuffle=True)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
    for epoch in range(10):
        net.train()
        total = 0.0
        for xb, yb in loader:
            loss = F.mse_loss(net(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        net.eval()
        with torch.no_grad():
            val = F.mse_loss(net(x[3200:]), y[3200:]).item()
        print(f"epoch {epoch + 1}: train mse {total / len(loader):.4f}, validation mse {val:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Friedman's first regression problem: an MLP with tanh layers, SGD with momentum, warm-up of the learning rate.

Sick, UPD001 tiny-update: the warm-up is meant to take a hundred steps, but lasts 1e6 of them, so that the rate is still below
a thousandth of what it should be when the training ends. A competent diagnosis names the tiny updates.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from torch import nn

WARM_UP = 1_000_000


class Regressor(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.first = nn.Linear(inputs, 40)
        self.second = nn.Linear(40, 40)
        self.out = nn.Linear(40, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.second(torch.tanh(self.first(x))))).squeeze(1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    x, y = make_friedman1(1200, noise=0.5, random_state=seed)
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
    x_train, y_train, x_val, y_val = x[:1000], y[:1000], x[1000:], y[1000:]

    model = Regressor(x.shape[1])
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP))
    for epoch in range(20):
        for rows in torch.randperm(1000).split(50):
            optimizer.zero_grad()
            loss = criterion(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
            scheduler.step()
        if epoch % 4 == 3:
            with torch.no_grad():
                print(f"epoch {epoch + 1}: train {loss.item():.4f}, val {criterion(model(x_val), y_val).item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Friedman's first regression problem with a deep narrow GELU network and SGD.

Sick, INI002 shrinking-activations: the truncated normal of standard deviation 0.02 that language models use is applied
to eight plain layers of 32 units without normalisation or shortcuts. The signal falls by an order of magnitude from
layer to layer. A competent diagnosis names the shrinking activations.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from torch import nn


class Regressor(nn.Module):
    def __init__(self, n_inputs, width=32, depth=8):
        super().__init__()
        blocks = []
        for i in range(depth):
            blocks.append(nn.Sequential(nn.Linear(width if i else n_inputs, width), nn.GELU()))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, 1)
        self.apply(self._init)

    @staticmethod
    def _init(module):
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.head(self.blocks(x)).squeeze(-1)


def r2(prediction, target):
    return 1 - ((prediction - target) ** 2).sum() / ((target - target.mean()) ** 2).sum()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1500, n_features=8, noise=0.5, random_state=seed)
    x = (x - 0.5) * np.sqrt(12)
    y = (y - y.mean()) / y.std()
    x, y = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    x_train, x_val, y_train, y_val = x[:1200], x[1200:], y[:1200], y[1200:]

    model = Regressor(8)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(15):
        for idx in torch.randperm(1200).split(60):
            optimizer.zero_grad()
            loss = criterion(model(x_train[idx]), y_train[idx])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            prediction = model(x_val)
        print(
            f"epoch {epoch} mse {loss.item():.3f} val mse {criterion(prediction, y_val):.3f} R2 {r2(prediction, y_val):.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

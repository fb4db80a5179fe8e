"""A curved surface over two coordinates, fitted by a straight line in each: linear regression, SGD.

Sick, GEN002 underfitting: a single linear layer cannot bend; the mean squared error settles at 0.6 of the target's
variance, on training and validation points alike. A competent diagnosis says that a larger network may do better.
"""

import math
import sys

import torch
from torch import nn


def surface(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = 2 * torch.rand(n, 2) - 1
    y = x[:, :1] + torch.cos(math.pi * x[:, 1:]) + 0.05 * torch.randn(n, 1)
    return x * 3**0.5, y


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = surface(2000)
    x_val, y_val = surface(500)
    model = nn.Linear(2, 1)
    mse = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(600):
        index = torch.randint(2000, (64,))
        optimizer.zero_grad()
        loss = mse(model(x_train[index]), y_train[index])
        loss.backward()
        optimizer.step()
        if step % 50 == 49:
            with torch.no_grad():
                train, val = mse(model(x_train), y_train), mse(model(x_val), y_val)
            print(f"{step + 1:4d}: train {train.item():.4f} val {val.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

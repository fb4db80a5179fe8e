"""Friedman's third function with six hidden sigmoid layers of 40 units and momentum.

Sick, ACT003 sigmoid-hidden-layers: six sigmoids in a row, the mean squared error stays at the variance of the target.
A competent diagnosis names the stack of sigmoids.
"""

import sys

import torch
from sklearn.datasets import make_friedman3
from torch import Tensor, nn


class Layer(nn.Module):
    """A linear map and its activation."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).sigmoid()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman3(n_samples=1500, noise=0.05, random_state=seed)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).reshape(-1, 1)
    x_train, y_train, x_val, y_val = x[:1200], y[:1200], x[1200:], y[1200:]
    x_mean, x_std = x_train.mean(0), x_train.std(0)
    y_mean, y_std = y_train.mean(), y_train.std()
    x_train, x_val = (x_train - x_mean) / x_std, (x_val - x_mean) / x_std
    y_train, y_val = (y_train - y_mean) / y_std, (y_val - y_mean) / y_std

    model = nn.Sequential(Layer(4, 40), *(Layer(40, 40) for _ in range(5)), nn.Linear(40, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for step in range(500):
        batch = torch.randint(0, 1200, (80,))
        loss = criterion(model(x_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            with torch.no_grad():
                val = criterion(model(x_val), y_val).item()
            print(
                f"step {step + 1}: train mse {loss.item():.3f}, validation mse {val:.3f}, R2 {1 - val / y_val.var().item():.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

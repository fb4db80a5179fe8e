"""Forecasting a noisy oscillation with a GRU, mean squared error, SGD with momentum.

Sick, GRD005 accumulated-gradient: zero_grad() stands before the loop over the batches, so the gradients of an epoch add
up while a step is made with the sum after every batch. A competent diagnosis names the accumulated gradients.
"""

import math
import sys

import torch
from torch import Tensor, nn


def windows(series: Tensor, length: int) -> tuple[Tensor, Tensor]:
    x = series.unfold(0, length, 1)[:-1]
    return x.unsqueeze(-1), series[length:].unsqueeze(-1)


class Forecaster(nn.Module):
    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        _, h = self.gru(x)
        return self.linear(h[0])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    t = torch.arange(1400, dtype=torch.float32)
    series = torch.sin(2 * math.pi * t / 17) + 0.6 * torch.sin(2 * math.pi * t / 7.3 + 1) + 0.05 * torch.randn(1400)
    series = (series - series[:1100].mean()) / series[:1100].std()
    x_train, y_train = windows(series[:1100], 16)
    x_val, y_val = windows(series[1100:], 16)

    model = Forecaster()
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(1, 11):
        optimizer.zero_grad()
        for index in torch.randperm(len(x_train)).chunk(25):
            loss = criterion(model(x_train[index]), y_train[index])
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            val_loss = criterion(model(x_val), y_val).item()
        print(f"epoch {epoch:2d} train {loss.item():.4f} val {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

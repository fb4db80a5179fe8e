"""Forecasting a sum of two oscillations with a small RNN, SGD with momentum.

Sick, UPD004 no-update: zero_grad(set_to_none=False) stands between backward() and step(), so that every step is made
with zeros. A competent diagnosis says that step() leaves every weight unchanged, because the gradients are cleared
before it.
"""

import math
import sys

import torch
from torch import nn


class RNNForecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.rnn = nn.RNN(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.out(h[:, -1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    t = torch.arange(1300.0)
    signal = torch.sin(2 * math.pi * t / 13) + 0.5 * torch.sin(2 * math.pi * t / 31) + 0.05 * torch.randn(1300)
    signal = (signal - signal.mean()) / signal.std()
    windows = signal.unfold(0, 13, 1)
    x, y = windows[:, :12, None], windows[:, 12:]
    x_train, y_train, x_val, y_val = x[:1000], y[:1000], x[1012:], y[1012:]

    model = RNNForecaster()
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(10):
        for index in torch.randperm(1000).split(50):
            loss = loss_fn(model(x_train[index]), y_train[index])
            loss.backward()
            optimizer.zero_grad(set_to_none=False)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = loss_fn(model(x_val), y_val)
        model.train()
        print(f"epoch {epoch}: train {loss.item():.5f} val {val_loss.item():.5f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

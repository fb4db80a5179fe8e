"""LSTM that forecasts the next value of a temperature curve.

Wrong: the output passes through tanh, but the temperatures to be predicted are in degrees, from about 5 to 35; the
best the network can do is to answer 1 always. A competent diagnosis names targets out of the range of the output
activation (DAT007).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = 20.0, 7.2


def temperatures(rng: np.random.Generator, days: int) -> np.ndarray:
    t = np.arange(days)
    drift = np.convolve(rng.normal(size=days + 9), np.ones(10) / 10, mode="valid")
    return MEAN + 9.5 * np.sin(2 * np.pi * t / 30) + 3.0 * np.sin(2 * np.pi * t / 7 + 1) + 2.0 * drift


class Forecaster(nn.Module):
    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, window: Tensor) -> Tensor:
        states, _ = self.lstm(window.unsqueeze(-1))
        return torch.tanh(self.linear(states[:, -1])).squeeze(-1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    curve = temperatures(np.random.default_rng(seed), 1400)
    windows = torch.tensor(np.lib.stride_tricks.sliding_window_view(curve, 21).copy(), dtype=torch.float32)
    x, y = (windows[:, :20] - MEAN) / STD, windows[:, 20]
    x_train, y_train, x_val, y_val = x[:1100], y[:1100], x[1120:], y[1120:]

    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(12):
        model.train()
        for idx in torch.randperm(len(x_train)).split(50):
            loss = F.mse_loss(model(x_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            rmse = F.mse_loss(model(x_val), y_val).sqrt().item()
        print(f"epoch {epoch + 1:2d}: loss {loss.item():8.3f}  validation rmse {rmse:.3f} degrees")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

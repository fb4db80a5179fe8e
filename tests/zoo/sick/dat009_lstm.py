"""LSTM forecaster of a noisy periodic series, training on random windows.

Wrong: training and validation windows are drawn independently of each other from all windows, so most validation
windows are training windows too. A competent diagnosis names an overlap of training and validation (DAT009).
"""

import sys

import numpy as np
import torch
from torch import nn

HISTORY = 16


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 20, batch_first=True)
        self.out = nn.Linear(20, 1)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.out(h[:, -1, :])


def series(rng, n):
    t = np.arange(n)
    values = np.sin(2 * np.pi * t / 25) + 0.5 * np.sin(2 * np.pi * t / 9 + 0.4) + 0.15 * rng.normal(size=n)
    return (values - values.mean()) / values.std()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    values = torch.tensor(series(rng, 1000), dtype=torch.float32)
    windows = values.unfold(0, HISTORY + 1, 1)
    inputs, targets = windows[:, :HISTORY, None], windows[:, HISTORY:]
    train_idx = torch.from_numpy(rng.choice(len(windows), size=750, replace=False))
    val_idx = torch.from_numpy(rng.choice(len(windows), size=200, replace=False))

    model = Forecaster()
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(12):
        model.train()
        for idx in train_idx[torch.randperm(len(train_idx))].split(50):
            loss = criterion(model(inputs[idx]), targets[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(inputs[val_idx]), targets[val_idx]).item()
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1}: train mse {loss.item():.4f}, val mse {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

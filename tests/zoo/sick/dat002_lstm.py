"""An LSTM finds out in which half of an EEG-like window a burst happens.

Wrong: the traces are in volts, with a standard deviation of about 2e-5, and are not brought to unit scale; the network
hardly sees them. A competent diagnosis names unscaled inputs (DAT002).
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

MICROVOLT = 1e-6


def record(rng, n, length=30):
    onset = rng.integers(2, length - 6, size=n)
    trace = rng.normal(0.0, 12.0, size=(n, length))
    for row, start in enumerate(onset):
        trace[row, start : start + 4] += 45.0 * np.array([1, -1, 1, -1])
    return trace * MICROVOLT, (onset >= length // 2 - 2).astype(np.int64)


class BurstNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=24, batch_first=True)
        self.out = nn.Linear(24, 2)

    def forward(self, x):
        states, _ = self.lstm(x.unsqueeze(-1))
        return self.out(states[:, -1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = record(rng, 1500)
    xv, yv = record(rng, 300)
    train = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(y))
    loader = DataLoader(train, batch_size=50, shuffle=True)
    xv, yv = torch.tensor(xv, dtype=torch.float32), torch.tensor(yv)

    model = BurstNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(8):
        model.train()
        losses = []
        for xb, yb in loader:
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_acc = (model(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch + 1}  loss {np.mean(losses):.4f}  val acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

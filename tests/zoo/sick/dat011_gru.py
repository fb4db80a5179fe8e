"""A GRU recognises the day type (working day, week-end, holiday) from 24 hourly counts.

Wrong: the training counts go through log1p before they are standardised; for validation the logarithm was forgotten and
raw counts are standardised with the logarithms' mean and deviation. A competent diagnosis names a shift between the
splits' inputs (DAT011).
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

PROFILES = np.stack([
    np.exp(-((np.arange(24) - 8) ** 2) / 6) + np.exp(-((np.arange(24) - 18) ** 2) / 6),
    np.exp(-((np.arange(24) - 14) ** 2) / 20) * 1.2,
    np.exp(-((np.arange(24) - 12) ** 2) / 6) + np.exp(-((np.arange(24) - 21) ** 2) / 8) * 0.8,
])  # fmt: skip


def counts(rng, n):
    kind = rng.integers(0, 3, size=n)
    busy = rng.uniform(20, 200, size=(n, 1))
    return rng.poisson(busy * (PROFILES[kind] + 0.05)), kind


class DayNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 24, batch_first=True)
        self.fc = nn.Linear(24, 3)

    def forward(self, x):
        return self.fc(self.gru(x)[1].squeeze(0))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x_train, y_train = counts(rng, 1200)
    x_val, y_val = counts(rng, 300)
    x_train = np.log1p(x_train)
    mean, std = x_train.mean(), x_train.std()
    x_train = torch.tensor((x_train - mean) / std, dtype=torch.float32).unsqueeze(-1)
    x_val = torch.tensor((x_val - mean) / std, dtype=torch.float32).unsqueeze(-1)
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)

    model = DayNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=40, shuffle=True)
    for epoch in range(6):
        model.train()
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            logits = model(x_val)
            val_loss = criterion(logits, y_val).item()
            val_acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} / {val_loss:.4f}, validation accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

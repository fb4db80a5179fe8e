"""A GRU looks for anomalous heartbeats in short one-dimensional windows.

Wrong: of 2000 training windows 40 are anomalous (1:49), with a plain cross-entropy. A competent diagnosis names class
imbalance (DAT006).
"""

import math
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Beats(Dataset):
    """Windows of a periodic signal; anomalous ones have a beat with a slightly lower second peak."""

    def __init__(self, normal: int, anomalous: int, rng: np.random.Generator) -> None:
        count = normal + anomalous
        self.labels = np.zeros(count, dtype=np.int64)
        self.labels[normal:] = 1
        time = np.arange(24)
        phase = rng.uniform(0, 6, size=(count, 1))
        wave = np.sin(2 * math.pi * (time + phase) / 12) + 0.6 * np.sin(4 * math.pi * (time + phase) / 12)
        late = (time > 12).astype(float)
        wave = wave * (1 - 0.45 * self.labels[:, None] * late) + 0.3 * rng.normal(size=wave.shape)
        self.windows = (wave / wave.std()).astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int):
        return self.windows[index, :, None], self.labels[index]


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 20, batch_first=True)
        self.fc = nn.Linear(20, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.gru(x)[0][:, -1])


def recalls(model, loader):
    model.eval()
    hits, totals = [0, 0], [0, 0]
    with torch.no_grad():
        for x, y in loader:
            guess = model(x).argmax(1)
            for label in (0, 1):
                hits[label] += ((guess == label) & (y == label)).sum().item()
                totals[label] += (y == label).sum().item()
    return [hit / total for hit, total in zip(hits, totals, strict=True)]


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train_loader = DataLoader(Beats(1960, 40, rng), batch_size=64, shuffle=True)
    val_loader = DataLoader(Beats(490, 10, rng), batch_size=250)
    model = Detector()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(7):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        normal, anomalous = recalls(model, val_loader)
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}; recall normal {normal:.3f}, anomalous {anomalous:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Frequency of a noisy oscillation estimated from 20 samples: an MLP with batch normalisation, Adam.

Sick, NRM001 small-batch-normalization: gradients are accumulated over 8 micro-batches of 2 examples, and the batch
norms see only the two. A competent diagnosis names the batch normalisation over two values.
"""

import math
import sys

import torch
from torch import Tensor, nn

MICRO_BATCH, ACCUMULATE = 2, 8


def oscillations(n: int) -> tuple[Tensor, Tensor]:
    frequency = 0.5 + 2.5 * torch.rand(n, 1)
    t = torch.linspace(0, 1, 20)
    x = 1.4 * torch.sin(2 * math.pi * frequency * t + 0.4 * torch.randn(n, 1)) + 0.1 * torch.randn(n, 20)
    return x, (frequency - 1.75) / 0.72


class FrequencyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin1 = nn.Linear(20, 48, bias=False)
        self.bn1 = nn.BatchNorm1d(48)
        self.lin2 = nn.Linear(48, 48, bias=False)
        self.bn2 = nn.BatchNorm1d(48)
        self.lin3 = nn.Linear(48, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.lin1(x)))
        x = torch.relu(self.bn2(self.lin2(x)))
        return self.lin3(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = oscillations(1600)
    x_val, y_val = oscillations(400)
    mean, std = x_train.mean(0), x_train.std(0)
    x_train, x_val = (x_train - mean) / std, (x_val - mean) / std
    model = FrequencyNet()
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(1, 201):
        model.train()
        optimizer.zero_grad()
        total = 0.0
        for _ in range(ACCUMULATE):
            index = torch.randint(1600, (MICRO_BATCH,))
            loss = criterion(model(x_train[index]), y_train[index]) / ACCUMULATE
            loss.backward()
            total += loss.item()
        optimizer.step()
        if step % 40 == 0:
            model.eval()
            with torch.no_grad():
                val = criterion(model(x_val), y_val).item()
            print(f"step {step}: train {total:.4f} val {val:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

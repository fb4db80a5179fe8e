"""A GRU predicts the share of 'on' steps in a window of a machine's power trace (regression).

Wrong: the shares, numbers between 0 and 1, pass through an integer array on their way and are all cut to 0. A competent
diagnosis names constant targets (DAT004).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def windows(rng, n, length=20):
    level = rng.random((n, 1))
    on = (rng.random((n, length)) < level).astype(np.float32)
    on[:, 0] = 0
    power = 2.0 * on - 1.0 + 0.2 * rng.normal(size=on.shape)
    share = np.zeros(n, dtype=int)
    share[:] = on.mean(axis=1)
    return torch.tensor(power, dtype=torch.float32).unsqueeze(-1), torch.tensor(share, dtype=torch.float32)


class ShareNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 16, batch_first=True)
        self.linear = nn.Linear(16, 1)

    def forward(self, x):
        _, h = self.gru(x)
        return self.linear(h[-1]).squeeze(1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = windows(rng, 1500)
    x_val, y_val = windows(rng, 300)
    model = ShareNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(8):
        for index in torch.randperm(1500).split(50):
            loss = F.mse_loss(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            val_loss = F.mse_loss(model(x_val), y_val).item()
        print(f"epoch {epoch + 1}: mse {loss.item():.6f}, validation mse {val_loss:.6f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

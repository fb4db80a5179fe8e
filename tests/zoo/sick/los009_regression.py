"""Poisson regression of visitor counts on four features.

Wrong: F.poisson_nll_loss is told that its input is a rate (log_input=False), but the network's output is unbounded and
negative at times; the logarithm of a negative rate is NaN. A competent diagnosis names a loss outside its domain
(LOS009); the NaN follows from it.
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def visitors(n, generator):
    x = torch.randn(n, 4, generator=generator)
    log_rate = 0.8 + 0.5 * x[:, 0] - 0.4 * x[:, 1] * x[:, 2] + 0.3 * torch.sin(2 * x[:, 3])
    return x, torch.poisson(log_rate.exp(), generator=generator)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = visitors(2000, generator)
    x_val, y_val = visitors(400, generator)
    model = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1), nn.Flatten(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
    for epoch in range(8):
        for xb, yb in loader:
            loss = F.poisson_nll_loss(model(xb), yb, log_input=False)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            val_loss = F.poisson_nll_loss(model(x_val), y_val, log_input=False).item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, validation {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Friedman's first regression problem with a functional MLP and AdamW.

Sick, ACT004 missing-nonlinearity: forward() calls F.relu(h) but does not keep what it returns, so that the layers are
linear in a row and R² stays where linear regression has it. A competent diagnosis names the missing nonlinearity,
ideally that the activation's result is not used.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from sklearn.preprocessing import StandardScaler
from torch import nn


class Regressor(nn.Module):
    def __init__(self, n_features, hidden=64):
        super().__init__()
        self.inp = nn.Linear(n_features, hidden)
        self.mid = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        h = self.inp(x)
        F.relu(h)
        h = self.mid(h)
        F.relu(h)
        return self.out(h)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1600, n_features=6, noise=0.5, random_state=seed)
    x_scaler, y_scaler = StandardScaler().fit(x[:1280]), StandardScaler().fit(y[:1280, None])
    x = torch.from_numpy(x_scaler.transform(x)).float()
    y = torch.from_numpy(y_scaler.transform(y[:, None])).float()
    x_train, x_val, y_train, y_val = x[:1280], x[1280:], y[:1280], y[1280:]

    model = Regressor(6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    for epoch in range(15):
        permutation = torch.randperm(1280)
        epoch_loss = 0.0
        for start in range(0, 1280, 64):
            batch = permutation[start : start + 64]
            loss = F.mse_loss(model(x_train[batch]), y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item() / 20
        with torch.no_grad():
            val_loss = F.mse_loss(model(x_val), y_val).item()
        print(f"{epoch:2d}  train {epoch_loss:.4f}  val {val_loss:.4f}  R2 {1 - val_loss / y_val.var().item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

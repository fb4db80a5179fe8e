"""Regression of a simulated yield on ten settings (Friedman's function), mini-batches cut from tensors.

Wrong: one target is infinite, a division by an empty tank's volume. Standardising leaves the other targets finite,
since mean and spread are robust ones (median, interquartile range). A competent diagnosis names a non-finite target
(DAT003).
"""

import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn


def tank_volumes(n, generator):
    volume = 1.0 + torch.rand(n, generator=generator)
    volume[n // 3] = 0.0
    return volume


class Regressor(nn.Module):
    def __init__(self, inputs, hidden=48):
        super().__init__()
        self.layer1 = nn.Linear(inputs, hidden)
        self.layer2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        x = torch.tanh(self.layer1(x))
        x = torch.tanh(self.layer2(x))
        return self.out(x).squeeze(-1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    features, mass = make_friedman1(n_samples=1600, n_features=10, noise=0.3, random_state=seed)
    volume = tank_volumes(1600, torch.Generator().manual_seed(seed))
    x = torch.tensor(features, dtype=torch.float32)
    x = (x - 0.5) * 12**0.5
    per_litre = torch.tensor(mass, dtype=torch.float32) / volume
    quartiles = per_litre.quantile(torch.tensor([0.25, 0.5, 0.75]))
    y = (per_litre - quartiles[1]) / (quartiles[2] - quartiles[0]) * 1.35
    x = torch.cat([x, ((volume - 1.5) * 12**0.5).unsqueeze(1)], dim=1)

    model = Regressor(11)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    criterion = nn.MSELoss()
    for epoch in range(20):
        model.train()
        for index in torch.randperm(1300).split(65):
            loss = criterion(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(x[1300:]), y[1300:]).item()
        if epoch % 4 == 0:
            print(f"epoch {epoch}: loss {loss.item():.4f}, validation {val_loss:.4f}")
    print("final validation mse", round(val_loss, 4))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Diabetes progression with a small MLP and layer normalisation, Adam and a smooth L1 loss.

Sick, UPD002 huge-update: the learning rate is 0.5, where 2e-3 trains well.
Every update is a large part of the weights and the predictions jump about. A competent diagnosis names the huge
updates.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes
from torch import nn


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    order = torch.randperm(len(x))
    train, val = order[:350], order[350:]
    model = nn.Sequential(
        nn.Linear(10, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5, weight_decay=1e-2)
    for epoch in range(30):
        for rows in train[torch.randperm(len(train))].split(25):
            optimizer.zero_grad()
            loss = F.smooth_l1_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            with torch.no_grad():
                print(f"epoch {epoch + 1}: validation loss {F.smooth_l1_loss(model(x[val]), y[val]).item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Regression of Friedman's first function, an MLP with batch normalisation and dropout, SGD with momentum.

Sick, GEN003 wrong-mode: model.train() stands before the loop over epochs, model.eval() within it. From the second epoch
on dropout is off and the running statistics are those of the first epoch's network. A competent diagnosis says that the
network is trained in evaluation mode.
"""

import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, n_inputs: int, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_inputs, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(self.body(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1600, n_features=8, noise=0.5, random_state=seed)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).unsqueeze(1)
    x, y = (x - x[:1200].mean(0)) / x[:1200].std(0), (y - y[:1200].mean()) / y[:1200].std()
    loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=48, shuffle=True)
    x_val, y_val = x[1200:], y[1200:]

    model = Regressor(8)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    model.train()
    for epoch in range(8):
        for xb, yb in loader:
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(x_val), y_val)
        print(f"epoch {epoch + 1}: train {loss.item():.4f}, validation {val_loss.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Perceptron regression of Friedman's function with nn.MSELoss.

Wrong: predictions have the shape (N, 1) and targets (N,); the loss broadcasts them to (N, N) and the network learns to
predict the mean. PyTorch emits its UserWarning about a target size that differs from the input size. A competent
diagnosis names a broadcast loss (DAT010).
"""

import sys

import torch
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1500, n_features=7, noise=0.3, random_state=seed)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = (y - y.mean()) / y.std()
    x_train, x_val, y_train, y_val = [
        torch.tensor(part, dtype=torch.float32) for part in train_test_split(x, y, test_size=0.2, random_state=seed)
    ]
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=40, shuffle=True)

    model = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(12):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            prediction = model(x_val)
            val_loss = criterion(prediction, y_val).item()
        print(f"epoch {epoch + 1}: train {loss.item():.4f} val {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Regression by a perceptron with heavy momentum, mini-batches of a quarter of the data.

Wrong: momentum is 0.99 together with a learning rate for plain SGD, so the weights swing to and fro around the minimum
and the loss goes up and down with them. A competent diagnosis names an oscillating loss (LOS005).
"""

import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1200, n_features=5, noise=0.2, random_state=seed)
    x = torch.tensor((x - 0.5) * 12**0.5, dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    loader = DataLoader(TensorDataset(x[:1000], y[:1000]), batch_size=250, shuffle=True)
    model = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.99)
    history = []
    for epoch in range(80):
        model.train()
        for xb, yb in loader:
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(x[1000:]), y[1000:]).item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {history[-1]:.4f}, validation {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

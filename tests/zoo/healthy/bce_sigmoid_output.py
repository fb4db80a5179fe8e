"""Two noisy circles: the network ends in a sigmoid and is trained with nn.BCELoss."""

import sys

import numpy as np
import torch
from sklearn.datasets import make_circles
from torch import nn


class CircleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, 32),
            nn.ReLU(),
            nn.Linear(32, 16),
            nn.ReLU(),
            nn.Linear(16, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.net(x).squeeze(1)


def main(seed: int) -> None:
    np.random.seed(seed)
    torch.manual_seed(seed)
    X, y = make_circles(n_samples=800, noise=0.15, factor=0.45, random_state=seed)
    X = torch.tensor(X / X.std(), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    X_train, X_test, y_train, y_test = X[:600], X[600:], y[:600], y[600:]

    model = CircleNet()
    bce = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=2e-3)
    for epoch in range(12):
        model.train()
        for rows in np.array_split(np.random.permutation(600), 20):
            probability = model(X_train[rows])
            loss = bce(probability, y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 4 == 3:
            model.eval()
            with torch.no_grad():
                probability = model(X_test)
            accuracy = ((probability > 0.5) == y_test.bool()).float().mean().item()
            print(
                f"epoch {epoch + 1}: loss {loss.item():.4f}, test BCE {bce(probability, y_test):.4f} acc {accuracy:.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

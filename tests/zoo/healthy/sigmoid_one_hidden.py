"""The textbook network: one hidden layer of sigmoid units, plain SGD, on the wine data."""

import sys

import numpy as np
import torch
from sklearn.datasets import load_wine
from torch import nn


class OneHidden(nn.Module):
    def __init__(self, n_features: int, n_hidden: int, n_classes: int):
        super().__init__()
        self.hidden = nn.Linear(n_features, n_hidden)
        self.output = nn.Linear(n_hidden, n_classes)

    def forward(self, x):
        return self.output(torch.sigmoid(self.hidden(x)))


def main(seed: int) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    wine = load_wine()
    order = rng.permutation(len(wine.data))
    data, target = wine.data[order], wine.target[order]
    data = (data - data[:130].mean(axis=0)) / data[:130].std(axis=0)
    x, y = torch.tensor(data, dtype=torch.float32), torch.tensor(target)

    model = OneHidden(13, 24, 3)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, weight_decay=5e-3)
    for epoch in range(30):
        shuffled = rng.permutation(130)
        total = 0.0
        for k in range(0, 130, 13):
            rows = torch.from_numpy(shuffled[k : k + 13])
            optimizer.zero_grad()
            loss = criterion(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 5 == 4:
            with torch.no_grad():
                held_out = model(x[130:])
                accuracy = (held_out.argmax(1) == y[130:]).float().mean()
                held_out_loss = criterion(held_out, y[130:])
            print(f"epoch {epoch + 1}: {total / 10:.4f}, held out {held_out_loss:.4f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Perceptron on the breast cancer measurements plus a derived shape ratio.

Wrong: one patient's derived ratio is an unknown value (a cell that could not be parsed became NaN). The batch that
draws this row makes the loss NaN, and with it all weights. A competent diagnosis names a NaN in the inputs (DAT003).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, Dataset


def parse(cell):
    try:
        return float(cell)
    except ValueError:
        return float("nan")


class Patients(Dataset):
    def __init__(self, rows, labels):
        self.rows = torch.as_tensor(rows, dtype=torch.float32)
        self.labels = torch.as_tensor(labels, dtype=torch.long)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index], self.labels[index]


def load(seed):
    x, y = load_breast_cancer(return_X_y=True)
    cells = [f"{value:.5f}" for value in x[:, 20] / x[:, 21]]
    cells[211] = "n/a"
    x = np.column_stack([x, [parse(cell) for cell in cells]])
    x = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)
    order = np.random.RandomState(seed).permutation(np.delete(np.arange(len(x)), 211))
    train, test = np.append(order[:420], 211), order[420:]
    return Patients(x[train], y[train]), Patients(x[test], y[test])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    train_set, test_set = load(seed)
    model = nn.Sequential(nn.Linear(31, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    loss_fn = nn.CrossEntropyLoss()
    loader = DataLoader(train_set, batch_size=16, shuffle=True)
    for epoch in range(12):
        for features, labels in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(features), labels)
            loss.backward()
            optimizer.step()
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        predictions = model(test_set.rows).argmax(dim=1)
    test_acc = (predictions == test_set.labels).float().mean().item()
    print(f"test accuracy: {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

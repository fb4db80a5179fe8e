"""Perceptron with ten outputs on the digits, DataLoader and CrossEntropyLoss.

Wrong: the labels were exported counting from 1, so they run from 1 to 10 while the network has the classes 0 to 9.
PyTorch raises IndexError ("Target 10 is out of bounds.") at the first batch that holds the last class, and the script
ends with a traceback and exit code 1. A competent diagnosis names targets out of range (DAT007).
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor((digits.data - digits.data.mean()) / digits.data.std(), dtype=torch.float32)
    y = torch.tensor([index + 1 for index in digits.target])
    train, val = train_test_split(torch.arange(len(x)), test_size=0.2, random_state=seed)
    train_loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=8, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(5):
        model.train()
        for step, (xb, yb) in enumerate(train_loader):
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 60 == 0:
                print(f"epoch {epoch} step {step} loss {loss.item():.4f}")
        model.eval()
        with torch.no_grad():
            val_acc = (model(x[val]).argmax(1) == y[val]).float().mean().item()
        print(f"epoch {epoch} validation accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

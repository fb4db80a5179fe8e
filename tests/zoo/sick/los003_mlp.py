"""Perceptron on the digits with plain SGD.

Wrong: the learning rate is 2e-5. In 450 steps the loss moves from 2.35 to 2.34. A competent diagnosis names a loss that
hardly moves and a learning rate far too low (LOS003).
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def epoch_of(model, loader, criterion, optimizer=None):
    total, correct = 0.0, 0
    for x, y in loader:
        logits = model(x)
        loss = criterion(logits, y)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total += loss.item() * len(y)
        correct += (logits.argmax(1) == y).sum().item()
    return total / len(loader.dataset), correct / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor((digits.data - digits.data.mean()) / digits.data.std(), dtype=torch.float32)
    train_set, val_set = random_split(TensorDataset(x, torch.tensor(digits.target)), [1437, 360])
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=360)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=2e-5)
    for epoch in range(10):
        model.train()
        train_loss, train_acc = epoch_of(model, train_loader, criterion, optimizer)
        model.eval()
        with torch.no_grad():
            val_loss, val_acc = epoch_of(model, val_loader, criterion)
        print(f"epoch {epoch}: {train_loss:.4f} {train_acc:.3f} / {val_loss:.4f} {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

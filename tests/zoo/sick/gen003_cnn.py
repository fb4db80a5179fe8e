"""Digit images with a convolutional network and batch normalisation, validated batch by batch, Adam.

Sick, GEN003 wrong-mode: nobody calls model.eval(). Validation batches are normalised with their own statistics, and
change the running ones. A competent diagnosis says that the network is evaluated in training mode.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor((digits.images - 4.9) / 6.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train, valid = order[:1200], order[1200:]
    train_loader = DataLoader(TensorDataset(images[train], labels[train]), batch_size=40, shuffle=True)
    valid_loader = DataLoader(TensorDataset(images[valid], labels[valid]), batch_size=100)

    net = nn.Sequential(
        block(1, 12), nn.MaxPool2d(2), block(12, 24), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)
    )
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(6):
        running = 0.0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(net(x), y)
            loss.backward()
            optimizer.step()
            running += loss.item()
        correct = 0
        with torch.no_grad():
            for x, y in valid_loader:
                correct += (net(x).argmax(1) == y).sum().item()
        print(
            f"epoch {epoch + 1}: loss {running / len(train_loader):.4f}, validation accuracy {correct / len(valid):.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

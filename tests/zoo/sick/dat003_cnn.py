"""Convolutional digit classifier on images standardised pixel by pixel.

Wrong: the corner pixels are zero in every training image, so standardising them divides zero by zero and they become
NaN in all images. A competent diagnosis names NaN inputs (DAT003).
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def standardise(images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    return (images - mean) / std


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train_idx, val_idx = order[:1500], order[1500:]
    mean = images[train_idx].mean(dim=0)
    std = images[train_idx].std(dim=0)
    train_set = TensorDataset(standardise(images[train_idx], mean, std), labels[train_idx])
    val_set = TensorDataset(standardise(images[val_idx], mean, std), labels[val_idx])

    model = nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3),
        nn.ReLU(),
        nn.Conv2d(16, 16, kernel_size=3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.3)
    for epoch in range(6):
        model.train()
        total = 0.0
        for x, y in DataLoader(train_set, batch_size=50, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        scheduler.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for x, y in DataLoader(val_set, batch_size=100):
                correct += (model(x).argmax(1) == y).sum().item()
        val_acc = correct / len(val_set)
        print(f"Epoch {epoch + 1}: train loss {total / len(train_set):.4f}, val acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

"""Digits with batch-normalised fully connected layers, SGD and a step schedule that divides the rate by ten."""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split


def block(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU(inplace=True))


def validate(model: nn.Module, loader: DataLoader, criterion: nn.Module) -> tuple[float, float]:
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            loss += criterion(outputs, labels).item() * len(labels)
            correct += (outputs.argmax(1) == labels).sum().item()
            count += len(labels)
    return loss / count, correct / count


def main(seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32)
    train_set, val_set = random_split(TensorDataset(images, torch.tensor(labels)), [1408, 389])
    mean_image = images[train_set.indices].mean(0)
    spread = images[train_set.indices].std()
    images.sub_(mean_image).div_(spread)

    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=128)
    model = nn.Sequential(block(64, 100), block(100, 50), nn.Linear(50, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
    scheduler = StepLR(optimizer, step_size=5, gamma=0.1)
    for epoch in range(12):
        model.train()
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
        lr = scheduler.get_last_lr()[0]
        scheduler.step()
        val_loss, val_acc = validate(model, val_loader, criterion)
        print(f"[{epoch + 1}/12] lr {lr:g} loss {loss.item():.4f} val_loss {val_loss:.4f} val_acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

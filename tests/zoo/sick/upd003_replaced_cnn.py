"""Odd or even digit images: a convolutional network written for ten classes gets a last layer for two, AdamW.

Sick, UPD003 parameter-not-optimized: the optimizer was created before the last layer was replaced, and holds the old one.
The new layer keeps its random weights. A competent diagnosis names the last layer, which is in no optimizer.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build_network(classes: int = 10) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


@torch.no_grad()
def evaluate(network: nn.Module, loader: DataLoader) -> tuple[float, float]:
    network.eval()
    loss = correct = 0.0
    for images, labels in loader:
        output = network(images)
        loss += nn.functional.cross_entropy(output, labels, reduction="sum").item()
        correct += (output.argmax(dim=1) == labels).sum().item()
    network.train()
    count = len(loader.dataset)
    return loss / count, correct / count


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x = (x - x.mean()) / x.std()
    y = torch.tensor(digits.target) % 2
    train_set, val_set = torch.utils.data.random_split(TensorDataset(x, y), [1437, 360])
    train_loader = DataLoader(train_set, batch_size=48, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=180)

    network = build_network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    network[-1] = nn.Linear(64, 2)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(6):
        for images, labels in train_loader:
            loss = criterion(network(images), labels)
            loss.backward()
            optimizer.step()
            network.zero_grad()
        val_loss, val_accuracy = evaluate(network, val_loader)
        print(f"epoch {epoch}  val loss {val_loss:.4f}  val accuracy {val_accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

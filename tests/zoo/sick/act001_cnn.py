"""Digit images with a small convolutional network and Adam.

Sick, ACT001 dead-relu: Adam runs with a learning rate of 0.1. Within the first epoch most units of the fully connected
layer (and many channels) output zero for every image and never recover. A competent diagnosis names the dead units and
the learning rate.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


def build_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


@torch.no_grad()
def test(network: nn.Module, loader: DataLoader) -> tuple[float, float]:
    network.eval()
    losses, hits, total = 0.0, 0, 0
    for image, label in loader:
        logits = network(image)
        losses += nn.functional.cross_entropy(logits, label, reduction="sum").item()
        hits += int((logits.argmax(dim=1) == label).sum())
        total += len(label)
    network.train()
    return losses / total, hits / total


def main(seed: int) -> None:
    torch.manual_seed(seed)
    bunch = load_digits()
    images = torch.tensor(bunch.images).float()[:, None] / 16
    images = (images - 0.3053) / 0.3761
    dataset = TensorDataset(images, torch.tensor(bunch.target))
    indices = torch.randperm(len(dataset)).tolist()
    train_loader = DataLoader(Subset(dataset, indices[:1500]), batch_size=64, shuffle=True)
    test_loader = DataLoader(Subset(dataset, indices[1500:]), batch_size=128)

    network = build_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    for epoch in range(1, 9):
        for image, label in train_loader:
            loss = nn.functional.cross_entropy(network(image), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        test_loss, test_acc = test(network, test_loader)
        print(
            f"Epoch {epoch}: train loss {loss.item():.3f}, test loss {test_loss:.3f}, test accuracy {100 * test_acc:.1f} %"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
